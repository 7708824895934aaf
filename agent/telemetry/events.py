"""What happens in the service, as frozen events. Every sink (metrics, log, traces, ledger …) reads the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from agent.budgets import Tier
from agent.core.calls import Call, Fallback, ListeningNote, Misconfiguration, Service
from agent.telemetry.catalog import PROBE
from agent.telemetry.speed_outcomes import GuessOutcome as GuessOutcome
from agent.telemetry.speed_outcomes import HedgeOutcome as HedgeOutcome
from agent.telemetry.speed_outcomes import Knob as Knob
from agent.telemetry.speed_outcomes import VoiceGuessOutcome as VoiceGuessOutcome
from agent.telemetry.timeline import ToolCall, TurnRecord


class SessionOutcome(StrEnum):
    """How a session ended."""

    COMPLETED = "completed"  # hang-up
    VANISHED = "vanished"  # the connection was lost and nobody came back
    IDLE = "idle"  # nothing was said for too long
    TOO_LONG = "too_long"  # the maximum length was reached
    REPLACED = "replaced"  # a newer session of the same subject took over
    DRAINED = "drained"  # the server went away
    REFUSED = "refused"  # the client broke the protocol
    COST_CAP = "cost_cap"  # the hard cap of the session's budget was reached
    FAILED = "failed"  # a fault of ours
    MOVED = "moved"  # another process has it: it goes on there
    CRASHED = "crashed"  # its process gave no sign any more, and nobody came back


class Cause(StrEnum):
    """Why a provider call was paid for."""

    SERVED = "served"
    RETRY = "retry"  # failed, and something else was asked instead
    INTERRUPTED = "interrupted"  # cancelled: the caller barged in or left
    SUMMARY = "summary"
    SPECULATION = "speculation"  # asked before the turn was over, and not taken
    HEDGE = "hedge"  # one of two calls for the same output: the one that was not heard
    PROBE = "probe"
    CLIP = "clip"
    WARMUP = "warmup"


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """Who is talking. `session_id`, `subject` and `origin` (a keyed hash) never become metric labels."""

    session_id: str
    subject: str
    tier: Tier
    policy: str
    policy_version: int
    origin: str | None = None
    probe: bool = False
    generation: int = 1  # how often the session was opened, by whichever process: what an older one writes is refused
    agent: str = ""
    agent_version: int = 0
    agent_role: str = "stable"
    """Whether the version is one that is tried, when the session began: a metric label."""
    policy_chosen: bool = False
    """The caller asked for the policy: what comes of the call is no evidence for or against it."""

    @property
    def counted_tier(self) -> str:
        """The tier as a label: a synthetic caller is nobody's figure but its own."""
        return PROBE if self.probe else self.tier.value

    @property
    def counted_policy(self) -> str:
        """The policy as a label."""
        return PROBE if self.probe else self.policy


@dataclass(frozen=True, slots=True)
class SessionStarted:
    session: SessionInfo


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session is over. Costs are dollars of all its calls, also of those before it was resumed."""

    session: SessionInfo
    outcome: SessionOutcome
    duration_s: float
    turns: int
    slow_turns: int
    cost_usd: float = 0.0
    cost_by_service: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """No session was opened. `tier` is None where it is not known.

    `caller` tells callers apart, so that one who tries again and again is one; it stays out of labels and logs.
    """

    tier: Tier | None
    reason: str
    caller: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class CallFinished:
    """A provider call ended. `session` and `turn` are None for calls that belong to none (probes, warm-ups)."""

    session: SessionInfo | None
    turn: int | None
    call: Call
    cause: Cause


@dataclass(frozen=True, slots=True)
class TurnFinished:
    session: SessionInfo
    record: TurnRecord


@dataclass(frozen=True, slots=True)
class FellBack:
    session: SessionInfo
    fallback: Fallback


@dataclass(frozen=True, slots=True)
class BreakerChanged:
    """A breaker opened, began to ask, or closed. `state` is the new one.

    `fault` is what only a person can mend; None where nothing of that kind is known to be wrong.
    """

    provider: str
    model: str
    state: str
    reason: str
    fault: Misconfiguration | None = None


@dataclass(frozen=True, slots=True)
class BargedIn:
    """A caller's voice over a reply: seconds from its first voiced sample's arrival to `audio.pause` being sent."""

    session: SessionInfo
    seconds: float


class OverlapKind(StrEnum):
    """What a sound over a reply turned out to be."""

    INTERRUPTION = "interruption"  # words with which the caller took the turn
    BACKCHANNEL = "backchannel"  # "uh-huh": the reply played on
    ECHO = "echo"  # the reply's own words, by the caller's loudspeaker
    NOISE = "noise"  # no word came: the reply resumed


@dataclass(frozen=True, slots=True)
class Overlapped:
    """Something was heard over a reply, and it is known now what it was."""

    session: SessionInfo
    kind: OverlapKind


@dataclass(frozen=True, slots=True)
class ListeningNoted:
    """Something happened while a caller was listened to that says nothing against anybody."""

    session: SessionInfo
    note: ListeningNote


@dataclass(frozen=True, slots=True)
class TurnRecognised:
    """A recogniser has ended a turn; `confidence` (0 to 1) is the mean of its words, by its own estimate."""

    session: SessionInfo
    provider: str
    confidence: float


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """The client says when a reply became audible. `ear_s` is voice-to-voice by the client's own clock."""

    session: SessionInfo
    turn: int
    ear_s: float
    server_s: float


