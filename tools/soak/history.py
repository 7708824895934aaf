"""A ledger as a service has it that ran before: what a process keeps of ended calls is full from the start.

Else a soak would tell it from a leak only after hours, when its bound is reached.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from agent.budgets import Tier
from agent.ledger.ledger import Ledger
from agent.ledger.sink import LedgerSink
from agent.policy.evidence import MAX_CALLS
from agent.policy.policies import DEFAULT_PATH, load_policies
from agent.telemetry.events import SessionStarted, TurnFinished
from agent.telemetry.exposition import Metrics
from tests.support.factories import ended, session, turn

POLICY: Final = "haiku_first"  # which nearly all calls have
APART: Final = timedelta(seconds=10)
AT_ONCE: Final = 500  # calls, before they are stored


async def fill(url: str, calls: int = MAX_CALLS) -> None:
    """Stores so many ended calls, the last of them an hour ago. Raises RuntimeError where they are not stored."""
    at = datetime.now(UTC) - timedelta(hours=1) - calls * APART
    version = load_policies(DEFAULT_PATH).policies[POLICY].version
    ledger = Ledger(url, Metrics(), clock=lambda: at)
    sink = LedgerSink(ledger, clock=lambda: at)
    async with ledger:
        for number in range(1, calls + 1):
            at += APART
            known = session(f"before{number}", Tier.FREE, f"caller before {number}", POLICY)
            who = replace(known, policy_version=version)
            for event in (SessionStarted(who), TurnFinished(who, turn(1)), ended(who, turns=1)):
                sink.handle(event)
            due = number % AT_ONCE == 0 or number == calls
            if due and not await ledger.flush(60.0):
                raise RuntimeError("the calls of before were not stored")
