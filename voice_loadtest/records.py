"""What a caller writes down: by its own clock, and what the server said about the same turns.

Durations are milliseconds. Nothing in here is invented: a time that was not measured is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from voice_loadtest.protocol import GREETING, NO_REPLY, REAL_REPLY, ServerEvent, close_meaning
from voice_loadtest.quantiles import nearest_rank

SoundKind = Literal["speech", "text", "noise"]


@dataclass(slots=True)
class Utterance:
    """Something that the caller said, typed, or a noise that it made. Moments are the caller's clock, in seconds."""

    kind: SoundKind
    name: str  # file name of the clip; "typed" for a typed turn
    first_voiced_at: float | None = None  # when its first voiced sample was sent
    ended_at: float | None = None  # when its last voiced sample was sent; for typed turns, the text
    over_reply: int | None = None  # the turn whose reply was audible when the voice began
    barge_in_ms: float | None = None  # first voiced sample sent → the reply stopped playing
    turns: list[int] = field(default_factory=list[int])  # what the server made of it; none for a good noise
    whole: bool = False  # said to its end
    cut: bool = False  # the call ended in the middle of it, which is no fault of the reply


@dataclass(slots=True)
class CallerTurn:
    """One turn of the server, or an utterance that it made no turn of (`turn` is None)."""

    turn: int | None
    utterance: Utterance | None
    spoken: bool
    transcript: str | None = None
    clauses: dict[int, str] = field(default_factory=dict[int, str])
    first_audio_at: float | None = None
    first_text_at: float | None = None
    sounded: bool = False  # a sample of the reply was not zero
    own_clauses: int = 0  # clauses that the caller was asked to speak itself
    audio_received_ms: float = 0.0
    audio_sent_ms: float | None = None  # what `audio.end` says
    played_ms: float = 0.0
    gap_ms: float = 0.0  # silence inside the reply because audio came too late
    paused: int = 0
    resumed: int = 0
    heard: str | None = None  # by the server's `audio.clear`; the whole reply when it played to its end
    cleared: bool = False
    finished: bool = False  # played to its end
    outcome: str | None = None
    model: str | None = None
    answered_by: str | None = None
    """Not `model` where another model took over; None where none answered."""
    rule: str | None = None
    stages: dict[str, float | None] = field(default_factory=dict[str, float | None])
    server_voice_to_voice_ms: float | None = None
    over_budget: tuple[str, ...] = ()
    trace_id: str | None = None
    measured: bool = False  # `turn.metrics` has come

    @property
    def reply(self) -> str:
        return " ".join(self.clauses[clause].strip() for clause in sorted(self.clauses))

    @property
    def voice_to_voice_ms(self) -> float | None:
        """Last voiced sample sent → first reply sample here.

        None for typed turns, for replies that came too early, and for what was played in place of a reply.
        """
        if not self.spoken or self.outcome in NO_REPLY:
            return None
        return self._since_utterance(self.first_audio_at)

    @property
    def response_ms(self) -> float | None:
        """For a typed turn: text sent → first word of the reply here."""
        if self.spoken:
            return None
        moments = [moment for moment in (self.first_text_at, self.first_audio_at) if moment is not None]
        return self._since_utterance(min(moments, default=None))

    def _since_utterance(self, moment: float | None) -> float | None:
        if moment is None or self.utterance is None or self.utterance.ended_at is None:
            return None
        elapsed = (moment - self.utterance.ended_at) * 1000
        return elapsed if elapsed >= 0 else None

    @property
    def greets(self) -> bool:
        """It is the agent's greeting, before anybody said anything."""
        return self.turn == GREETING

    @property
    def answered(self) -> bool:
        """A real reply came: sound for a spoken turn, sound or words for a typed one, and not the apology clip.

        A clause that the caller was asked to speak itself is sound (it is asked only when the caller declared that).
        """
        if self.outcome not in REAL_REPLY:
            return False
        return self.sounded or self.own_clauses > 0 or (not self.spoken and bool(self.clauses))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "turn": self.turn,
            "clip": self.utterance.name if self.utterance is not None else None,
            "spoken": self.spoken,
            "transcript": self.transcript,
            "reply": self.reply,
            "heard": self.heard,
            "outcome": self.outcome,
            "answered": self.answered,
            "model": self.model,
            "answered_by": self.answered_by,
            "rule": self.rule,
            "voice_to_voice_ms": _rounded(self.voice_to_voice_ms),
            "response_ms": _rounded(self.response_ms),
            "server_voice_to_voice_ms": _rounded(self.server_voice_to_voice_ms),
            "stages": {name: _rounded(value) for name, value in self.stages.items()},
            "over_budget": list(self.over_budget),
            "barge_in_ms": _rounded(self.utterance.barge_in_ms) if self.utterance is not None else None,
            "paused": self.paused,
            "resumed": self.resumed,
            "cleared": self.cleared,
            "audio_ms": _rounded(self.audio_received_ms),
            "played_ms": _rounded(self.played_ms),
            "gap_ms": _rounded(self.gap_ms),
            "trace_id": self.trace_id,
        }


