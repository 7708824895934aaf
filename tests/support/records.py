"""Made-up turns and sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agent.budgets import Tier, load_budgets
from agent.core.calls import Call, CallOutcome, Fallback, Unit, Usage
from agent.telemetry.events import SessionInfo
from agent.telemetry.stages import Mark
from agent.telemetry.timeline import Timeline, TurnOutcome, TurnRecord

SESSION = SessionInfo("sess_0123456789", "key-secret-subject", Tier.PREMIUM, "haiku_first", 1)
BUDGETS = load_budgets()


def chat(
    start: float, first: float | None, end: float, outcome: CallOutcome = "ok", *, estimated: bool = False
) -> Call:
    usage = Usage({Unit.INPUT_TOKENS: 700, Unit.CACHE_READ_TOKENS: 4_100, Unit.OUTPUT_TOKENS: 42}, estimated)
    return Call("llm", "anthropic", "claude-haiku-5-5", outcome, start, first, end, usage)


def turn(
    began: float = 100.0,
    *,
    llm_s: float = 0.3,
    outcome: TurnOutcome = TurnOutcome.REPLIED,
    calls: Sequence[Call] = (),
    fallbacks: Sequence[Fallback] = (),
    **timeline: Any,
) -> TurnRecord:
    """A spoken turn: 0.3 s of recognition, the model, 0.2 s of voice, 10 ms of sending, a round trip of 50 ms."""
    open_turn = Timeline(3, spoken=True, model="haiku", rule="default", **timeline)
    at = began
    open_turn.mark(Mark.SPEECH_ENDED, at)
    for mark, seconds in (
        (Mark.TRANSCRIPT_READY, 0.3),
        (Mark.FIRST_CLAUSE, llm_s),
        (Mark.FIRST_AUDIO, 0.2),
        (Mark.AUDIO_SENT, 0.01),
    ):
        at += seconds
        open_turn.mark(mark, at)
    open_turn.calls.extend(calls)
    open_turn.fallbacks.extend(fallbacks)
    return open_turn.finish(outcome, ended_at=at + 2.0, network_s=0.05, budgets=BUDGETS.latency)
