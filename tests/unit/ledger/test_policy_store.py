"""Assignments and decisions on both databases, by several processes at once."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest

from agent.budgets import Tier
from agent.policy.assignments import AssignmentError, ChangeCause
from agent.policy.decisions import DAY, Decision, Evidence, Outcome, Reason, RollbackAlert, RollbackLimits
from agent.policy.policies import load_policies
from agent.policy.service import PolicyService
from agent.policy.store import LIMIT
from agent.rollback.decider import Decider
from agent.telemetry.exposition import Metrics
from agent.telemetry.recorded_metrics import ROLL_BACK
from tests.support.policies import ALERT, EVIDENCE, NOW, A, B, decided
from tests.support.policy_store import stored, watch_on

BOOK = load_policies()


async def test_the_policy_file_is_the_first_revision_of_all_processes_together(database_url: str) -> None:
    async with stored(database_url) as store:
        watches = [watch_on(store)[0] for _ in range(4)]
        await asyncio.gather(*(watch.refresh() for watch in watches))
        desk = PolicyService(BOOK, store)
        history = await desk.history()
        assert sorted((one.change.tier, one.number) for one in history) == [(Tier.FREE, 1), (Tier.PREMIUM, 1)]
        assert all(one.change.cause is ChangeCause.FIRST and one.weights == A for one in history)


async def test_a_change_reaches_every_process_and_the_other_tier_stays(database_url: str) -> None:
    async with stored(database_url) as store:
        watch, metrics, prepared = watch_on(store)
        other, _, _ = watch_on(store)
        await watch.refresh()
        await other.refresh()
        made = await PolicyService(BOOK, store).assign(Tier.FREE, B, "me", "  a canary \n of   economy ")
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
        desk = PolicyService(BOOK, store)
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


async def test_a_process_that_starts_without_the_policy_in_force_gives_everybody_the_baseline(
    database_url: str,
) -> None:
    async with stored(database_url) as store:
        await watch_on(store)[0].refresh()
        async with store.transaction() as transaction:
            first = (await transaction.history(Tier.FREE))[-1]
            await transaction.change(replace(first.change, weights={"taken_out_of_the_file": 100}), first.at)
        watch, metrics, _ = watch_on(store)
        async with watch.running():
            assert dict(watch.book.assignments[Tier.FREE].weights) == {BOOK.baseline: 100}
            assert dict(watch.book.assignments[Tier.PREMIUM].weights) == A
            await PolicyService(BOOK, store).assign(Tier.FREE, B, "me", "mended")
            await watch.refresh()
            assert dict(watch.book.assignments[Tier.FREE].weights) == B
        weight = metrics.registry.get_sample_value
        assert weight("voice_agent_policy_weight_percent", {"tier": "free", "policy": BOOK.baseline}) == 0


async def test_the_age_of_an_assignment_grows_while_it_cannot_be_used(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("agent.policy.watcher.clock.now", lambda: now[0])
    async with stored(database_url) as store:
        watch, _, _ = watch_on(store)
        await watch.refresh()
        assert watch.age_s(Tier.FREE) == 0
        async with store.transaction() as transaction:
            first = (await transaction.history(Tier.FREE))[-1]
            await transaction.change(replace(first.change, weights={"from_a_newer_version": 100}), first.at)
        for now[0] in (1030.0, 1060.0):
            await watch.refresh()
        assert (watch.age_s(Tier.FREE), watch.age_s(Tier.PREMIUM)) == (60, 0)
        await PolicyService(BOOK, store).assign(Tier.FREE, B, "me", "mended")
        await watch.refresh()
        assert watch.age_s(Tier.FREE) == 0


async def test_a_decision_is_kept_whole_once_for_each_alert_and_mode(database_url: str) -> None:
    made = replace(decided("haiku_first", ALERT.starts_at - ALERT.starts_at), evidence=EVIDENCE)
    async with stored(database_url) as store:
        async with store.transaction() as transaction:
            await transaction.save(replace(made, outcome=Outcome.HELD, reason=Reason.DWELL))
            await transaction.save(made)
            assert await transaction.decision(made.alert, "auto") == made
            assert await transaction.decision(made.alert, "recommend") is None
        assert list(await PolicyService(BOOK, store).decisions()) == [made]
        assert list(await PolicyService(BOOK, store).decisions(Tier.PREMIUM)) == []


async def test_a_rollback_is_taken_back_once(database_url: str) -> None:
    async with stored(database_url) as store:
        await watch_on(store)[0].refresh()
        desk = PolicyService(BOOK, store)
        rolled = await desk.rollback(Tier.FREE, "automatic", "an alert")
        made = replace(decided("haiku_first", ALERT.starts_at - ALERT.starts_at), to_revision=rolled.number)
        async with store.transaction() as transaction:
            await transaction.save(made)
        back = await desk.undo(made.id, "me", "a mistake")
        assert (back.number, back.weights, back.change.cause) == (3, A, ChangeCause.UNDO)
        assert (await desk.decision(made.id)).outcome is Outcome.UNDONE
        with pytest.raises(AssignmentError, match="is undone: there is no rollback to take back"):
            await desk.undo(made.id, "me", "")
        with pytest.raises(AssignmentError, match="there is no decision nothing-like-it"):
            await desk.undo("nothing-like-it", "me", "")


async def test_rollbacks_of_the_day_are_found_behind_any_number_of_other_decisions(database_url: str) -> None:
    made = replace(decided("haiku_first", timedelta(hours=5)), evidence={})
    async with stored(database_url) as store, store.transaction() as transaction:
        await transaction.save(made)
        await transaction.save(replace(decided("economy", timedelta(hours=6), Outcome.UNDONE), to_revision=4))
        for number in range(LIMIT + 5):
            alert = replace(ALERT, fingerprint=f"flapping {number}")
            held = replace(
                made, id=f"{number}", alert=alert, outcome=Outcome.HELD, from_revision=None, to_revision=None
            )
            await transaction.save(replace(held, at=NOW))
        assert len(await transaction.decisions(Tier.FREE)) == LIMIT
        found = await transaction.rollbacks(Tier.FREE, NOW - DAY)
        assert {one.id: one.outcome for one in found} == {
            "haiku_first": Outcome.ROLLED_BACK,
            "economy": Outcome.UNDONE,
        }
        assert not await transaction.rollbacks(Tier.FREE, NOW - timedelta(hours=4))
        assert not await transaction.rollbacks(Tier.PREMIUM, NOW - DAY)


class BadNews:
    """Facts that always speak for a rollback."""

    async def facts(self, alert: RollbackAlert) -> Evidence:
        return Evidence(ROLL_BACK, baseline_enough=True)


async def test_of_the_same_alert_to_several_processes_at_once_comes_one_rollback(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(stored(database_url)) for _ in range(4)]
        watches = [watch_on(store)[0] for store in stores]
        for watch in watches:
            await watch.refresh()
        restraint = RollbackLimits("auto", timedelta(), 5)
        told = list[Decision]()
        deciders = [
            Decider(watch, store, BadNews(), restraint, Metrics(), [told.append])
            for watch, store in zip(watches, stores, strict=True)
        ]
        premium = replace(ALERT, tier=Tier.PREMIUM, fingerprint="premium")
        answers = await asyncio.gather(*(one.consider(alert) for one in deciders * 3 for alert in (ALERT, premium)))
        assert answers.count(True) == 2
        assert [one.outcome for one in told] == [Outcome.ROLLED_BACK] * 2
        for tier in Tier:
            assert [one.number for one in await PolicyService(BOOK, stores[0]).history(tier)] == [2, 1]


async def test_what_a_database_cannot_hold_is_left_out_of_a_reason(database_url: str) -> None:
    async with stored(database_url) as store:
        await watch_on(store)[0].refresh()
        desk = PolicyService(BOOK, store)
        made = await desk.assign(Tier.FREE, B, "me", "a\0 canary \udcff")
        assert made.change.reason == "a canary "
        for odd in ("a\0b", "a\udcffb"):
            with pytest.raises(AssignmentError, match="there is no decision ab"):
                await desk.decision(odd)


async def test_what_fails_in_a_transaction_leaves_nothing_behind(database_url: str) -> None:
    async with stored(database_url) as store:
        await watch_on(store)[0].refresh()
        first = (await PolicyService(BOOK, store).history(Tier.FREE))[0]

        async def change_and_fail() -> None:
            async with store.transaction() as transaction:
                await transaction.change(first.change, first.at)
                raise RuntimeError("in the middle")

        with pytest.raises(RuntimeError, match="in the middle"):
            await change_and_fail()
        assert len(await PolicyService(BOOK, store).history(Tier.FREE)) == 1
