"""Stages add up, nothing slow vanishes, and samples follow from the record alone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.budgets import load_budgets
from agent.telemetry.stages import Mark, derive_stages
from agent.telemetry.timeline import NETWORK_CAP_S, Timeline, TurnOutcome, TurnRecord

BUDGETS = load_budgets().latency
PATH = [Mark.SPEECH_ENDED, Mark.TRANSCRIPT_READY, Mark.FIRST_CLAUSE, Mark.FIRST_AUDIO, Mark.AUDIO_SENT]


def record(
    outcome: TurnOutcome, *times: float, ended_at: float = 100.0, spoken: bool = True, **more: Any
) -> TurnRecord:
    timeline = Timeline(1, spoken)
    for mark, at in zip(PATH, times, strict=False):
        timeline.mark(mark, at)
    return timeline.finish(outcome, ended_at=ended_at, network_s=more.get("network_s"), budgets=BUDGETS)


def test_stages_are_segments_of_the_critical_path() -> None:
    made = record(TurnOutcome.REPLIED, 10.0, 10.3, 10.6, 10.9, 10.91, network_s=0.07)
    assert made.stages == pytest.approx({"stt": 0.3, "llm": 0.3, "tts": 0.3, "send": 0.01, "network": 0.07})
    assert made.voice_to_voice_s == pytest.approx(0.98)
    assert made.over_budget == ()
    assert made.owed
    assert not made.slow


@given(st.lists(st.floats(0, 30), min_size=5, max_size=5), st.floats(0, 1))
def test_the_stages_always_sum_to_the_whole(times: list[float], network_s: float) -> None:
    times[4] = max(times)  # audio is sent last; the marks before may come in any order
    times[0] = min(times)
    made = record(TurnOutcome.REPLIED, *times, network_s=network_s)
    counted = {**made.stages, "network": min(NETWORK_CAP_S, network_s)}
    assert made.voice_to_voice_s == pytest.approx(sum(value for value in counted.values() if value is not None))
    assert all(value is not None and value >= 0 for value in made.stages.values())


def test_an_unmeasured_round_trip_is_none_and_never_zero() -> None:
    made = record(TurnOutcome.REPLIED, 10.0, 10.3, 10.6, 10.9, 11.0)
    assert made.stages["network"] is None
    assert made.voice_to_voice_s == pytest.approx(1.0)


def test_stages_end_at_the_first_missing_mark() -> None:
    stages = derive_stages({Mark.SPEECH_ENDED: 1.0, Mark.TRANSCRIPT_READY: 1.5, Mark.AUDIO_SENT: 3.0})
    assert stages == {"stt": 0.5, "llm": None, "tts": None, "send": None}


def test_the_first_mark_counts() -> None:
    timeline = Timeline(1, spoken=True)
    timeline.mark(Mark.FIRST_AUDIO, 1.0)
    timeline.mark(Mark.FIRST_AUDIO, 2.0)
    assert timeline.marks[Mark.FIRST_AUDIO] == 1.0


@pytest.mark.parametrize("outcome", [TurnOutcome.APOLOGY, TurnOutcome.FAILED])
def test_a_turn_without_a_real_reply_is_slow_however_quick_it_was(outcome: TurnOutcome) -> None:
    made = record(outcome, 10.0, 10.1, 10.2, 10.3, 10.4, ended_at=10.5)
    assert made.owed
    assert made.slow


@pytest.mark.parametrize("outcome", [TurnOutcome.SUPERSEDED, TurnOutcome.ABANDONED])
def test_a_turn_that_was_taken_back_counts_only_when_it_was_already_late(outcome: TurnOutcome) -> None:
    quick = record(outcome, 10.0, 10.3, ended_at=10.8)
    late = record(outcome, 10.0, 10.3, ended_at=11.6)
    assert not quick.owed
    assert late.owed
    assert late.slow


def test_an_answer_to_an_echo_is_neither_owed_nor_slow() -> None:
    slow = record(TurnOutcome.ECHO, 10.0, 10.1, 10.2, 10.3, 12.4)
    assert not slow.owed
    assert not slow.slow


def test_typed_and_capped_turns_stay_out_of_voice_to_voice() -> None:
    typed = record(TurnOutcome.TYPED, 10.0, 10.0, 12.0, 13.0, 13.1, spoken=False)
    assert not typed.owed
    assert typed.voice_to_voice_s is None
    assert typed.over_budget == ()
    assert not record(TurnOutcome.CAPPED, 10.0, 10.1, 10.2, 10.3, 12.4).owed


def test_each_budget_that_was_exceeded_is_named() -> None:
    made = record(TurnOutcome.REPLIED, 10.0, 10.7, 11.2, 11.3, 11.9, network_s=0.2)
    assert set(made.over_budget) == {"stt", "llm", "network", "voice_to_voice"}


def test_a_client_that_answers_late_makes_no_turn_slower_than_the_cap() -> None:
    """The client decides when it answers a ping; the figure that decides on policies bounds what that can do."""
    lied, honest = (record(TurnOutcome.REPLIED, 10.0, 10.3, 10.6, 10.9, 10.91, network_s=s) for s in (4.0, 0.07))
    assert lied.voice_to_voice_s == pytest.approx(0.91 + NETWORK_CAP_S)
    assert not lied.slow
    assert "network" in lied.over_budget
    assert honest.voice_to_voice_s == pytest.approx(0.98)


@pytest.mark.parametrize("outcome", [TurnOutcome.SUPERSEDED, TurnOutcome.ABANDONED])
def test_who_gives_up_on_a_slow_tool_has_not_given_up_on_the_policy(outcome: TurnOutcome) -> None:
    """The answer never began: what the turn waited for the tool is not held against anybody else."""
    waited = Timeline(1, spoken=True, waits=[(10.5, 14.5)])
    waited.mark(Mark.SPEECH_ENDED, 10.0)
    waited.mark(Mark.TRANSCRIPT_READY, 10.3)
    made = waited.finish(outcome, ended_at=14.6, network_s=None, budgets=BUDGETS)
    assert made.voice_to_voice_s == pytest.approx(4.6), "that is how long it took"
    assert made.over_budget == ()
    assert not made.owed
    slow = Timeline(1, spoken=True, waits=[(12.5, 14.5)])
    slow.mark(Mark.SPEECH_ENDED, 10.0)
    slow.mark(Mark.TRANSCRIPT_READY, 10.3)
    assert slow.finish(outcome, ended_at=14.6, network_s=None, budgets=BUDGETS).slow, "2.6 s were the model's"