@dataclass(frozen=True, slots=True)
class CallFault:
    """Something that went wrong: an `error` of the server, or what the caller itself noticed."""

    code: str
    message: str
    fatal: bool = False


@dataclass(slots=True)
class CallRecord:
    """One call. `resume_token` is a secret and stays out of `as_dict` and the repr."""

    session_id: str = ""
    tier: str = ""
    policy: str | None = None  # None where the service does not tell it
    agent: str | None = None
    agent_version: int | None = None  # None where the service does not say it
    resumed: bool = False
    greets: bool = False  # the agent speaks first
    simulated: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    budgets_ms: dict[str, float] = field(default_factory=dict[str, float])
    resume_token: str | None = field(default=None, repr=False)
    ready: bool = False
    connect_ms: float | None = None  # asking for a token → `session.ready`
    utterances: list[Utterance] = field(default_factory=list[Utterance])
    turns: list[CallerTurn] = field(default_factory=list[CallerTurn])
    degraded: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    errors: list[CallFault] = field(default_factory=list[CallFault])
    cost_usd: float | None = None
    close_code: int | None = None
    end_reason: str | None = None  # of `session.end`
    server_turns: int | None = None
    silences_s: list[float] = field(default_factory=list[float])  # from each loss of the line until the call went on
    hung_up: bool = False  # by whoever runs the caller, before the end of its script
    stopped: bool = False  # the server ended the session as it went away, and nobody answers there any more
    not_said: list[str] = field(default_factory=list[str])  # of a call that was stopped
    audio: list[bytes] = field(default_factory=list[bytes])  # heard PCM s16le 16 kHz per reply, where it is kept

    def begun(self, message: ServerEvent) -> None:
        """`session.ready` has come."""
        self.ready, self.session_id, self.tier = True, message.session_id, str(message.tier or "")
        self.policy, self.agent, self.agent_version = message.policy, message.agent, message.agent_version
        self.resumed, self.resume_token, self.greets = message.resumed, message.resume_token, message.greets
        self.simulated, self.local, self.budgets_ms = message.simulated, message.local, message.budgets_ms
        self.end_reason = None  # a session that was drained goes on

    def degraded_by(self, message: ServerEvent) -> None:
        """`degraded` has come."""
        self.degraded.append({"service": message.service, "tier": message.tier, "reason": message.reason})

    def costs(self, message: ServerEvent) -> None:
        """`session.cost` has come."""
        self.cost_usd = message.usd

    def ended_by(self, message: ServerEvent) -> None:
        """`session.end` has come."""
        self.end_reason, self.server_turns = message.reason, message.turns

    @property
    def awaited(self) -> list[Utterance]:
        """What the caller said or typed and could expect an answer to."""
        return [said for said in self.utterances if said.kind != "noise" and not said.cut]

    @property
    def unanswered(self) -> list[Utterance]:
        """What the caller said or typed and got no real reply to."""
        answered = {turn.turn for turn in self.turns if turn.answered}
        return [said for said in self.awaited if not answered.intersection(said.turns)]

    @property
    def all_answered(self) -> bool:
        return bool(self.awaited) and not self.unanswered and not self.not_said

    def finish(self, script: Sequence[str] = ()) -> None:
        """Adds a turn without number for every utterance that the server made no turn of.

        `script` names what was to be said: of a call that ended before its time some of it was not.
        """
        if self.hung_up and self.awaited and self.awaited[-1] in self.unanswered:
            self.awaited[-1].cut = True
        elif self.stopped:
            begun = self.awaited
            for said in begun:
                said.cut = not said.turns
            self.not_said = [*(said.name for said in begun if said.cut), *script[len(begun) :]]
        for said in self.awaited:
            if not said.turns:
                self.turns.append(CallerTurn(None, said, spoken=said.kind == "speech"))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "session": {
                "session_id": self.session_id,
                "tier": self.tier,
                "policy": self.policy,
                "agent": self.agent,
                "agent_version": self.agent_version,
                "resumed": self.resumed,
                "simulated": list(self.simulated),
                "local": list(self.local),
                "budgets_ms": self.budgets_ms,
                "connect_ms": _rounded(self.connect_ms),
                "cost_usd": self.cost_usd,
                "degraded": self.degraded,
                "end_reason": self.end_reason,
                "close_code": self.close_code,
                "close_meaning": close_meaning(self.close_code) if self.close_code is not None else None,
                "server_turns": self.server_turns,
                "hung_up": self.hung_up,
                "stopped": self.stopped,
                "not_said": self.not_said,
                "silences_s": [round(seconds, 3) for seconds in self.silences_s],
            },
            "turns": [turn.as_dict() for turn in self.turns],
            "noises": [
                {"clip": said.name, "barge_in_ms": _rounded(said.barge_in_ms), "turns": said.turns}
                for said in self.utterances
                if said.kind == "noise"
            ],
            "errors": [{"code": fault.code, "message": fault.message, "fatal": fault.fatal} for fault in self.errors],
            "summary": summarise([self]).as_dict(),
        }


