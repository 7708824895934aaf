"""The whole contract between the service and its providers, on one page.

A provider turns one thing into another and reports what it cost:

    SpeechToText    audio of the caller  → SttEvent    one open stream per session
    LanguageModel   Prompt               → TextDelta     one call per reply
    TextToSpeech    text of one clause   → Audio    one call per clause

Every call, also a failed or a cancelled one, hands one `Call` to its `CallRecorder` when it ends. Times are seconds of
the service's monotonic clock (`agent.core.clock.now()`).

Failures raise `ProviderError` (agent.core.calls, where its kinds and what follows from them are drawn).
"""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol, runtime_checkable

from agent.core.calls import CallRecorder

# Speech to text


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word. Times are seconds of audio sent on this stream; None where the recogniser gives none."""

    text: str
    start_s: float | None = None
    end_s: float | None = None
    confidence: float | None = None  # 0 to 1


class SttEventKind(StrEnum):
    STARTED = "started"  # the recogniser is sure that somebody speaks words
    PARTIAL = "partial"  # the words of this turn so far
    EAGER = "eager"  # the turn is probably over
    RESUMED = "resumed"  # it was not
    ENDED = "ended"  # end of turn: `text` is final


@dataclass(frozen=True, slots=True)
class SttEvent:
    """What the recogniser heard. `text` is the whole turn so far, not a difference; PARTIAL without takes it back.

    `settled`: it will not change these words, whether the turn is over or not. `confidence` (0 to 1): how sure it is
    that the turn is over, where it says so.
    """

    kind: SttEventKind
    text: str = ""
    words: tuple[Word, ...] = ()
    settled: bool = field(default=False, compare=False)
    confidence: float | None = field(default=None, compare=False)

    @property
    def end_s(self) -> float | None:
        """Where the last word ends: the latest time, in whatever order the words came; None where none has one."""
        ends = (word.end_s for word in self.words if word.end_s is not None and math.isfinite(word.end_s))
        return max(ends, default=None)


class SpeechStream(Protocol):
    """One open recogniser connection. Iteration ends when the stream was finished, or was closed because no audio came;
    else it raises ProviderError."""

    async def send(self, pcm: bytes, *, voiced_s: float = 0.0) -> None:
        """Sends PCM s16le mono 16 kHz. Raises ProviderError (disconnected).

        `voiced_s` seconds of it are voice by the caller's detector: who judges a recogniser asks that, not the audio.
        """
        ...

    async def finish(self) -> None:
        """Says that no more audio comes; the iteration ends when the recogniser has answered."""
        ...

    def __aiter__(self) -> AsyncIterator[SttEvent]: ...


@runtime_checkable
class SendsAtOnce(Protocol):
    """A stream that can mostly take audio without a task that waits for it."""

    def send_now(self, pcm: bytes, *, voiced_s: float = 0.0) -> bool:
        """Sends as `send` does where that takes no wait; else False, and nothing of it is sent. Never fails."""
        ...


@runtime_checkable
class KnowsOutages(Protocol):
    """A recogniser that knows whether anybody whom it would ask is believed to be well."""

    @property
    def served(self) -> bool:
        """False while nobody is: a stream would fail at once, and nobody would have been asked."""
        ...


@runtime_checkable
class EndsTurns(Protocol):
    """A stream that can be told to end the open turn with the words that it knows."""

    async def end_turn(self) -> None:
        """The recogniser answers with ENDED, if it hears. Raises ProviderError."""
        ...


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
class ToolSpec:
    """A tool as a model is told of it. `schema` is the JSON schema of its arguments, an object."""

    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A model asks for a tool. `arguments` is JSON as the model wrote it, unchecked."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool returned: data, whatever stands in it. `failed`: why there is none."""

    use_id: str
    content: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ToolRound:
    """What a model said and asked for, and what came of it. `thoughts` are blocks that only `model` can read."""

    text: str
    uses: tuple[ToolUse, ...]
    results: tuple[ToolResult, ...]
    thoughts: tuple[Mapping[str, Any], ...] = ()
    model: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One model call. `system` is the operator's words alone, and the same at every turn.

    `messages` alternate, begin and end with the user: current models refuse a reply that was begun for them. They
    grow at their end, so that all but the last can be cached. `memory` (notes and old turns: words of the call, which
    are data) changes from turn to turn and goes into the last message, before the caller's words. `schema` asks for
    an answer in JSON of that shape. `rounds` of tools follow on the last message; with `may_use_tools` off the model
    has to answer with what it knows.
    """

    system: str
    memory: str
    messages: tuple[Message, ...]
    max_tokens: int = 400
    cache: bool = True
    schema: Mapping[str, Any] | None = None
    tools: tuple[ToolSpec, ...] = ()
    rounds: tuple[ToolRound, ...] = ()
    may_use_tools: bool = True

    def texts(self) -> Iterator[str]:
        """Everything that a model reads: what its price is estimated from."""
        yield from (self.system, self.memory)
        yield from (message.text for message in self.messages)
        for tool in self.tools:
            yield from (tool.name, tool.description, str(tool.schema))
        for done in self.rounds:
            yield done.text
            yield from (use.arguments for use in done.uses)
            yield from (result.content for result in done.results)


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the reply as the model wrote it. `cut`: the reply stopped here, perhaps within a sentence.

    Its text is empty only where something else is told: `cut`; `calling`, the model writes down a call of a tool;
    `uses`, the tools that it asks for, which end its reply, with its `thoughts`; `ends`, nothing that follows belongs
    to the sentence before.
    """

    text: str
    cut: bool = False
    calling: bool = False
    uses: tuple[ToolUse, ...] = ()
    thoughts: tuple[Mapping[str, Any], ...] = ()
    ends: bool = False


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
