"""Sessions with scripted providers, for tests in virtual time: `async with running(SessionHarness()) as harness`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np

from agent.billing.budget_guard import SessionSpending
from agent.billing.ceilings import Payer, SpendingCeilings
from agent.billing.prices import load_prices
from agent.billing.pricing import PricingSink
from agent.budgets import Tier, TierBudget
from agent.core import clock
from agent.core.audio import SAMPLE_RATE, bytes_for
from agent.core.calls import Call, CallOutcome, CallRecorder, ErrorKind, ProviderError, Service, Unit, Usage
from agent.core.resumed_state import ResumedState
from agent.memory import Conversation
from agent.policy.routing import Route
from agent.providers.base import (
    Audio,
    ClientSpeech,
    LanguageModel,
    Prompt,
    SttEvent,
    SttEventKind,
    TextDelta,
    TextToSpeech,
    Word,
)
from agent.session.admission import Admission
from agent.session.claims import Claims
from agent.session.dependencies import Limits, Pipeline, SessionDependencies
from agent.session.early_voice import EarlyVoiceChoice
from agent.session.governor import WasteGovernor
from agent.session.memory import Memory
from agent.session.registry import Registry
from agent.session.transport import Capabilities
from agent.telemetry.events import Event, SessionInfo, Sinks
from agent.telemetry.exposition import Metrics
from agent.tools.runner import NO_TOOLS, SessionToolSet
from agent.turn.clauses import USUAL_FIRST_WORDS, FirstWords
from agent.turn.turn import Filler, Recording
from tests.support.direct_transport import DirectTransport
from tests.support.factories import BUDGETS

E = TypeVar("E")
PREMIUM = Claims("ada", Tier.PREMIUM, None)
LIMITS = Limits(idle_s=60.0, session_s=600.0, grace_s=10.0, barge_in_word_s=0.7, stt_idle_s=30.0)


def voice(seconds: float) -> bytes:
    """A buzz that WebRTC's detector takes for a voice: a pulse train with formant-like noise, about -15 dBFS."""
    count = bytes_for(seconds) // 2
    time = np.arange(count) / SAMPLE_RATE
    harmonics = np.arange(1, 12)[:, None]
    return (4_000 * (np.sin(2 * np.pi * 140 * harmonics * time) / harmonics).sum(axis=0)).astype("<i2").tobytes()


def silence(seconds: float) -> bytes:
    return bytes(bytes_for(seconds))


def _call(service: Service, model: str, outcome: CallOutcome, began: float, quantities: dict[Unit, int]) -> Call:
    provider = {"stt": "deepgram", "llm": "anthropic", "tts": "elevenlabs"}[service]
    return Call(service, provider, model, outcome, began, began, clock.now(), Usage(quantities))


@dataclass
class ScriptedRecognizer:
    """A recogniser that a test plays with `says`."""

    provider: str = "deepgram"
    model: str = "flux-general-en"
    heard: asyncio.Queue[SttEvent | Exception | None] = field(default_factory=asyncio.Queue)
    sent: int = 0
    opened: int = 0

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[ScriptedRecognizer]:
        self.opened += 1
        began, before = clock.now(), self.sent
        try:
            yield self
        finally:
            samples = (self.sent - before) // 2
            recorder.record(_call("stt", self.model, "ok", began, {Unit.AUDIO_SAMPLES: samples}))

    async def send(self, pcm: bytes, *, voiced_s: float = 0.0) -> None:
        self.sent += len(pcm)

    async def finish(self) -> None:
        self.heard.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[SttEvent]:
        while (heard := await self.heard.get()) is not None:
            if isinstance(heard, Exception):
                raise heard
            yield heard

    def starts(self, text: str) -> None:
        """Is sure of words."""
        self.heard.put_nowait(SttEvent(SttEventKind.STARTED, text))

    def thinks(self, text: str, *, settled: bool = False, confidence: float | None = None) -> None:
        """Has these words so far."""
        self.heard.put_nowait(SttEvent(SttEventKind.PARTIAL, text, settled=settled, confidence=confidence))

    def likely(self, text: str, confidence: float | None = None) -> None:
        """Says that the turn is probably over."""
        self.heard.put_nowait(SttEvent(SttEventKind.EAGER, text, confidence=confidence))

    def resumes(self, text: str) -> None:
        """Says that it was not."""
        self.heard.put_nowait(SttEvent(SttEventKind.RESUMED, text))

    def says(self, text: str) -> None:
        """Ends a turn."""
        self.heard.put_nowait(SttEvent(SttEventKind.ENDED, text, tuple(Word(word) for word in text.split())))

    def fails(self, kind: ErrorKind | Exception = ErrorKind.REFUSED) -> None:
        """Fails as a provider does, or with a fault of our own."""
        self.heard.put_nowait(ProviderError(self.provider, kind) if isinstance(kind, ErrorKind) else kind)


