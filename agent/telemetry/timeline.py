"""One timeline per turn. Stages mark it; everything that is told about a turn is derived from the finished record.

Stages are segments of the critical path, so they add up. With

    b1 = transcript_ready
    b2 = max(b1, first_clause)
    b3 = max(b2, first_audio)
    b4 = audio_sent

    stt = b1 - speech_ended    llm + tool = b2 - b1    tts = b3 - b2    send = b4 - b3

of which `tool` is the time in which the turn waited for tools; a turn without any has no such stage. What a model says
before it asks for a tool is no answer: the marks are set again by what comes after the tool. Budgets leave `tool` out.

their sum is the server's part of voice-to-voice. With `network`, the session's measured round trip up to a cap, it is
the caller's.
All times are seconds of the event loop's monotonic clock.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from agent.budgets import LatencyBudget
from agent.core.calls import Call, CallRecorder, Fallback, FallbackObserver
from agent.telemetry.stages import Mark, between, derive_stages, since_speech, tool_time


class TurnOutcome(StrEnum):
    """How a turn ended."""

    REPLIED = "replied"  # the whole reply was sent
    INTERRUPTED = "interrupted"  # the caller barged in after the reply had begun
    APOLOGY = "apology"  # no reply could be made: a recorded clip was played instead
    CUT_SHORT = "cut_short"  # the reply began, and every provider failed before its end
    FAILED = "failed"  # nothing could be played at all
    CAPPED = "capped"  # the session had reached its cost cap: a recorded goodbye was played
    GOODBYE = "goodbye"  # the service ends the call, and says so: nobody had asked anything
    GREETING = "greeting"  # the service spoke first
    ECHO = "echo"  # the caller's loudspeaker, not the caller, was answered: no good turn, but it is paid for
    SUPERSEDED = "superseded"  # the caller spoke on before the reply began
    ABANDONED = "abandoned"  # the caller left before the reply began
    TYPED = "typed"  # a typed turn was answered; typed turns are not part of voice-to-voice
    TYPED_FAILED = "typed_failed"


WITHOUT_REPLY: Final = frozenset({TurnOutcome.APOLOGY, TurnOutcome.FAILED})
NO_REPLY: Final = frozenset({*WITHOUT_REPLY, TurnOutcome.CUT_SHORT})
"""What counts as a turn without a reply where policies and versions are judged."""
NOT_WAITED_FOR: Final = frozenset({TurnOutcome.SUPERSEDED, TurnOutcome.ABANDONED})
NOT_OWED: Final = frozenset({TurnOutcome.CAPPED, TurnOutcome.GOODBYE, TurnOutcome.GREETING, TurnOutcome.ECHO})
NETWORK_CAP_S: Final = 0.25
"""So much of a round trip counts in voice-to-voice at the most: a client says how long it takes, by when it answers."""
FILLER: Final = "filler"
"""The source of audio that says no more than that a reply will come."""
TALKED_OVER_S: Final = 0.3
"""A caller who speaks within so many seconds of a reply's first sound was not done."""
STAGES: Final = ("stt", "llm", "tts", "send", "network")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that was asked for in a turn. `outcome` is a bounded word. Times are of `agent.core.clock`."""

    name: str
    outcome: str
    started_at: float
    ended_at: float
    tries: int = 0
    """How often it was really called."""
    reason: str = ""
    """Why somebody else's tool failed, as a bounded word; empty for all else."""


