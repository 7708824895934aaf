"""How long a listener waits before it opens a stream again that failed."""

from __future__ import annotations

import asyncio

from agent.core import clock
from agent.providers.base import KnowsOutages, SpeechToText
from agent.turn import listen_rules as rules


async def wait_to_reopen(stt: SpeechToText, failures: int) -> None:
    """Waits ever longer with the number of failures before this one, and no longer than until somebody serves again who
    was out: a caller is not to stay unheard because an outage was long.
    """
    until = clock.now() + min(rules.REOPEN_S * 2**failures, rules.LONGEST_REOPEN_S)
    was_out = False
    while (left := until - clock.now()) > rules.SOON_S:
        served = not isinstance(stt, KnowsOutages) or stt.served
        if served and was_out:
            return
        was_out = not served
        await asyncio.sleep(min(left, rules.OUTAGE_LOOK_S))