@dataclass(frozen=True, slots=True)
class CallQuantiles:
    """Quantiles in milliseconds, by nearest rank; None of nothing."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None

    @staticmethod
    def of(values: Iterable[float | None]) -> CallQuantiles:
        known = [value for value in values if value is not None]
        if not known:
            return CallQuantiles(0, None, None, None)
        return CallQuantiles(len(known), *nearest_rank(known, 0.5, 0.95, 0.99))

    def as_dict(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "p50_ms": _rounded(self.p50),
            "p95_ms": _rounded(self.p95),
            "p99_ms": _rounded(self.p99),
        }


@dataclass(frozen=True, slots=True)
class Summary:
    """Many turns in a few numbers. `difference` is own minus server's voice-to-voice, over turns that have both."""

    utterances: int
    answered: int
    own: CallQuantiles
    server: CallQuantiles
    difference: CallQuantiles
    response: CallQuantiles
    """Of typed turns: text sent to the first word of the reply."""
    barge_in: CallQuantiles
    errors: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "utterances": self.utterances,
            "answered": self.answered,
            "voice_to_voice": self.own.as_dict(),
            "server_voice_to_voice": self.server.as_dict(),
            "difference": self.difference.as_dict(),
            "response": self.response.as_dict(),
            "barge_in": self.barge_in.as_dict(),
            "errors": self.errors,
        }


def summarise(records: Sequence[CallRecord]) -> Summary:
    """The turns of any number of calls."""
    turns = [turn for record in records for turn in record.turns]
    said = [utterance for record in records for utterance in record.utterances]
    awaited = sum(len(record.awaited) for record in records)
    pairs = [(turn.voice_to_voice_ms, turn.server_voice_to_voice_ms) for turn in turns]
    return Summary(
        utterances=awaited,
        answered=awaited - sum(len(record.unanswered) for record in records),
        own=CallQuantiles.of(own for own, _ in pairs),
        server=CallQuantiles.of(server for _, server in pairs),
        difference=CallQuantiles.of(own - server for own, server in pairs if own is not None and server is not None),
        response=CallQuantiles.of(turn.response_ms for turn in turns),
        barge_in=CallQuantiles.of(utterance.barge_in_ms for utterance in said),
        errors=sum(len(record.errors) for record in records),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
