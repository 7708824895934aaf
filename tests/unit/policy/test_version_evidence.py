"""Version against version: what ended calls say, and what an alert about it does."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from agent.definitions.book import AgentBook
from agent.definitions.version_watch import VersionWatcher
from agent.policy.comparison import Comparison
from agent.policy.decisions import Evidence, Mode, Outcome, Reason, RollbackAlert, RollbackLimits
from agent.policy.describe import headline, next_step
from agent.policy.evidence import CallCounts
from agent.policy.service import PolicyService
from agent.policy.signal_tests import signal_tests
from agent.rollback.decider import Decider
from agent.rollback.holdout_keeper import HoldoutKeeper
from agent.rollback.notification import NotificationError, SentAlert, asks_for_version
from agent.rollback.versions import Trial, VersionEvidence
from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics
from agent.telemetry.recorded_metrics import KEEP, ROLL_BACK
from tests.support.agent_versions import write_versions
from tests.support.policies import NOW
from tests.support.policy_store import agents_stored

TESTS = signal_tests(0.05)
DAYS = 30.0
TRIAL = Trial("hotel", 1, 2, NOW - timedelta(hours=10))


def ended(slow: dict[int, float], count: int = 300, agent: str = "hotel", seed: int = 1) -> list[CallCounts]:
    """Calls of ten hours, half of each version, whose turns are slow with these chances."""
    dice, found = random.Random(seed), list[CallCounts]()
    for number in range(count):
        version = 1 + number % 2
        bad = sum(dice.random() < slow[version] for _ in range(8))
        counts = {"slow_turns": (bad, 8), "no_reply": (0, 8), "lost_sessions": (0, 1)}
        at = TRIAL.since + timedelta(minutes=2 * number + 1)
        found.append(CallCounts(f"c{number}", at, "free", "haiku_first", f"who{number}", counts, 1, agent, version))
    return found


def test_a_version_that_alone_is_slow_is_found() -> None:
    found = TRIAL.finding(ended({1: 0.02, 2: 0.4}), TESTS, DAYS, NOW)
    assert found.breach
    assert found.comparison is Comparison.ALONE
    assert found.scores["slow_turns"] == found.score


def test_what_makes_both_versions_slow_is_not_the_new_ones_fault() -> None:
    found = TRIAL.finding(ended({1: 0.4, 2: 0.4}), TESTS, DAYS, NOW)
    assert found.comparison is Comparison.COMMON_CAUSE


def test_versions_that_are_fine_stay_below_the_bound() -> None:
    assert not TRIAL.finding(ended({1: 0.02, 2: 0.02}), TESTS, DAYS, NOW).watched


def test_calls_of_others_and_of_the_time_before_do_not_count() -> None:
    bad = ended({1: 0.02, 2: 0.4})
    assert TRIAL.finding([replace(one, agent="desk") for one in bad], TESTS, DAYS, NOW).score == 0
    assert TRIAL.finding([replace(one, agent_version=0) for one in bad], TESTS, DAYS, NOW).score == 0
    assert TRIAL.finding([replace(one, tier="probe") for one in bad], TESTS, DAYS, NOW).score == 0
    assert replace(TRIAL, since=NOW + timedelta(hours=1)).finding(bad, TESTS, DAYS, NOW).score == 0


async def test_what_is_known_is_shown_while_a_version_is_tried(tmp_path: Path) -> None:
    metrics, at = Metrics(), datetime.now(UTC)
    async with agents_stored(f"sqlite:///{tmp_path / 'l.db'}") as store:
        watch = VersionWatcher(AgentBook(write_versions(tmp_path, 1, 2), "hotel"), store)
        evidence = VersionEvidence(watch, TESTS, DAYS, metrics)
        service = PolicyService(watch.book.versions["hotel"], store)
        await service.assign("hotel", {"1": 50, "2": 50}, "me", "")
        await watch.refresh()
        late = [replace(one, ended_at=at + timedelta(minutes=1, seconds=index)) for index, one in enumerate(
            ended({1: 0.02, 2: 0.4})
        )]  # fmt: skip
        await evidence.look(late, at + timedelta(hours=1))
        who = {"agent": "hotel", "version": "2"}
        score, compared = (f"{one.name}" for one in (catalog.AGENT_SCORE, catalog.AGENT_COMPARISON))
        assert (metrics.registry.get_sample_value(score, {**who, "signal": "slow_turns"}) or 0) > 1
        assert metrics.registry.get_sample_value(compared, who) == Comparison.ALONE
        await service.rollback("hotel", "me", "")
        await watch.refresh()
        await evidence.look(late, at + timedelta(hours=1))
        assert metrics.registry.get_sample_value(compared, who) is None


class Facts:
    """A Prometheus that has made up its mind."""

    def __init__(self, found: Evidence) -> None:
        self.found = found

    async def facts(self, alert: RollbackAlert) -> Evidence:
        assert alert.of_agent
        return self.found


ALONE = Evidence(ROLL_BACK, baseline_enough=False, comparison=Comparison.ALONE, evidence={"scores": {"no_reply": 1.2}})
ALERT = RollbackAlert("VoiceAgentAgentVersionWorse", "f", NOW, "hotel", "2", "experience")


@pytest.mark.parametrize(
    ("facts", "mode", "outcome", "reason"),
    [
        (ALONE, "auto", Outcome.ROLLED_BACK, Reason.VERDICT),
        (ALONE, "recommend", Outcome.RECOMMENDED, Reason.VERDICT),
        (replace(ALONE, comparison=Comparison.COMMON_CAUSE), "auto", Outcome.HELD, Reason.COMMON_CAUSE),
        (replace(ALONE, outages=("anthropic",)), "auto", Outcome.HELD, Reason.OUTAGE),
        (replace(ALONE, tool_out=True), "auto", Outcome.HELD, Reason.TOOL_OUT),
        (replace(ALONE, verdict=KEEP), "auto", Outcome.HELD, Reason.VERDICT),
    ],
)
async def test_an_alert_moves_everybody_back_as_with_policies(
    tmp_path: Path, facts: Evidence, mode: Mode, outcome: Outcome, reason: Reason
) -> None:
    async with agents_stored(f"sqlite:///{tmp_path / 'l.db'}") as store:
        watch = VersionWatcher(AgentBook(write_versions(tmp_path, 1, 2), "hotel"), store)
        service = PolicyService(watch.book.versions["hotel"], store)
        await service.assign("hotel", {"1": 90, "2": 10}, "me", "")
        await watch.refresh()
        metrics, limits = Metrics(), RollbackLimits(mode, timedelta(0), 2)
        decider = Decider(watch, store, Facts(facts), limits, metrics)
        assert await decider.consider(ALERT)
        assert not await decider.consider(ALERT), "the same alert is decided once"
        (decision,) = await service.decisions("hotel")
        assert (decision.outcome, decision.reason) == (outcome, reason)
        live = [one.version for one in watch.book.live() if one.agent == "hotel"]
        assert live == ([1] if outcome is Outcome.ROLLED_BACK else [1, 2])
        counted = {"agent": "hotel", "outcome": outcome, "reason": reason}
        assert metrics.registry.get_sample_value(catalog.AGENT_DECISIONS.name, counted) == 1
        assert "version 2 of hotel" in headline(decision)
        steps = {Outcome.RECOMMENDED: "agent rollback hotel", Outcome.ROLLED_BACK: f"decisions undo {decision.id}"}
        assert next_step(decision) == f"voice-agent {steps.get(outcome, 'agent status hotel')}"


async def test_a_canary_that_grew_in_steps_leaves_nobody_with_it(tmp_path: Path) -> None:
    async with agents_stored(f"sqlite:///{tmp_path / 'l.db'}") as store:
        watch = VersionWatcher(AgentBook(write_versions(tmp_path, 1, 2), "hotel"), store)
        service = PolicyService(watch.book.versions["hotel"], store)
        for share in (10, 50):
            await service.assign("hotel", {"1": 100 - share, "2": share}, "me", "")
        await watch.refresh()
        decider = Decider(watch, store, Facts(ALONE), RollbackLimits("auto", timedelta(0), 2), Metrics())
        assert await decider.consider(ALERT)
        assert [(one.version, one.percent) for one in watch.book.live() if one.agent == "hotel"] == [(1, 100)]


@pytest.mark.parametrize("mode", ["auto", "recommend"])
async def test_a_stable_version_that_few_get_has_more_callers_while_the_other_is_watched(
    tmp_path: Path, mode: Mode
) -> None:
    async with agents_stored(f"sqlite:///{tmp_path / 'l.db'}") as store:
        watch = VersionWatcher(AgentBook(write_versions(tmp_path, 1, 2), "hotel"), store)
        service = PolicyService(watch.book.versions["hotel"], store)
        await service.assign("hotel", {"1": 5, "2": 95}, "me", "promoted, but for a holdout")
        await watch.refresh()
        metrics, at = Metrics(), datetime.now(UTC)
        evidence = VersionEvidence(watch, TESTS, DAYS, metrics, HoldoutKeeper(watch, store, mode, metrics))
        slow = [one for one in ended({1: 0.02, 2: 0.4}) if one.agent_version == 2]
        late = [replace(one, ended_at=at + timedelta(minutes=1, seconds=index)) for index, one in enumerate(slow)]
        await evidence.look(late, at + timedelta(hours=1))
        live = {one.version: one.percent for one in watch.book.live() if one.agent == "hotel"}
        if mode == "recommend":
            (proposed,) = await service.decisions("hotel")
            assert live == {1: 5, 2: 95}
            assert (
                headline(proposed) == "version 2 of hotel is watched: give the stable version more callers to compare?"
            )
            assert next_step(proposed) == "voice-agent agent canary hotel 2 --share 50"
            return
        assert live == {1: 50, 2: 50}
        await evidence.look(ended({1: 0.02, 2: 0.02}, count=0), at + timedelta(hours=25))
        assert {one.version: one.percent for one in watch.book.live() if one.agent == "hotel"} == {1: 5, 2: 95}


def test_only_alerts_about_known_agents_are_read() -> None:
    labels = {"alertname": "VoiceAgentAgentVersionWorse", "agent": "hotel", "version": "2", "action": "rollback"}
    sent = SentAlert("firing", labels, NOW, "f")
    assert asks_for_version(sent, ["hotel"]) == ALERT
    for wrong in ({"agent": "desk"}, {"version": "two"}, {"alertname": ""}):
        with pytest.raises(NotificationError):
            asks_for_version(SentAlert("firing", labels | wrong, NOW, "f"), ["hotel"])