@dataclass(frozen=True, slots=True)
class TurnRecord:
    """A finished turn. Durations are seconds; None where a part was not reached or not measured."""

    turn: int
    spoken: bool
    outcome: TurnOutcome
    trace_id: str
    model: str | None
    rule: str | None
    marks: Mapping[Mark, float]
    ended_at: float
    network_s: float | None
    stages: Mapping[str, float | None]
    voice_to_voice_s: float | None
    over_budget: tuple[str, ...]
    calls: tuple[Call, ...]
    fallbacks: tuple[Fallback, ...]
    audio_s: Mapping[str, float]  # of the reply that were sent, by whose voice it was
    context_tokens: Mapping[str, int]
    asks_again: bool = False
    """Whether the caller asked to hear the last reply again."""
    tools: tuple[ToolCall, ...] = ()
    waits: tuple[tuple[float, float], ...] = ()
    """When the turn waited for tools, from and to."""
    tool_rounds: int = 0
    """How often a model was asked again with the results of tools."""
    first_sound_s: float | None = None
    """From the caller's last sound to the first of the service, be it a filler: what voice-to-voice does not end with.
    """
    slow_by_network: bool = False
    """Whether it is over the voice-to-voice budget with its network time, and within it without."""
    talked_over: bool = False
    """Whether the caller spoke on as the reply began: a false end of turn."""
    first_clause_s: float | None = None
    """From the first text of the model, as the turn got it, to the first clause."""
    first_cut: str | None = None
    """What the first clause ends with (`ClauseCut`)."""
    answered_by: str | None = None
    """The model whose words were the reply, by the name that `model` has or, where it has none, its own; None where
    no model answered. It is not `model` where another took over."""

    @property
    def filler_s(self) -> float:
        """Seconds of "one moment" that were played before the reply; they end no wait."""
        return self.audio_s.get(FILLER, 0.0)

    @property
    def reply_after_s(self) -> float | None:
        """Voice-to-voice as it is told to people: None for a turn without a real reply, whose wait has no end."""
        return None if self.outcome in WITHOUT_REPLY else self.voice_to_voice_s

    @property
    def owed(self) -> bool:
        """Whether the turn belongs in the denominator of voice-to-voice.

        Spoken turns that were owed a reply. One that the caller took back or left is only owed when it had already
        waited longer than the budget: nothing slow may vanish.
        """
        if not self.spoken or self.outcome in NOT_OWED:
            return False
        return self.outcome not in NOT_WAITED_FOR or "voice_to_voice" in self.over_budget

    @property
    def slow(self) -> bool:
        """Whether the turn breaches the voice-to-voice budget; a turn without a real reply always does."""
        return self.owed and ("voice_to_voice" in self.over_budget or self.outcome in WITHOUT_REPLY)


class TurnObserver(CallRecorder, FallbackObserver, Protocol):
    """Is told of the calls and fallbacks of a turn while it runs."""


@dataclass(slots=True)
class Timeline:
    """The open record of a turn: the recorder of its provider calls and the observer of its chains."""

    turn: int
    spoken: bool
    observer: TurnObserver | None = None
    marks: dict[Mark, float] = field(default_factory=dict[Mark, float])
    calls: list[Call] = field(default_factory=list[Call])
    fallbacks: list[Fallback] = field(default_factory=list[Fallback])
    audio_s: dict[str, float] = field(default_factory=dict[str, float])
    model: str | None = None
    rule: str | None = None
    model_ids: Mapping[str, str] = field(default_factory=dict[str, str])
    """The names that rules have for models → their providers' names."""
    asks_again: bool = False
    talked_over: bool = False
    context_tokens: Mapping[str, int] = field(default_factory=dict[str, int])
    trace_id: str = field(default_factory=lambda: secrets.token_hex(16))
    filler_ends: float | None = None
    """When what was played before the reply (a "one moment", a lead-in) is over; the reply is not heard before."""
    clauses: int = 0
    """Clauses of the reply so far."""
    lead: int = 0
    """So many of them were said before a tool was asked for, and are no answer."""
    tools: list[ToolCall] = field(default_factory=list[ToolCall])
    tool_rounds: int = 0
    waits: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """When the turn waited for tools, from and to."""
    first_sound_at: float | None = None
    first_text_at: float | None = None
    first_clause_at: float | None = None
    first_cut: str | None = None

    def mark(self, mark: Mark, at: float) -> None:
        """Sets a mark; the first call counts."""
        self.marks.setdefault(mark, at)

    def text_written(self, at: float) -> None:
        """The model has written something that can be heard; the first call counts."""
        self.first_text_at = at if self.first_text_at is None else self.first_text_at

    def clause_written(self, at: float, cut: str | None = None) -> None:
        """The model has written a clause, which ends with `cut`."""
        self.clauses += 1
        if self.first_clause_at is None:
            self.first_clause_at, self.first_cut = at, cut
        self.mark(Mark.FIRST_CLAUSE, at)

    def clause_sounds(self, clause: int, at: float) -> None:
        """Audio of a clause came from the voice."""
        if clause >= self.lead:
            self.mark(Mark.FIRST_AUDIO, at)

    def reply_sent(self, clause: int, seconds: float, at: float) -> None:
        """So much real audio of a clause was sent. It is heard behind what was sent before, and counts from then on."""
        if clause >= self.lead:
            self.mark(Mark.AUDIO_SENT, max(at, self.filler_ends or at))
        self._plays(seconds, at)

    def tools_asked(self) -> None:
        """The model asks for tools: what it said so far was no answer."""
        self.lead = self.clauses
        for mark in (Mark.FIRST_CLAUSE, Mark.FIRST_AUDIO, Mark.AUDIO_SENT, Mark.PLAYBACK_STARTED):
            self.marks.pop(mark, None)

    @property
    def only_led_in(self) -> bool:
        """Whether nothing of the answer itself was sent, although something was said before a tool was asked for."""
        return self.lead > 0 and Mark.AUDIO_SENT not in self.marks

    def _plays(self, seconds: float, at: float) -> None:
        self.first_sound_at = at if self.first_sound_at is None else self.first_sound_at
        self.filler_ends = max(at, self.filler_ends or at) + seconds

    def filled(self, seconds: float, at: float) -> None:
        """So many seconds of a filler were sent; they are no part of the reply."""
        self.sounded(FILLER, seconds)
        self._plays(seconds, at)

    def interrupted(self, voice_at: float, round_trip_s: float) -> None:
        """The caller has taken the turn with a voice that arrived at `voice_at`, a round trip after it was answered."""
        sent = self.marks.get(Mark.AUDIO_SENT)
        if self.spoken and sent is not None:
            self.talked_over = voice_at - sent - min(NETWORK_CAP_S, round_trip_s) <= TALKED_OVER_S

    def sounded(self, source: str, seconds: float) -> None:
        """So much of the reply was sent in this voice."""
        self.audio_s[source] = self.audio_s.get(source, 0.0) + seconds

    def record(self, call: Call) -> None:
        """Keeps a finished provider call, and passes it on at once: it is charged when it ends, not with the turn."""
        self.calls.append(call)
        if self.observer is not None:
            self.observer.record(call)

    def fell_back(self, fallback: Fallback) -> None:
        """Keeps a move along a chain."""
        self.fallbacks.append(fallback)
        if self.observer is not None:
            self.observer.fell_back(fallback)

    def finish(
        self, outcome: TurnOutcome, *, ended_at: float, network_s: float | None, budgets: LatencyBudget
    ) -> TurnRecord:
        """Closes the timeline. A turn without audio counts the time it waited as voice-to-voice so far."""
        stages = derive_stages(self.marks, self.waits)
        server = _server_part(self.marks, outcome, ended_at)
        total = None if server is None else server + min(NETWORK_CAP_S, network_s or 0.0)
        tool_s = tool_time(self.marks, self.waits, ended_at)  # of the tool's, and not of ours
        judged = None if total is None else total - tool_s
        stages["network"] = network_s
        return TurnRecord(
            turn=self.turn,
            spoken=self.spoken,
            outcome=outcome,
            trace_id=self.trace_id,
            model=self.model,
            rule=self.rule,
            marks=dict(self.marks),
            ended_at=ended_at,
            network_s=network_s,
            stages=stages,
            voice_to_voice_s=total if self.spoken else None,
            over_budget=_over(stages, judged, budgets, outcome) if self.spoken else (),
            calls=tuple(self.calls),
            fallbacks=tuple(self.fallbacks),
            audio_s=dict(self.audio_s),
            context_tokens=self.context_tokens,
            asks_again=self.asks_again,
            talked_over=self.talked_over,
            first_clause_s=between(self.first_text_at, self.first_clause_at),
            first_cut=self.first_cut,
            answered_by=_answered_by(self.calls, self.model, self.model_ids, outcome),
            tools=tuple(self.tools),
            waits=tuple(self.waits),
            tool_rounds=self.tool_rounds,
            first_sound_s=since_speech(self.marks, self.first_sound_at) if self.spoken else None,
            slow_by_network=_slow_by_network(None if server is None else server - tool_s, judged, outcome, budgets),
        )