@dataclass
class ScriptedModel:
    """Answers each prompt with the next reply; the last one again and again. A number is a pause in seconds.

    An error kind fails as a provider does, an exception as a fault of our own.
    """

    replies: Sequence[Sequence[str | float | ErrorKind | Exception]] = (("Of course. ",),)
    provider: str = "anthropic"
    model: str = "claude-haiku-5-5"
    prompts: list[Prompt] = field(default_factory=list[Prompt])

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        self.prompts.append(prompt)
        began, letters = clock.now(), 0
        result: CallOutcome = "cancelled"
        try:
            for part in self.replies[min(len(self.prompts), len(self.replies)) - 1]:
                if isinstance(part, ErrorKind):
                    result = part
                    raise ProviderError(self.provider, part)
                if isinstance(part, Exception):
                    raise part
                if isinstance(part, float | int):
                    await asyncio.sleep(part)
                    continue
                letters += len(part)
                yield TextDelta(part)
            result = "ok"
        finally:
            quantities = {Unit.INPUT_TOKENS: 500, Unit.OUTPUT_TOKENS: letters // 4}
            recorder.record(_call("llm", self.model, result, began, quantities))


@dataclass
class ScriptedVoice:
    """Says a clause in `seconds` of audio, after `delay_s`; or fails, or leaves it to the client."""

    seconds: float = 2.0
    delay_s: float = 0.1
    fails: ErrorKind | None = None
    by_client: bool = False
    provider: str = "elevenlabs"
    model: str = "eleven_flash_v2_5"
    spoken: list[str] = field(default_factory=list[str])

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        self.spoken.append(text)
        began = clock.now()
        outcome: CallOutcome = "cancelled"
        try:
            await asyncio.sleep(self.delay_s)
            if self.fails is not None:
                outcome = self.fails
                raise ProviderError(self.provider, self.fails)
            if self.by_client:
                yield ClientSpeech(text)
            else:
                for _ in range(round(self.seconds / 0.1)):
                    yield Audio(voice(0.1), self.provider)
            outcome = "ok"
        finally:
            recorder.record(_call("tts", self.model, outcome, began, {Unit.CHARACTERS: len(text)}))


@dataclass
class FixedRoute:
    """Every turn goes to the same model."""

    def route(self, text: str, recent: Sequence[str]) -> Route:
        return Route("haiku", "default")


@dataclass
class SessionHarness:
    """Everything around the sessions of a test. Change what the test is about before `running`."""

    stt: ScriptedRecognizer = field(default_factory=ScriptedRecognizer)
    llm: ScriptedModel = field(default_factory=ScriptedModel)
    model: LanguageModel | None = None  # what stands in front of it
    voice: TextToSpeech | None = None  # what stands in front of `tts`
    tts: ScriptedVoice = field(default_factory=ScriptedVoice)
    cheap_tts: ScriptedVoice = field(default_factory=ScriptedVoice)
    limits: Limits = LIMITS
    budget: TierBudget = field(default_factory=lambda: BUDGETS.tiers[Tier.PREMIUM])
    max_sessions: int = 10
    lag_s: float = 0.0
    show_cost: bool = True
    early_replies: bool = False
    early_models: tuple[str, ...] = ("haiku", "sonnet")
    likely_after_s: float | None = None
    early_governor: WasteGovernor | None = None
    early_voice: EarlyVoiceChoice | None = None
    first_words: FirstWords = USUAL_FIRST_WORDS
    filler: Filler | None = None
    goodbye: Recording | None = None
    tools: SessionToolSet = NO_TOOLS
    greeting: str | None = None
    hang_up: str | None = None
    ears_simulated: bool = False
    past: dict[str, ResumedState] = field(default_factory=dict[str, ResumedState])
    taken_over: list[str] = field(default_factory=list[str])  # from whoever had them
    history_down: bool = False
    generation: int | None = 1  # that of the latest owner; None: it cannot be told
    memory_log: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    tool_log: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    happened: list[Event] = field(default_factory=list[Event])
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.money = PricingSink(load_prices(), self.metrics, BUDGETS)
        self.sinks = Sinks([self.money, self])
        self.ceilings = SpendingCeilings(BUDGETS.ceilings, self.metrics, secret="a secret of the tests, long enough")
        admission = Admission(self.max_sessions, 0.0, 1.0, 2.0, lambda: self.lag_s)
        self.registry = Registry(self.dependencies, self.sinks, admission, _History(self))

    def handle(self, event: Event) -> None:
        self.happened.append(event)

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.happened if isinstance(event, kind)]

    def record_memory(self, session_id: str, seq: int, event: bytes, generation: int) -> None:
        self.memory_log.append(json.loads(event))

    def record_tool(self, session_id: str, seq: int, event: bytes, generation: int) -> None:
        assert seq == len(self.past.get(session_id, ResumedState()).tools) + len(self.tool_log)
        self.tool_log.append(json.loads(event))

    async def tools_committed(self) -> None:
        await asyncio.sleep(0)

    async def turn_committed(self, session_id: str, turn: int) -> None:
        await asyncio.sleep(0.01)

    async def call(self, claims: Claims = PREMIUM, **capabilities: bool) -> DirectTransport:
        """A caller who is connected."""
        caller = DirectTransport(Capabilities(**capabilities))
        await caller.connect(self.registry, claims)
        return caller

    def dependencies(
        self, claims: Claims, session_id: str, client: Capabilities, past: ResumedState
    ) -> SessionDependencies:
        """What `agent.server.session_factory` makes of a policy, made of the scripts."""
        self.money.resume(session_id, past.nano_usd)
        return SessionDependencies(
            info=SessionInfo(session_id, claims.subject, claims.tier, "haiku_first", 1, generation=past.generation),
            past=past,
            stt=self.stt,
            pipeline=lambda _client: Pipeline(
                FixedRoute(), {"haiku": self.model or self.llm}, self.voice or self.tts, self.first_words
            ),
            step_down_pipeline=lambda _client: Pipeline(FixedRoute(), {"haiku": self.llm}, self.cheap_tts),
            note_taker=ScriptedModel(),
            memory=Memory(Conversation.restore(past.events), session_id, self),
            system_prompt="You answer the telephone.",
            context_tokens=4_000,
            prompt_cache=True,
            apologies=OneApology(Recording("I am sorry.", voice(1.0))),
            cost_cap=Recording("Goodbye.", voice(1.0)),
            budgets=BUDGETS,
            limits=self.limits,
            sink=self.sinks,
            ledger=self,
            spending=SessionSpending(
                self.money, session_id, self.budget, self.ceilings.purse(Payer(claims.subject, claims.tier, None))
            ),
            show_cost=self.show_cost,
            chains={"stt": ("deepgram",), "llm": ("haiku",), "tts": ("elevenlabs", "openai_tts")},
            speak_degraded=False,
            log_transcripts=False,
            early_replies=self.early_replies,
            early_models=self.early_models,
            likely_after_s=self.likely_after_s,
            early_governor=self.early_governor,
            early_voice=self.early_voice,
            filler=self.filler,
            goodbye=self.goodbye,
            tools=self.tools,
            greeting=self.greeting,
            hang_up=self.hang_up,
            ears_simulated=self.ears_simulated,
        )


@dataclass(frozen=True)
class OneApology:
    """The same for whatever is wrong."""

    recording: Recording

    def next_for(self, error: ProviderError) -> Recording:
        return self.recording


@dataclass
class _History:
    harness: SessionHarness

    async def past(self, session_id: str, *, take_over: bool) -> ResumedState | None:
        if self.harness.history_down:
            raise ConnectionError
        self.harness.taken_over += [session_id] * take_over
        return self.harness.past.get(session_id)

    async def holds(self, session_id: str, generation: int) -> bool | None:
        return None if self.harness.generation is None else generation >= self.harness.generation


@asynccontextmanager
async def running(harness: SessionHarness) -> AsyncGenerator[SessionHarness]:
    """Runs the harness's sessions; those that are open at the end are drained."""
    async with harness.registry.running():
        yield harness
    assert harness.registry.count == 0


def limits(**changes: float) -> Limits:
    return replace(LIMITS, **changes)
