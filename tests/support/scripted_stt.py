"""Scripted recognisers and a call through their chain, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from agent.core import clock
from agent.core.audio import bytes_for, duration_s
from agent.core.calls import CallRecorder, ErrorKind, Fallback, ProviderError
from agent.providers.base import SpeechToText, SttEvent, SttEventKind, Word
from agent.providers.fallback.breaker import Breaker, BreakerRules, Breakers
from agent.providers.fallback.chain import ChainStep
from agent.providers.fallback.stt import FallbackSttStream, ListeningRules, SttFallback
from tests.support.providers import RecordingRecorder
from tests.support.virtual_time import run_virtual

FRAME_S = 0.1


LOUD = b"\x00\x20" * (bytes_for(FRAME_S) // 2)


QUIET = bytes(bytes_for(FRAME_S))


class SttTimeline(RecordingRecorder):
    def __init__(self) -> None:
        super().__init__()
        self.moves: list[Fallback] = []

    def fell_back(self, fallback: Fallback) -> None:
        self.moves.append(fallback)

    @property
    def path(self) -> list[tuple[str, str, str]]:
        return [(move.from_provider, move.to_provider, move.reason) for move in self.moves]


@dataclass
class FakeConnection:
    """One connection of a scripted recogniser: hears `word` for every 100 ms of loud audio, a pause ends the turn."""

    owner: Recogniser
    heard_bytes: int = 0
    events: asyncio.Queue[SttEvent | ProviderError | None] = field(default_factory=asyncio.Queue)
    words: list[Word] = field(default_factory=list[Word])
    quiet: int = 0
    rest: bytes = b""

    async def send(self, pcm: bytes) -> None:
        if self.owner.dead:
            raise ProviderError(self.owner.provider, ErrorKind.DISCONNECTED)
        data = self.rest + pcm
        for start in range(0, len(data) - len(LOUD) + 1, len(LOUD)):
            self._frame(data[start : start + len(LOUD)])
        self.rest = data[len(data) - len(data) % len(LOUD) :]
        self.owner.told += len(pcm)
        if self.owner.dies_after is not None and self.heard_bytes >= self.owner.dies_after:
            self.owner.dies_after = None
            self.events.put_nowait(ProviderError(self.owner.provider, ErrorKind.DISCONNECTED))

    def _frame(self, frame: bytes) -> None:
        start = duration_s(self.heard_bytes)
        self.heard_bytes += len(frame)
        if any(frame):
            self.quiet = 0
            if not self.owner.deaf:
                self.words.append(Word(f"w{len(self.words)}", start, start + FRAME_S))
                self._tell(SttEventKind.STARTED if len(self.words) == 1 else SttEventKind.PARTIAL)
            return
        self.quiet += 1
        if self.quiet == 3 and self.words:
            self._tell(SttEventKind.ENDED)
            self.words.clear()

    def _tell(self, kind: SttEventKind) -> None:
        if self.owner.mute_after is not None and len(self.words) > self.owner.mute_after:
            return
        self.events.put_nowait(SttEvent(kind, " ".join(word.text for word in self.words), tuple(self.words)))

    async def finish(self) -> None:
        self.events.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[SttEvent]:
        while (event := await self.events.get()) is not None:
            if isinstance(event, ProviderError):
                raise event
            yield event


@dataclass
class Recogniser:
    provider: str
    model: str = "m"
    dead: bool = False
    deaf: bool = False
    refuses: ErrorKind | None = None
    dies_after: int | None = None
    mute_after: int | None = None  # words
    connections: list[FakeConnection] = field(default_factory=list[FakeConnection])
    opened_at: list[float] = field(default_factory=list[float])
    told: int = 0

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[FakeConnection]:
        self.opened_at.append(clock.now())
        if self.dead:
            raise ProviderError(self.provider, self.refuses or ErrorKind.REFUSED)
        connection = FakeConnection(self)
        self.connections.append(connection)
        yield connection

    def break_off(self) -> None:
        """The connection is lost now."""
        self.connections[-1].events.put_nowait(ProviderError(self.provider, ErrorKind.DISCONNECTED))


@dataclass
class RecordedCall:
    """A caller on a chain: speaks in real time, and remembers what was heard."""

    stream: FallbackSttStream
    recorder: SttTimeline
    heard: list[SttEvent] = field(default_factory=list[SttEvent])
    error: ProviderError | None = None

    async def say(self, *parts: tuple[bytes, float]) -> None:
        for frame, seconds in parts:
            for _ in range(round(seconds / FRAME_S)):
                await self.stream.send(frame)
                await asyncio.sleep(FRAME_S)

    async def listen(self) -> None:
        try:
            async for heard in self.stream:
                self.note(heard)
        except ProviderError as error:
            self.error = error

    def note(self, heard: SttEvent) -> None:
        self.heard.append(heard)

    @property
    def turns(self) -> list[SttEvent]:
        return [heard for heard in self.heard if heard.kind is SttEventKind.ENDED]


def stt_step(recogniser: SpeechToText, breaker: Breaker | None = None) -> ChainStep[SpeechToText]:
    return ChainStep(recogniser.provider, recogniser, breaker)


def stt_call(
    scenario: Callable[[RecordedCall], Coroutine[Any, Any, None]],
    *steps: ChainStep[SpeechToText],
    last: str = "none",
    rules: ListeningRules | None = None,
) -> RecordedCall:
    """Runs a scenario on a fresh chain and ends the stream as a listener does."""

    async def run() -> RecordedCall:
        recorder = SttTimeline()
        async with SttFallback(steps, last=last, rules=rules).open("s", recorder) as stream:
            call = RecordedCall(stream, recorder)
            listening = asyncio.create_task(call.listen())
            await scenario(call)
            await stream.finish()
            await listening
        return call

    return run_virtual(run())


def stt_breaker(provider: str) -> Breaker:
    return Breakers(RecordingRecorder(), lambda _: None).of(provider, "m", BreakerRules())
