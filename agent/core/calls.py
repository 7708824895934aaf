"""Calls to providers and what they used: what everybody may know of a provider.

Errors, and what a chain does with them:

    ProviderError.kind
    ├── refused        no connection                      move on; counts against the provider
    ├── rate_limited   429; retry_after_s may be set      move on; nobody asks again before retry_after_s
    ├── overloaded     503, 529                           move on; counts
    ├── timeout        no useful output by the deadline   move on; counts
    ├── stalled        output began and then stopped      move on; counts
    ├── empty          success without audio or text      move on; counts
    ├── malformed      an answer that cannot be read      move on; counts
    ├── disconnected   cut while it was delivering        move on; counts
    ├── incomplete     ended by itself before its end     move on; counts
    ├── misconfigured  key, wallet, model or voice:       move on; nobody asks until a slow re-check succeeds, and
    │                  nothing that passes by itself      somebody is woken with the provider's own words
    ├── declined       the model will not answer this     move on once; never counts: the next caller is innocent
    ├── too_long       our prompt does not fit            move on with less of it; never counts
    └── bad_request    other 4xx: our input was wrong     move on; counts only when it comes from all sides

`ProviderError.delivered` tells whether useful output had already left the provider when it failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, Protocol, runtime_checkable

from agent.core.errors import AgentError

Service = Literal["stt", "llm", "tts"]


PaidService = Literal["stt", "llm", "tts", "tool"]
"""What money is spent on: a service of a provider, or a tool that is paid for by the call."""
TOOL: Final = "tool"
"""The provider of tools in prices, charges and breakers; the model is the tool's name."""


class ErrorKind(StrEnum):
    """Why a provider failed; the module's docstring says what follows from each."""

    REFUSED = "refused"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    STALLED = "stalled"
    EMPTY = "empty"
    MALFORMED = "malformed"
    DISCONNECTED = "disconnected"
    INCOMPLETE = "incomplete"
    MISCONFIGURED = "misconfigured"
    DECLINED = "declined"
    TOO_LONG = "too_long"
    BAD_REQUEST = "bad_request"


class Problem(StrEnum):
    """What is wrong where a provider is misconfigured. A metric label: words of ours, few and fixed."""

    KEY = "key"  # unknown, revoked or expired
    CREDIT = "credit"  # nothing left to pay with: wallet, quota of the plan, an invoice
    MODEL = "model"  # retired, unknown, or not open to this account
    VOICE = "voice"  # deleted or not open to this account
    PERMISSION = "permission"  # the key is right and may not do this
    OTHER = "other"  # refused for every caller, for a reason that is not one of these


@dataclass(frozen=True, slots=True)
class Misconfiguration:
    """A fault that does not pass by itself. `words` are the provider's own, one line, without keys and texts."""

    problem: Problem
    words: str = ""

    def told(self, provider: str, model: str) -> dict[str, str]:
        """The fault for those who look at this process."""
        return {"provider": provider, "model": model, "problem": self.problem.value, "provider_says": self.words}


class StopReason(StrEnum):
    """Why a model stopped, as its provider says it. A metric label."""

    END_TURN = "end_turn"
    STOP_SEQUENCE = "stop_sequence"
    MAX_TOKENS = "max_tokens"
    CONTEXT_EXCEEDED = "model_context_window_exceeded"
    REFUSAL = "refusal"
    TOOL_USE = "tool_use"
    PAUSE_TURN = "pause_turn"
    OTHER = "other"  # a reason that is not known here


CUT_REPLIES: Final = frozenset({StopReason.MAX_TOKENS, StopReason.CONTEXT_EXCEEDED})
"""Reasons that leave the last sentence unfinished."""


class ProviderError(AgentError):
    """A provider failed. The message names provider and kind only: never text, audio or a key.

    `fault` says more where the kind is `misconfigured`. `service` is set by the chain that gave up.
    """

    def __init__(
        self,
        provider: str,
        kind: ErrorKind,
        *,
        retry_after_s: float | None = None,
        delivered: bool = False,
        fault: Misconfiguration | None = None,
        service: Service | None = None,
    ) -> None:
        super().__init__(f"{provider}: {kind}")
        self.provider = provider
        self.kind = kind
        self.retry_after_s = retry_after_s
        self.delivered = delivered
        self.fault = fault
        self.service: Service | None = service


