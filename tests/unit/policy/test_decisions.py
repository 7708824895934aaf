"""What an alert leads to, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from agent.policy.assignments import Change
from agent.policy.decisions import (
    DAY,
    Decision,
    Evidence,
    Judgement,
    Mode,
    Outcome,
    Reason,
    RollbackAlert,
    RollbackLimits,
    judge,
)
from agent.policy.describe import evidence_lines, headline, next_step
from agent.telemetry.recorded_metrics import KEEP, NOT_ENOUGH, ROLL_BACK, WATCH
from tests.support.policies import ALERT, BASELINE, BOOK, EVIDENCE, NOW, TierHistory, decided

BAD = Evidence(ROLL_BACK, baseline_enough=True)
RESTRAINT = RollbackLimits("auto", timedelta(minutes=30), 2)


def judged(
    facts: Evidence = BAD,
    past: TierHistory | None = None,
    recent: tuple[Decision, ...] = (),
    mode: Mode = "auto",
    alert: RollbackAlert = ALERT,
) -> Judgement:
    history = (past or TierHistory()).revisions
    return judge(alert, facts, BOOK, history, recent, replace(RESTRAINT, mode=mode), NOW)


def told(judgement: Judgement) -> tuple[Outcome, Reason]:
    return judgement.outcome, judgement.reason


def test_a_bad_policy_is_rolled_back() -> None:
    judgement = judged()
    assert told(judgement) == (Outcome.ROLLED_BACK, Reason.VERDICT)
    assert isinstance(judgement.change, Change)
    assert judgement.change.weights == BASELINE
    assert judgement.change.actor == "automatic"


def test_in_mode_recommend_a_person_is_asked_and_nothing_changes() -> None:
    judgement = judged(mode="recommend")
    assert told(judgement) == (Outcome.RECOMMENDED, Reason.VERDICT)
    assert judgement.change is None


@pytest.mark.parametrize("verdict", [KEEP, WATCH, NOT_ENOUGH, None])
def test_the_verdict_of_this_moment_counts_not_the_alert(verdict: int | None) -> None:
    assert told(judged(replace(BAD, verdict=verdict))) == (Outcome.HELD, Reason.VERDICT)


def test_a_provider_that_is_down_is_no_fault_of_the_policy() -> None:
    assert told(judged(replace(BAD, outages=("elevenlabs",)))) == (Outcome.HELD, Reason.OUTAGE)
    assert told(judged(replace(BAD, tool_out=True))) == (Outcome.HELD, Reason.TOOL_OUT)


def test_a_policy_that_nobody_gets_any_more_is_left_alone() -> None:
    assert told(judged(past=TierHistory().assign({"economy": 100}))) == (Outcome.HELD, Reason.NOT_ASSIGNED)


def test_going_back_must_mean_less_of_the_policy() -> None:
    more_before = TierHistory({"haiku_first": 100}).assign({"haiku_first": 50, "sonnet_first": 50})
    assert told(judged(past=more_before)) == (Outcome.HELD, Reason.NO_TARGET)
    assert told(judged(past=TierHistory(BASELINE), alert=replace(ALERT, policy="sonnet_first"))) == (
        Outcome.HELD,
        Reason.NO_TARGET,
    )


def test_nothing_that_is_in_breach_itself_comes_back() -> None:
    facts = replace(BAD, breaching=frozenset({"sonnet_first", "haiku_first"}))
    assert told(judged(facts)) == (Outcome.HELD, Reason.TARGET_IN_BREACH)
    assert told(judged(replace(BAD, breaching=frozenset({"haiku_first"}))))[0] is Outcome.ROLLED_BACK


def test_without_enough_of_a_baseline_it_is_only_recommended() -> None:
    assert told(judged(replace(BAD, baseline_enough=False))) == (Outcome.RECOMMENDED, Reason.NO_BASELINE)


def test_a_change_gets_time_to_show_what_it_does() -> None:
    past = TierHistory({"economy": 100}).assign({"haiku_first": 100})
    made = past.revisions[-1]
    past.revisions[-1] = replace(made, at=NOW - timedelta(minutes=29))
    assert told(judged(past=past)) == (Outcome.HELD, Reason.DWELL)
    past.revisions[-1] = replace(made, at=NOW - timedelta(minutes=30))
    assert told(judged(past=past))[0] is Outcome.ROLLED_BACK


def test_what_was_rolled_back_today_does_not_come_back_by_itself() -> None:
    past = TierHistory({"economy": 100}).assign({"haiku_first": 100})
    recent = (decided("economy", timedelta(hours=5)),)
    assert told(judged(past=past, recent=recent)) == (Outcome.HELD, Reason.HYSTERESIS)
    undone = (decided("economy", timedelta(hours=5), Outcome.UNDONE),)
    assert told(judged(past=past, recent=undone))[0] is Outcome.ROLLED_BACK
    yesterday = (decided("economy", DAY),)
    assert told(judged(past=past, recent=yesterday))[0] is Outcome.ROLLED_BACK


def test_there_is_an_end_to_automatic_rollbacks_of_a_day() -> None:
    one, other = decided("economy", timedelta(hours=3)), decided("haiku_first", timedelta(hours=2))
    assert told(judged(recent=(one,)))[0] is Outcome.ROLLED_BACK
    assert told(judged(recent=(one, other))) == (Outcome.HELD, Reason.PER_DAY)
    taken_back = replace(other, outcome=Outcome.UNDONE)
    assert told(judged(recent=(one, taken_back))) == (Outcome.HELD, Reason.PER_DAY)


def test_a_decision_in_words_ends_with_what_to_do() -> None:
    made = replace(decided("haiku_first", timedelta()), evidence=EVIDENCE)
    assert headline(made) == "Rolled back haiku_first for free callers"
    assert next_step(made) == "voice-agent decisions undo haiku_first"
    held = replace(made, outcome=Outcome.HELD, reason=Reason.OUTAGE)
    assert "a provider is down" in headline(held)
    assert next_step(held) == "voice-agent decisions show haiku_first"
    assert evidence_lines(made.evidence) == [
        "slow turns 18.3 % (limit 5.0 %, baseline 3.1 %)",
        "turns without a reply 0.4 % (limit 2.0 %, baseline unknown)",
        "over 1h: 240 turns, 31 sessions",
    ]
    money = {"session_usd": 0.21, "limit_usd": 0.1, "before_usd": None}
    assert evidence_lines(money) == ["an average session costs $0.2100 (limit $0.1000, before unknown)"]


def test_a_rollback_is_proposed_only_where_one_can_help() -> None:
    made = decided("haiku_first", timedelta(), Outcome.HELD)
    proposed = {reason for reason in Reason if "rollback" in next_step(replace(made, reason=reason))}
    assert proposed == {Reason.DWELL, Reason.PER_DAY}
    assert next_step(replace(made, reason=Reason.NOT_ASSIGNED)) == "voice-agent policy history --tier free"
    assert next_step(replace(made, outcome=Outcome.RECOMMENDED)) == "voice-agent policy rollback free"


def test_every_reason_to_hold_back_has_its_words() -> None:
    for reason in Reason:
        held = replace(decided("haiku_first", timedelta()), outcome=Outcome.HELD, reason=reason)
        if reason not in (Reason.NO_BASELINE, Reason.HOLDOUT, Reason.BY_HAND):
            assert not headline(held).endswith(f": {reason}")