def _server_part(marks: Mapping[Mark, float], outcome: TurnOutcome, ended_at: float) -> float | None:
    began = marks.get(Mark.SPEECH_ENDED)
    if began is None:
        return None
    return max(0.0, marks.get(Mark.AUDIO_SENT, ended_at) - began)


def _answered_by(calls: Sequence[Call], routed: str | None, ids: Mapping[str, str], outcome: TurnOutcome) -> str | None:
    """Who wrote the reply: of those that were heard, the one that was asked last."""
    wrote = [call for call in calls if call.service == "llm" and not call.spare and call.first_output_at is not None]
    if routed is None or not wrote or outcome in WITHOUT_REPLY or outcome is TurnOutcome.TYPED_FAILED:
        return None
    last = max(wrote, key=lambda call: call.started_at).model
    if ids.get(routed) == last:
        return routed
    return next((name for name, model in ids.items() if model == last), last)


def _slow_by_network(server: float | None, total: float | None, outcome: TurnOutcome, budgets: LatencyBudget) -> bool:
    budget = budgets.seconds()["voice_to_voice"]
    return server is not None and total is not None and server <= budget < total and outcome not in WITHOUT_REPLY


def _over(
    stages: Mapping[str, float | None], total: float | None, budgets: LatencyBudget, outcome: TurnOutcome
) -> tuple[str, ...]:
    """The budgets that are breached. A reply that never comes is later than any budget."""
    measured = {**stages, "voice_to_voice": math.inf if outcome in WITHOUT_REPLY else total}
    return tuple(
        name
        for name, budget in budgets.seconds().items()
        if (value := measured.get(name)) is not None and value > budget
    )
