"""Ended calls out of the ledger, and what a process makes of them: findings, metrics, and the holdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import update

from agent.budgets import Tier
from agent.ledger.ended_calls import SqlEndedCalls
from agent.ledger.policy_store import SqlPolicyStore
from agent.ledger.tables import sessions
from agent.policy.assignments import Change, ChangeCause
from agent.policy.comparison import Comparison
from agent.policy.decisions import Decision, Mode, Outcome, Reason
from agent.policy.describe import headline, next_step
from agent.policy.evidence import MAX_CALLS, CallCounts
from agent.policy.signal_tests import signal_tests
from agent.rollback.evidence import EvidenceWatcher
from agent.telemetry.events import SessionStarted, TurnFinished
from agent.telemetry.timeline import TurnOutcome
from tests.support.factories import NOON, ended, session, turn
from tests.support.held import held_by
from tests.support.ledger_setup import LedgerSetup, open_setup
from tests.support.policies import BASELINE, BOOK, A
from tests.support.policy_store import watch_on

HOUR = timedelta(hours=1)
TESTS = signal_tests(0.05)


class Service:
    """A process that writes calls and judges them."""

    def __init__(self, setup: LedgerSetup, mode: Mode = "auto") -> None:
        self.setup = setup
        self.store = SqlPolicyStore(setup.ledger.engine, setup.ledger.migrated)
        self.watch, self.metrics, _ = watch_on(self.store)
        self.told: list[Decision] = []
        self.calls = SqlEndedCalls(setup.ledger.engine, setup.ledger.migrated)
        self.evidence = EvidenceWatcher(
            self.calls, self.watch, self.store, TESTS, mode, 30.0, self.metrics, [self.told.append]
        )
        self.number = 0

    async def call(self, policy: str, slow: int, *, turns: int = 6, count: int = 1) -> None:
        for _ in range(count):
            self.number += 1
            known = session(f"s{self.number}", Tier.FREE, f"caller {self.number}", policy)
            who = replace(known, policy_version=BOOK.policies[policy].version)
            self.setup.sinks.handle(SessionStarted(who))
            for number in range(1, turns + 1):
                took = 3.0 if number <= slow else 1.0
                self.setup.sinks.handle(TurnFinished(who, turn(number, server_s=took)))
            self.setup.sinks.handle(ended(who, turns=turns, slow=slow))
        assert await self.setup.ledger.flush(10)

    async def spread(self) -> None:
        """The ledger's clock stands still here: each call ends a second after the one before."""
        async with self.setup.ledger.engine.begin() as connection:
            for number in range(1, self.number + 1):
                at = NOON - HOUR + timedelta(seconds=number)
                await connection.execute(update(sessions).where(sessions.c.id == f"s{number}").values(ended_at=at))

    def shown(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"voice_agent_{name}", labels)


async def test_a_call_counts_as_it_was(database_url: str) -> None:
    async with open_setup(database_url) as setup:
        service = Service(setup)
        who = session("s", Tier.FREE, "ada", "haiku_first")
        setup.sinks.handle(SessionStarted(who))
        for number, (took, outcome) in enumerate(
            [(1.0, TurnOutcome.REPLIED), (3.0, TurnOutcome.REPLIED), (1.0, TurnOutcome.APOLOGY)], 1
        ):
            setup.sinks.handle(TurnFinished(who, turn(number, server_s=took, outcome=outcome)))
        setup.sinks.handle(TurnFinished(who, turn(4, outcome=TurnOutcome.TYPED, spoken=False)))
        setup.sinks.handle(ended(who, turns=4, slow=2))
        setup.sinks.handle(SessionStarted(session("open", Tier.FREE)))
        assert await setup.ledger.flush(10)
        [found] = await service.calls.ended_since(NOON - HOUR, 10)
        counts = {"slow_turns": (2, 3), "no_reply": (1, 3), "lost_sessions": (0, 1)}
        assert found == CallCounts("s", NOON, "free", "haiku_first", "ada", counts, who.policy_version)
        assert await service.calls.ended_since(NOON, 10) == []


async def test_a_call_whose_policy_was_chosen_by_its_caller_decides_nothing(database_url: str) -> None:
    async with open_setup(database_url) as setup:
        service = Service(setup)
        for chosen in (True, False):
            who = replace(session(f"chosen {chosen}", Tier.FREE, "ada", "haiku_first"), policy_chosen=chosen)
            setup.sinks.handle(SessionStarted(who))
            setup.sinks.handle(TurnFinished(who, turn(1, outcome=TurnOutcome.APOLOGY)))
            setup.sinks.handle(ended(who, turns=1, slow=0))
        assert await setup.ledger.flush(10)
        found = await service.calls.ended_since(NOON - HOUR, 10)
    assert [call.session_id for call in found] == ["chosen False"]


