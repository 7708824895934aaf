"""Assignments and decisions on both databases, by several processes at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from agent.budgets import Tier
from agent.ledger.database import create_engine, migrate
from agent.ledger.policy_store import SqlPolicyStore
from agent.policy.assignment import AssignmentError, Cause
from agent.policy.decision import Outcome, Reason
from agent.policy.desk import Desk
from agent.policy.policies import load_policies
from agent.policy.watch import AssignmentWatch
from agent.telemetry.exposition import Metrics
from tests.policy.test_assignment import A, B
from tests.policy.test_decision import ALERT, EVIDENCE, decided

BOOK = load_policies()


@asynccontextmanager
async def stored(url: str) -> AsyncGenerator[SqlPolicyStore]:
    engine = create_engine(url)
    try:
        await migrate(engine)
        yield SqlPolicyStore(engine)
    finally:
        await engine.dispose()


def watch_on(store: SqlPolicyStore) -> tuple[AssignmentWatch, Metrics, list[tuple[Tier, str]]]:
    metrics, prepared = Metrics(), list[tuple[Tier, str]]()
    watch = AssignmentWatch(BOOK, store, metrics, lambda tier, policy: prepared.append((tier, policy.name)))
    return watch, metrics, prepared


async def test_the_policy_file_is_the_first_revision_of_all_processes_together(database_url: str) -> None:
    async with stored(database_url) as store:
        watches = [watch_on(store)[0] for _ in range(4)]
        await asyncio.gather(*(watch.refresh() for watch in watches))
        desk = Desk(BOOK, store)
        history = await desk.history()
        assert sorted((one.change.tier, one.number) for one in history) == [(Tier.FREE, 1), (Tier.PREMIUM, 1)]
        assert all(one.change.cause is Cause.FIRST and one.weights == A for one in history)


async def test_a_change_reaches_every_process_and_the_other_tier_stays(database_url: str) -> None:
    async with stored(database_url) as store:
        watch, metrics, prepared = watch_on(store)
        other, _, _ = watch_on(store)
        await watch.refresh()
        await other.refresh()
        made = await Desk(BOOK, store).assign(Tier.FREE, B, "me", "  a canary \n of   economy ")
        assert (made.number, made.change.reason) == (2, "a canary of economy")
        await watch.refresh()
        await other.refresh()
        for one in (watch, other):
            assert dict(one.book.assignments[Tier.FREE].weights) == B
            assert dict(one.book.assignments[Tier.PREMIUM].weights) == A
        assert (Tier.FREE, "economy") in prepared
        weight = metrics.registry.get_sample_value
        assert weight("voice_agent_policy_weight_percent", {"tier": "free", "policy": "economy"}) == 50
        assert weight("voice_agent_policy_weight_percent", {"tier": "free", "policy": "sonnet_first"}) == 0


async def test_what_happens_at_once_happens_one_after_the_other(database_url: str) -> None:
    async with stored(database_url) as store:
        await watch_on(store)[0].refresh()
        desk = Desk(BOOK, store)
        weights = [{"haiku_first": share, "sonnet_first": 100 - share} for share in range(10, 18)]
        await asyncio.gather(*(desk.assign(Tier.FREE, one, "me", "") for one in weights))
        assert sorted(one.number for one in await desk.history(Tier.FREE)) == list(range(1, 10))


async def test_a_revision_of_policies_that_this_process_lacks_is_left_alone(database_url: str) -> None:
    async with stored(database_url) as store:
        watch, _, _ = watch_on(store)
        await watch.refresh()
        async with store.transaction() as transaction:
            first = (await transaction.history(Tier.FREE))[-1]
            await transaction.change(replace(first.change, weights={"from_a_newer_version": 100}), first.at)
        await watch.refresh()
        assert dict(watch.book.assignments[Tier.FREE].weights) == A


async def test_a_decision_is_kept_whole_once_for_each_alert_and_mode(database_url: str) -> None:
    made = replace(decided("haiku_first", ALERT.starts_at - ALERT.starts_at), evidence=EVIDENCE)
    async with stored(database_url) as store:
        async with store.transaction() as transaction:
            await transaction.save(replace(made, outcome=Outcome.HELD, reason=Reason.DWELL))
            await transaction.save(made)
            assert await transaction.decision(made.alert, "auto") == made
            assert await transaction.decision(made.alert, "recommend") is None
        assert list(await Desk(BOOK, store).decisions()) == [made]
        assert list(await Desk(BOOK, store).decisions(Tier.PREMIUM)) == []


async def test_a_rollback_is_taken_back_once(database_url: str) -> None:
    async with stored(database_url) as store:
        await watch_on(store)[0].refresh()
        desk = Desk(BOOK, store)
        rolled = await desk.rollback(Tier.FREE, "automatic", "an alert")
        made = replace(decided("haiku_first", ALERT.starts_at - ALERT.starts_at), to_revision=rolled.number)
        async with store.transaction() as transaction:
            await transaction.save(made)
        back = await desk.undo(made.id, "me", "a mistake")
        assert (back.number, back.weights, back.change.cause) == (3, A, Cause.UNDO)
        assert (await desk.decision(made.id)).outcome is Outcome.UNDONE
        with pytest.raises(AssignmentError, match="is undone: there is no rollback to take back"):
            await desk.undo(made.id, "me", "")
        with pytest.raises(AssignmentError, match="there is no decision nothing-like-it"):
            await desk.undo("nothing-like-it", "me", "")


async def test_what_fails_in_a_transaction_leaves_nothing_behind(database_url: str) -> None:
    async with stored(database_url) as store:
        await watch_on(store)[0].refresh()
        first = (await Desk(BOOK, store).history(Tier.FREE))[0]

        async def change_and_fail() -> None:
            async with store.transaction() as transaction:
                await transaction.change(first.change, first.at)
                raise RuntimeError("in the middle")

        with pytest.raises(RuntimeError, match="in the middle"):
            await change_and_fail()
        assert len(await Desk(BOOK, store).history(Tier.FREE)) == 1