@dataclass(frozen=True, slots=True)
class QueueDropped:
    """A bounded queue of a session was full: `listen` drops frames of audio, `outbox` a client that does not read."""

    queue: str
    items: int = 1


@dataclass(frozen=True, slots=True)
class NotesTaken:
    """The small model's notes were checked: how many facts were kept, and how many dropped for each reason."""

    session: SessionInfo
    kept: int
    dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Guessed:
    """A guess is over. `lead_s`: seconds from its beginning to the end of the turn that took it."""

    session: SessionInfo
    outcome: GuessOutcome
    lead_s: float


@dataclass(frozen=True, slots=True)
class VoiceGuessed:
    """A clause that was spoken early is over."""

    session: SessionInfo
    outcome: VoiceGuessOutcome


@dataclass(frozen=True, slots=True)
class Hedged:
    """A provider was late, and this is what was done about it. `service` is `llm` or `tts`."""

    session: SessionInfo
    service: Service
    outcome: HedgeOutcome


@dataclass(frozen=True, slots=True)
class KnobSwitched:
    """A knob has wasted more than it may (`share`, `dollars`) and is off in this process, or is on again."""

    policy: str
    knob: Knob
    on: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ConnectionWarmed:
    """A connection to a provider was opened ahead: `begun` (a process or a call did), or one was `broken_off`."""

    provider: str
    reason: str


@dataclass(frozen=True, slots=True)
class InputDropped:
    """A client sent something faster than it is taken (`text`, `control`, `audio`), or words when its call had just
    ended (`text_after_end`).
    """

    kind: str


@dataclass(frozen=True, slots=True)
class ToolFinished:
    """A tool that a model asked for has come to its end, or was not run."""

    session: SessionInfo
    turn: int
    call: ToolCall
    cause: Cause = Cause.SERVED
    """Why it was paid for, where it was."""


@dataclass(frozen=True, slots=True)
class DeadAir:
    """Seconds in which a reply was owed and nothing played."""

    session: SessionInfo
    seconds: float


Paid = CallFinished | ToolFinished
"""What may cost money."""

Event = (
    SessionStarted
    | SessionEnded
    | SessionRefused
    | CallFinished
    | TurnFinished
    | FellBack
    | BreakerChanged
    | BargedIn
    | Overlapped
    | ListeningNoted
    | PlaybackStarted
    | DeadAir
    | NotesTaken
    | Guessed
    | VoiceGuessed
    | Hedged
    | KnobSwitched
    | ConnectionWarmed
    | QueueDropped
    | InputDropped
    | TurnRecognised
    | ToolFinished
)


class Sink(Protocol):
    """Reads events. Called on the event loop between two audio frames: it must be quick and must not raise."""

    def handle(self, event: Event) -> None: ...


@dataclass(frozen=True, slots=True)
class Sinks:
    """Hands each event to every sink. Their order carries no meaning: no sink reads what another one keeps."""

    members: list[Sink]

    def handle(self, event: Event) -> None:
        for sink in self.members:
            sink.handle(event)