async def test_a_watched_policy_raises_the_holdout_once_for_all_replicas_also_after_a_restart(
    database_url: str,
) -> None:
    async with open_setup(database_url) as setup:
        service = Service(setup)
        await service.watch.refresh()
        await service.call("haiku_first", 2, count=25)
        await service.spread()
        for process in (service, Service(setup)):  # the second knows nothing but the ledger
            await process.watch.refresh()
            await process.evidence.refresh(NOON)
            assert (process.shown("evidence_score", signal="slow_turns", tier="free", policy="haiku_first") or 0) > 1
            assert process.shown("evidence_comparison", tier="free", policy="haiku_first") == Comparison.COMPARING
        async with service.store.transaction() as transaction:
            causes = [revision.change.cause for revision in await transaction.history(Tier.FREE)]
        assert causes == [ChangeCause.FIRST, ChangeCause.HOLDOUT]
        weights = dict(service.watch.book.assignments[Tier.FREE].weights)
        assert weights["sonnet_first"] >= 30
        assert dict(service.watch.book.assignments[Tier.PREMIUM].weights) == A
        await service.call("sonnet_first", 2, count=20)
        await service.spread()
        await service.evidence.refresh(NOON)
        assert service.shown("evidence_comparison", tier="free", policy="haiku_first") == Comparison.COMMON_CAUSE
        assert dict(service.watch.book.assignments[Tier.FREE].weights) == A


async def test_in_mode_recommend_it_is_proposed_once(database_url: str) -> None:
    async with open_setup(database_url) as setup:
        service = Service(setup, "recommend")
        await service.watch.refresh()
        await service.call("haiku_first", 2, count=25)
        await service.spread()
        for process in (service, Service(setup, "recommend")):
            await process.watch.refresh()
            await process.evidence.refresh(NOON)
            await process.evidence.refresh(NOON)
        [proposal] = service.told
        assert (proposal.outcome, proposal.reason) == (Outcome.RECOMMENDED, Reason.HOLDOUT)
        assert headline(proposal).startswith("haiku_first for free callers is watched")
        assert next_step(proposal).startswith("voice-agent policy assign free haiku_first=")
        assert dict(service.watch.book.assignments[Tier.FREE].weights) == A


async def test_switched_off_it_is_only_shown(database_url: str) -> None:
    async with open_setup(database_url) as setup:
        service = Service(setup, "off")
        await service.watch.refresh()
        await service.call("haiku_first", 2, count=25)
        await service.spread()
        await service.evidence.refresh(NOON)
        assert (service.told, dict(service.watch.book.assignments[Tier.FREE].weights)) == ([], A)
        assert service.shown("evidence_comparison", tier="free", policy="haiku_first") == Comparison.COMPARING


