"""The whole contract between the service and its providers, on one page.

A provider turns one thing into another and reports what it cost:

    SpeechToText    audio of the caller  → Heard    one open stream per session
    LanguageModel   Prompt               → Said     one call per reply
    TextToSpeech    text of one clause   → Audio    one call per clause

Every call, also a failed or a cancelled one, hands one `Call` to its `CallRecorder` when it ends. Times are seconds of
the service's monotonic clock (`agent.core.clock.now()`).

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
    ├── unauthorized   401, 403: our key is wrong         move on; counts
    └── bad_request    other 4xx: our input was wrong     move on; never counts against the provider

`ProviderError.delivered` tells whether useful output had already left the provider when it failed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

from agent.core.errors import AgentError

Service = Literal["stt", "llm", "tts"]


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
    UNAUTHORIZED = "unauthorized"
    BAD_REQUEST = "bad_request"


class ProviderError(AgentError):
    """A provider failed. The message names provider and kind only: never text, audio or a key."""

    def __init__(
        self, provider: str, kind: ErrorKind, *, retry_after_s: float | None = None, delivered: bool = False
    ) -> None:
        super().__init__(f"{provider}: {kind}")
        self.provider = provider
        self.kind = kind
        self.retry_after_s = retry_after_s
        self.delivered = delivered


class Unit(StrEnum):
    """What a provider bills. Quantities are whole numbers, so that money can be exact."""

    AUDIO_SAMPLES = "audio_samples"  # samples at 16 kHz streamed up (960,000 a minute)
    CHARACTERS = "characters"  # characters of text sent to a voice
    INPUT_TOKENS = "input_tokens"  # uncached input
    CACHE_WRITE_TOKENS = "cache_write_tokens"  # written to the 5 minute prompt cache
    CACHE_READ_TOKENS = "cache_read_tokens"
    OUTPUT_TOKENS = "output_tokens"


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


class CallRecorder(Protocol):
    """Receives every finished call. Called from `finally` blocks: it must not raise and must not wait."""

    def record(self, call: Call) -> None: ...


# Speech to text


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word. Times are seconds of audio sent on this stream; None where the recogniser gives none."""

    text: str
    start_s: float | None = None
    end_s: float | None = None


class SttEventKind(StrEnum):
    STARTED = "started"  # the recogniser is sure that somebody speaks words
    PARTIAL = "partial"  # the words of this turn so far
    EAGER = "eager"  # the turn is probably over
    RESUMED = "resumed"  # it was not
    ENDED = "ended"  # end of turn: `text` is final


@dataclass(frozen=True, slots=True)
class SttEvent:
    """What the recogniser heard. `text` is the whole turn so far, not a difference."""

    kind: SttEventKind
    text: str = ""
    words: tuple[Word, ...] = ()


class SpeechStream(Protocol):
    """One open recogniser connection. Iteration ends when the stream was finished; else it raises ProviderError."""

    async def send(self, pcm: bytes) -> None:
        """Sends PCM s16le mono 16 kHz. Raises ProviderError (disconnected)."""
        ...

    async def finish(self) -> None:
        """Says that no more audio comes; the iteration ends when the recogniser has answered."""
        ...

    def __aiter__(self) -> AsyncIterator[SttEvent]: ...


class SpeechToText(Protocol):
    provider: str
    model: str

    def open(self, session: str, recorder: CallRecorder) -> AbstractAsyncContextManager[SpeechStream]:
        """Opens a stream for one session (an opaque id, passed to the provider for support). Raises ProviderError."""
        ...


# Language model


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One model call. `system` is the stable prefix that is cached; `memory` changes from turn to turn and follows it.

    `messages` alternate, begin and end with the user: current models refuse a reply that was begun for them.
    """

    system: str
    memory: str
    messages: tuple[Message, ...]
    max_tokens: int = 400
    cache: bool = True


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the reply as the model wrote it; never empty."""

    text: str


class LanguageModel(Protocol):
    provider: str
    model: str

    def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        """Streams one reply. Raises ProviderError. Closing the generator stops the generation."""
        ...


# Text to speech


@dataclass(frozen=True, slots=True)
class Audio:
    """A piece of speech: PCM s16le mono 16 kHz, whole samples, never empty. `source` is whose voice it is."""

    pcm: bytes
    source: str


@dataclass(frozen=True, slots=True)
class ClientSpeech:
    """The last tier of the voice chain: the client is asked to speak this clause itself."""

    text: str


class TextToSpeech(Protocol):
    provider: str
    model: str

    def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        """Streams the speech of one clause. Raises ProviderError. Closing the generator stops the synthesis."""
        ...
