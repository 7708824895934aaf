"""Makes events for tests: sessions, provider calls and finished turns with plausible numbers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from agent.budgets import Tier, load_budgets
from agent.core.calls import Call, CallOutcome, Service, Unit, Usage
from agent.telemetry.events import CallFinished, Cause, SessionEnded, SessionInfo, SessionOutcome
from agent.telemetry.stages import Mark
from agent.telemetry.timeline import Timeline, TurnOutcome, TurnRecord

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
BUDGETS = load_budgets()


def session(name: str = "s1", tier: Tier = Tier.PREMIUM, subject: str = "ada", policy: str = "standard") -> SessionInfo:
    return SessionInfo(session_id=name, subject=subject, tier=tier, policy=policy, policy_version=3)


def call(
    service: Service,
    provider: str,
    model: str,
    quantities: Mapping[Unit, int],
    *,
    outcome: CallOutcome = "ok",
    estimated: bool = False,
    at: float = 100.0,
) -> Call:
    return Call(service, provider, model, outcome, at, at + 0.2, at + 0.5, Usage(dict(quantities), estimated))


def heard(seconds: int = 10) -> Call:
    return call("stt", "deepgram", "flux-general-en", {Unit.AUDIO_SAMPLES: seconds * 16_000})


def thought(model: str = "claude-haiku-5-5", output: int = 50, *, outcome: CallOutcome = "ok") -> Call:
    quantities = {Unit.INPUT_TOKENS: 500, Unit.CACHE_READ_TOKENS: 4_000, Unit.OUTPUT_TOKENS: output}
    return call("llm", "anthropic", model, quantities, outcome=outcome, estimated=outcome == "cancelled")


def said(characters: int = 112, *, provider: str = "elevenlabs", model: str = "eleven_flash_v2_5") -> Call:
    return call("tts", provider, model, {Unit.CHARACTERS: characters})


def finished(who: SessionInfo | None, done: Call, cause: Cause = Cause.SERVED, turn: int | None = 1) -> CallFinished:
    return CallFinished(session=who, turn=turn, call=done, cause=cause)


def turn(
    number: int = 1,
    *,
    server_s: float = 1.1,
    outcome: TurnOutcome = TurnOutcome.REPLIED,
    model: str = "claude-haiku-5-5",
    spoken: bool = True,
    calls: tuple[Call, ...] = (),
) -> TurnRecord:
    """A turn whose stages are 40 % stt, 30 % llm, 20 % tts and 10 % send of `server_s`, plus 50 ms of network."""
    line = Timeline(turn=number, spoken=spoken, model=model, rule="short")
    line.calls.extend(calls)
    if spoken:
        line.mark(Mark.SPEECH_ENDED, 100.0)
        line.mark(Mark.TRANSCRIPT_READY, 100.0 + 0.4 * server_s)
    if outcome in (TurnOutcome.REPLIED, TurnOutcome.INTERRUPTED):
        line.mark(Mark.FIRST_CLAUSE, 100.0 + 0.7 * server_s)
        line.mark(Mark.FIRST_AUDIO, 100.0 + 0.9 * server_s)
        line.mark(Mark.AUDIO_SENT, 100.0 + server_s)
    return line.finish(outcome, ended_at=100.0 + server_s + 2.0, network_s=0.05, budgets=BUDGETS.latency)


def ended(who: SessionInfo, *, turns: int = 1, slow: int = 0, seconds: float = 60.0) -> SessionEnded:
    return SessionEnded(who, SessionOutcome.COMPLETED, seconds, turns, slow)
