"""A caller whose line was lost goes on: it connects again with its resume token, when the server says, for a bounded
time.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from voice_loadtest.pacing import now
from voice_loadtest.protocol import NO_CAPACITY, ConnectError, NobodyListensError, Push, decode, open_line

RETRIED: Final = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 4410, NO_CAPACITY})
"""Close codes after which a call is worth another try: the network, a drain, a fault, a slow spell, no room."""
FIRST_PAUSE_S: Final = 0.25
LAST_PAUSE_S: Final = 5.0
GONE_S: Final = 3.0
"""A server that said goodbye and does not listen for so long was stopped: one that is started again takes less."""
_READY_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class ReturnedLine:
    """A line that is open again, and the `session.ready` that came on it."""

    line: ClientConnection
    ready: str


@dataclass(frozen=True, slots=True)
class _NotYet:
    """The server did not take the call back; `pause_s` is when it wants to be asked again, where it said so."""

    pause_s: float | None = None
    listens: bool = True


async def come_back(
    url: str, token: str, start: str, for_s: float, push: Push | None, *, gone_s: float
) -> ReturnedLine | None:
    """Tries until the call is open again; None when it is over, or when `for_s` seconds were not enough.

    It is over, too, when nobody listened at the address for `gone_s` seconds: a server that refuses, or a proxy in
    front of it, does. `start` is the first message of a connection, `push` one way of a simulated network.
    """
    until, pause_s = now() + for_s, FIRST_PAUSE_S
    listened_at = now()
    while (left_s := until - now()) > 0:
        # spread out, so that a thousand callers of a restarted server do not come back in the same instant
        await asyncio.sleep(min(left_s, pause_s * random.uniform(1.0, 1.5)))
        match await _try(url, token, start, push):
            case ReturnedLine() as back:
                return back
            case _NotYet(asked_s, listens):
                if listens:
                    listened_at = now()
                elif now() - listened_at >= gone_s:
                    return None
                pause_s = asked_s or min(LAST_PAUSE_S, 2 * pause_s, max(FIRST_PAUSE_S, listened_at + gone_s - now()))
            case None:
                return None
    return None


async def _try(url: str, token: str, start: str, push: Push | None) -> ReturnedLine | _NotYet | None:
    """One connection; None when the server's answer is final."""
    try:
        line = await open_line(url, token, push)
    except ConnectError as error:
        return _NotYet(listens=not isinstance(error, NobodyListensError))
    taken, asked_s = False, None
    try:
        async with asyncio.timeout(_READY_S):
            await line.send(start)
            while True:
                frame = await line.recv()
                message = decode(frame) if isinstance(frame, str) else None
                if message is not None and message.type == "session.ready":
                    taken = True
                    return ReturnedLine(line, str(frame))
                if message is not None and message.type == "error":
                    asked_s = message.retry_after_s
    except (TimeoutError, msgspec.DecodeError):
        return _NotYet(asked_s)
    except ConnectionClosed:
        return _NotYet(asked_s) if line.close_code in RETRIED else None
    finally:
        if not taken:
            line.transport.abort()