class Unit(StrEnum):
    """What a provider bills. Quantities are whole numbers, so that money can be exact."""

    AUDIO_SAMPLES = "audio_samples"  # samples at 16 kHz streamed up (960,000 a minute)
    CHARACTERS = "characters"  # characters of text sent to a voice
    INPUT_TOKENS = "input_tokens"  # uncached input
    CACHE_WRITE_TOKENS = "cache_write_tokens"  # written to the 5 minute prompt cache
    CACHE_READ_TOKENS = "cache_read_tokens"
    OUTPUT_TOKENS = "output_tokens"
    CALLS = "calls"  # of a tool


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call used. `estimated` marks quantities that the provider did not report (cancelled calls)."""

    quantities: Mapping[Unit, int] = field(default_factory=dict[Unit, int])
    estimated: bool = False


CallOutcome = Literal["ok", "cancelled"] | ErrorKind


@dataclass(frozen=True, slots=True)
class Call:
    """One finished provider call. Times are of `agent.core.clock`; `first_output_at` is the first *useful* output."""

    service: Service
    provider: str
    model: str
    outcome: CallOutcome
    started_at: float
    first_output_at: float | None
    ended_at: float
    usage: Usage
    stopped: StopReason | None = None
    """Why a model stopped, where it said so."""
    headroom: Mapping[str, float] = field(default_factory=dict[str, float])
    """Limit → the share of it that is left, where the provider's answer said so."""
    spare: bool = False
    """Whether it was one of two for the same output, and the other was heard."""


class CallRecorder(Protocol):
    """Receives every finished call. Called from `finally` blocks: it must not raise and must not wait."""

    def record(self, call: Call) -> None: ...


@dataclass(frozen=True, slots=True)
class Fallback:
    """A chain moved on from one provider to the next."""

    service: Service
    from_provider: str
    to_provider: str
    reason: str
    at: float


@runtime_checkable
class FallbackObserver(Protocol):
    """Wants to know at once when a chain moves on. Called on the event loop: quick, and never raises."""

    def fell_back(self, fallback: Fallback) -> None: ...


class ListeningNote(StrEnum):
    """What happened while a caller was listened to that says nothing against anybody, but is worth counting."""

    TURN_FORCED = "turn_forced"  # a recogniser kept a turn open, and ended it when it was asked to
    TURN_ENDED_HERE = "turn_ended_here"  # it did not even then: the turn was ended with the words known
    CLOSED_IN_SILENCE = "closed_in_silence"  # a connection was closed because no audio came
    RECONNECTED = "reconnected"  # a fresh connection to a recogniser that seemed deaf and is alone
    SUSPICION_CLEARED = "suspicion_cleared"  # nobody else heard words either
    PHANTOM_DROPPED = "phantom_dropped"  # words that recognisers invent for silence and music
    FRAMES_STOPPED = "frames_stopped"  # the caller's audio stopped: silence was sent in its place
    HELD_FOR_DICTATION = "held_for_dictation"  # a turn was kept open for the rest of a number or a spelling
    VALUE_REFUSED = "value_refused"  # a time or a confidence that cannot be true: the word is taken without it
    VOICE_UNCONFIRMED = "voice_unconfirmed"  # a sound paused a reply unlooked at: every voice network was in use
    NO_WORDS = "no_words"  # a voice was heard, and no recogniser found words in it


@runtime_checkable
class ListeningObserver(Protocol):
    """Counts `ListeningNote`s. Called on the event loop: quick, and never raises."""

    def noted(self, note: ListeningNote) -> None: ...


def note(recorder: object, what: ListeningNote) -> None:
    """Tells a recorder that counts such things."""
    if isinstance(recorder, ListeningObserver):
        recorder.noted(what)


@runtime_checkable
class ConfidenceObserver(Protocol):
    """Is told how sure recognisers are. Called on the event loop: quick, and never raises."""

    def recognised(self, provider: str, confidence: float) -> None:
        """A turn was recognised; `confidence` (0 to 1) is the mean of its words, by the recogniser's own estimate."""
        ...


def note_confidence(recorder: object, provider: str, of_words: Iterable[float | None]) -> None:
    """Tells a recorder that counts such things; nothing where the recogniser does not say how sure it is."""
    known = [confidence for confidence in of_words if confidence is not None]
    if known and isinstance(recorder, ConfidenceObserver):
        recorder.recognised(provider, sum(known) / len(known))