@pytest.mark.parametrize("batches", [1, 5])
async def test_in_whatever_parts_calls_are_read_they_are_judged_alike(database_url: str, batches: int) -> None:
    async with open_setup(database_url) as setup:
        service = Service(setup, "off")
        await service.watch.refresh()
        for _ in range(batches):
            await service.call("haiku_first", 1, count=25 // batches)
            await service.spread()
            await service.evidence.refresh(NOON)
        score = service.shown("evidence_score", signal="slow_turns", tier="free", policy="haiku_first")
        fresh = Service(setup, "off")
        await fresh.watch.refresh()
        await fresh.evidence.refresh(NOON)
        assert score == fresh.shown("evidence_score", signal="slow_turns", tier="free", policy="haiku_first")


async def test_a_policy_that_somebody_brings_back_is_judged_by_its_calls_from_then_on(database_url: str) -> None:
    """Else a canary with the mended policy would be rolled back for what it was before."""
    async with open_setup(database_url) as setup:
        service = Service(setup)
        await service.watch.refresh()
        await service.call("haiku_first", 2, count=25)
        await service.spread()
        for weights in (BASELINE, A):
            change = Change(Tier.FREE, weights, ChangeCause.ASSIGN, "me", "")
            async with service.store.transaction() as transaction:
                await transaction.change(change, NOON - HOUR + timedelta(seconds=22))
        for process in (service, Service(setup)):
            await process.watch.refresh()
            await process.evidence.refresh(NOON)
            score = process.shown("evidence_score", signal="slow_turns", tier="free", policy="haiku_first")
            assert 0 < (score or 0) < 1  # three of the 25 calls ended since then


async def test_a_new_version_of_a_policy_is_judged_by_its_own_calls(database_url: str) -> None:
    async with open_setup(database_url) as setup:
        service = Service(setup)
        await service.watch.refresh()
        await service.call("haiku_first", 2, count=25)
        await service.spread()
        async with setup.ledger.engine.begin() as connection:
            await connection.execute(update(sessions).values(policy_version=1))
        await service.evidence.refresh(NOON)
        assert service.shown("evidence_score", signal="slow_turns", tier="free", policy="haiku_first") is None


async def test_a_call_of_a_clock_that_is_ahead_hides_none_of_those_that_come(database_url: str) -> None:
    async with open_setup(database_url) as setup:
        service = Service(setup)
        await service.watch.refresh()
        await service.call("haiku_first", 0)
        async with setup.ledger.engine.begin() as connection:
            await connection.execute(update(sessions).values(ended_at=NOON + 24 * HOUR))
        await service.evidence.refresh(NOON)
        await service.call("haiku_first", 2, count=25)
        async with setup.ledger.engine.begin() as connection:
            for number in range(2, service.number + 1):
                at = NOON - HOUR + timedelta(seconds=number)
                await connection.execute(update(sessions).where(sessions.c.id == f"s{number}").values(ended_at=at))
        await service.evidence.refresh(NOON)
        assert (service.shown("evidence_score", signal="slow_turns", tier="free", policy="haiku_first") or 0) > 1


@pytest.mark.parametrize("late", [timedelta(minutes=20), timedelta(minutes=55)])
async def test_calls_that_are_written_late_count_in_the_processes_that_run_as_after_a_restart(
    database_url: str, late: timedelta
) -> None:
    """Another process could not reach the database, or crashed: its calls end long before those that are known."""
    async with open_setup(database_url) as setup:
        service = Service(setup, "off")
        await service.watch.refresh()
        await service.call("haiku_first", 0)  # ends at NOON
        await service.evidence.refresh(NOON)
        await service.call("haiku_first", 2, count=25)
        async with setup.ledger.engine.begin() as connection:
            for number in range(2, service.number + 1):
                at = NOON - late + timedelta(seconds=number)
                await connection.execute(update(sessions).where(sessions.c.id == f"s{number}").values(ended_at=at))
        for seconds in range(5, 70, 5):
            await service.evidence.refresh(NOON + timedelta(seconds=seconds))
        fresh = Service(setup, "off")
        await fresh.watch.refresh()
        await fresh.evidence.refresh(NOON)
        score = {"signal": "slow_turns", "tier": "free", "policy": "haiku_first"}
        assert (service.shown("evidence_score", **score) or 0) > 0.5
        assert service.shown("evidence_score", **score) == fresh.shown("evidence_score", **score)


async def test_a_clock_that_was_ahead_and_is_set_right_hides_no_calls(database_url: str) -> None:
    async with open_setup(database_url) as setup:
        service = Service(setup, "off")
        await service.watch.refresh()
        await service.call("haiku_first", 0)
        async with setup.ledger.engine.begin() as connection:
            await connection.execute(update(sessions).values(ended_at=NOON + 24 * HOUR))
        await service.evidence.refresh(NOON + 24 * HOUR)  # this process's own clock was a day ahead
        await service.call("haiku_first", 2, count=25)
        async with setup.ledger.engine.begin() as connection:
            for number in range(2, service.number + 1):
                at = NOON + timedelta(seconds=number)
                await connection.execute(update(sessions).where(sessions.c.id == f"s{number}").values(ended_at=at))
        await service.evidence.refresh(NOON + timedelta(seconds=30))
        assert (service.shown("evidence_score", signal="slow_turns", tier="free", policy="haiku_first") or 0) > 0.5


async def test_what_cannot_be_read_any_more_asks_for_no_rollback(database_url: str) -> None:
    """Rules take the worst of all processes: one that is cut off must not stand by what it knew for ever."""
    async with open_setup(database_url) as setup:
        service = Service(setup)
        await service.watch.refresh()
        await service.call("haiku_first", 2, count=25)
        await service.spread()
        await service.evidence.refresh(NOON)
        score = {"signal": "slow_turns", "tier": "free", "policy": "haiku_first"}
        assert (service.shown("evidence_score", **score) or 0) > 1
        service.evidence.stale()
        assert service.shown("evidence_score", **score) == 0
        assert service.shown("evidence_comparison", tier="free", policy="haiku_first") == Comparison.NONE
        await service.evidence.refresh(NOON)
        assert (service.shown("evidence_score", **score) or 0) > 1


class ManyCalls:
    """Good calls, one a second, each of another caller."""

    def __init__(self) -> None:
        self.until = NOON

    async def ended_since(self, since: datetime, limit: int) -> Sequence[CallCounts]:
        seconds = min(int((self.until - max(since, NOON)) / timedelta(seconds=1)), limit)
        return [good_call(self.until - timedelta(seconds=ago)) for ago in range(seconds, -1, -1)]


def good_call(at: datetime) -> CallCounts:
    number = int(at.timestamp())
    counts = {"slow_turns": (0, 6), "no_reply": (0, 6), "lost_sessions": (0, 1)}
    return CallCounts(f"s{number}", at, "free", "haiku_first", f"caller {number}", counts)


async def test_a_process_holds_the_latest_calls_however_many_it_has_seen(database_url: str) -> None:
    async with open_setup(database_url) as setup:
        service, calls = Service(setup, "off"), ManyCalls()
        service.evidence = EvidenceWatcher(calls, service.watch, service.store, TESTS, "off", 30.0, service.metrics)
        await service.watch.refresh()
        held: list[int] = []
        for number in range(1, 13):
            calls.until = NOON + timedelta(seconds=number * MAX_CALLS / 4)
            await service.evidence.refresh(calls.until)
            held.append(held_by(service.evidence))
        assert max(held) < 1.15 * held[3]
