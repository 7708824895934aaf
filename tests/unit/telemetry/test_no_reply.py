"""A turn without a real reply is told in one way everywhere: a breach, and no number."""

from __future__ import annotations

import pytest

from agent.budgets import Tier
from agent.telemetry.log import turn_fields
from agent.telemetry.sentry import slow_turn
from agent.telemetry.span_attributes import VOICE_TO_VOICE
from agent.telemetry.spans import turn_drafts
from agent.telemetry.timeline import TurnOutcome
from agent.transport.voice_agent_v1.translation import turn_metrics
from tests.support.factories import BUDGETS, session, turn

FAILED = (TurnOutcome.APOLOGY, TurnOutcome.FAILED)


@pytest.mark.parametrize("outcome", FAILED)
def test_everybody_is_told_of_a_breach_and_of_no_time(outcome: TurnOutcome) -> None:
    record = turn(server_s=0.3, outcome=outcome)
    assert record.slow
    assert record.over_budget == ("voice_to_voice",)
    line = turn_fields(record)
    assert (line["voice_to_voice_ms"], line["over_budget"]) == (None, "voice_to_voice")
    told = turn_metrics(record)
    assert (told.voice_to_voice_ms, told.over_budget) == (None, ("voice_to_voice",))
    assert slow_turn(session("s1", Tier.FREE), record, BUDGETS).context["voice_to_voice_ms"] is None
    root = next(iter(turn_drafts(session("s1", Tier.FREE), record)))
    assert VOICE_TO_VOICE not in root.attributes


def test_a_reply_has_its_time_everywhere() -> None:
    record = turn(server_s=0.3)
    assert turn_fields(record)["voice_to_voice_ms"] == turn_metrics(record).voice_to_voice_ms == 350
    assert turn_metrics(record).over_budget == ()


def test_a_typed_turn_that_failed_breaches_no_time_of_speech() -> None:
    record = turn(outcome=TurnOutcome.TYPED_FAILED, spoken=False)
    assert (record.over_budget, record.slow) == ((), False)
