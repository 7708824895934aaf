"""Calls of outside recordings in virtual time: the sandbox's recogniser hears them, model and voice take what the
sandbox's profile `measured` says, and the session is the real one. However busy the machine is, a seed is one result.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Final
from zlib import crc32

from agent.core import clock
from agent.core.calls import Call, CallRecorder, Usage
from agent.providers.base import Audio, ClientSpeech, LanguageModel, SttEvent, SttEventKind, Word
from agent.providers.fallback.chain import ChainStep
from agent.providers.fallback.hedge import HedgeBook
from agent.providers.fallback.hedged import HedgePlan
from agent.providers.openings import OPENINGS
from agent.session.early_voice import EarlyVoiceChoice
from agent.session.events import TurnMeasured, TurnStarted
from agent.telemetry.events import CallFinished, Cause, Guessed, GuessOutcome, TurnFinished
from agent.telemetry.timeline import TurnOutcome
from agent.turn.asked_openings import ASKED_OPENINGS, AskedOpenings
from agent.turn.clauses import USUAL_FIRST_WORDS, FirstWords
from tests.support.paths import DATA
from tests.support.session import ScriptedModel, ScriptedVoice, SessionHarness, running, silence
from tests.support.virtual_time import run_virtual
from voice_loadtest.audio import CallerRecording
from voice_sandbox.latency import PROFILES
from voice_sandbox.receptionist.openings import fits
from voice_sandbox.recognizer.early_end import EarlyEnds
from voice_sandbox.recognizer.library import ClipLibrary
from voice_sandbox.recognizer.turns import TurnEventKind, TurnRules, TurnTracker

SPEECH: Final = DATA / "speech"
TAKEN_BACK: Final = EarlyEnds(taken_back=0.6)
DELTA: Final = 10
DELTA_S: Final = DELTA / 450
"""A small model writes about 450 characters a second."""
_KINDS: Final = {
    TurnEventKind.START: SttEventKind.STARTED,
    TurnEventKind.EAGER: SttEventKind.EAGER,
    TurnEventKind.RESUMED: SttEventKind.RESUMED,
    TurnEventKind.END: SttEventKind.ENDED,
}
_MEASURED: Final = PROFILES["measured"]
ASKED: Final = AskedOpenings("en")


@dataclass(frozen=True, slots=True)
class Knobs:
    """What a policy says of speed, in its own words: see `agent.policy.speed`. `nova`: the recogniser is Nova."""

    name: str
    nova: bool = False
    threshold: float | None = None
    stable_s: float | None = None
    voice: float | None = None
    first_words: bool = False
    ends: EarlyEnds = TAKEN_BACK
    """When the sandbox says that a turn is probably over, and how often it takes that back."""

    asked_twice: bool = False
    repeated: float = 0.0
    """Share of the clauses that were said before, and are in memory."""
    follows: float | None = None
    """Share of the replies that begin as the prompt asks, of those that an opening fits; None: it asks for none."""

    @property
    def early(self) -> bool:
        return self.threshold is not None or self.stable_s is not None


@cache
def library() -> ClipLibrary:
    """The outside recordings."""
    return ClipLibrary.load([SPEECH])


@cache
def replies() -> tuple[str, ...]:
    """What systems say in outside dialogues."""
    lines = (DATA / "sgd" / "dev_partial.jsonl").read_text().splitlines()[:40]
    return tuple(turn["x"] for line in lines for turn in json.loads(line)["turns"] if turn["r"] == "s")


@dataclass
class TrackedRecognizer:
    """The sandbox's recogniser without its wire."""

    knobs: Knobs
    dice: random.Random
    provider: str = "deepgram"
    model: str = "flux-general-en"
    heard: asyncio.Queue[SttEvent | None] = field(default_factory=asyncio.Queue)

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[TrackedRecognizer]:
        if self.knobs.nova:
            rules = TurnRules(timeout_s=60.0, least_silence_s=0.3)
        else:
            rules = TurnRules(eager=self.knobs.threshold)
        draw = _MEASURED["stt"].draw
        self._tracker = TurnTracker(library(), rules, lambda: draw(self.dice), self.knobs.ends, self.dice)
        self._told_at = 0.0
        try:
            yield self
        finally:
            now = clock.now()
            recorder.record(Call("stt", self.provider, self.model, "ok", now, now, now, Usage()))

    async def send(self, pcm: bytes, *, voiced_s: float = 0.0) -> None:
        tracker, now = self._tracker, clock.now()
        events = [event for event in tracker.audio(pcm, now) if event.kind in _KINDS]
        for event in events:
            self._put(_KINDS[event.kind], event.heard.text, event.heard.words, event.confidence)
        every = 1.04 if self.knobs.nova else 0.24
        if events:
            self._told_at = tracker.seconds
        elif tracker.open and tracker.seconds - self._told_at >= every:
            self._told_at = tracker.seconds
            self._put(SttEventKind.PARTIAL, tracker.heard.text, tracker.heard.words, tracker.confidence(now))

    def _put(self, kind: SttEventKind, text: str, words: Sequence[object], confidence: float) -> None:
        if text:
            timed = tuple(
                Word(word.text, word.start, word.end)  # type: ignore[attr-defined]  # pyright: ignore
                for word in words
            )
            sure = None if self.knobs.nova else confidence
            self.heard.put_nowait(SttEvent(kind, text, timed, confidence=sure))

    async def finish(self) -> None:
        self.heard.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[SttEvent]:
        while (heard := await self.heard.get()) is not None:
            yield heard


@dataclass
class MeasuredVoice(ScriptedVoice):
    """A voice that takes as long as is measured; recorded openings take no time."""

    dice: random.Random = field(default_factory=lambda: random.Random(0))
    recorded: bool = False
    repeated: float = 0.0

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        ready = self.recorded and text in OPENINGS["en"]
        ready = ready or crc32(text.encode()) % 100 < 100 * self.repeated
        self.delay_s = 0.0 if ready else _MEASURED["tts"].draw(self.dice)
        self.seconds = max(0.4, round(len(text) / 15, 1))
        async for piece in super().speak(session, text, recorder):
            yield piece


@dataclass
class Simulated:
    """What calls came to. Seconds."""

    waited: list[float] = field(default_factory=list[float])
    turns: int = 0
    cut_off: int = 0
    """Turns that ended before the caller had said everything."""
    talked_over: int = 0
    guesses: int = 0
    taken: int = 0
    calls: dict[str, int] = field(default_factory=dict[str, int])
    wasted: dict[str, int] = field(default_factory=dict[str, int])


def recorded_opening(said: str) -> str | None:
    """As if all openings were recorded."""
    plain = said.rstrip(" .,;:!").lower()
    return next((text for text in OPENINGS["en"] if text.rstrip(".").lower() == plain), None)


def call(knobs: Knobs, said: Sequence[CallerRecording], seed: int, result: Simulated) -> None:
    """One call in which these recordings are said one after the other; adds what came of it."""
    dice = random.Random(seed)
    harness = SessionHarness(
        llm=ScriptedModel([_reply(dice, knobs.follows or 0.0) for _ in range(4 * len(said))]),
        tts=MeasuredVoice(dice=random.Random(f"{seed}:voice"), recorded=knobs.first_words, repeated=knobs.repeated),
        early_replies=knobs.early,
        likely_after_s=knobs.stable_s,
        early_voice=None if knobs.voice is None else EarlyVoiceChoice(knobs.voice),
        first_words=_first_words(knobs),
    )
    if knobs.asked_twice:
        harness.model = _asked_twice(harness.llm)
    harness.stt = TrackedRecognizer(knobs, random.Random(f"{seed}:stt"))  # type: ignore[assignment]  # pyright: ignore
    run_virtual(_call(harness, said, result))
    _count(harness, result)


class _Room:
    def release(self) -> None: ...


def _asked_twice(llm: ScriptedModel) -> LanguageModel:
    """The same, asked twice from the beginning: who writes first is heard."""
    plan = HedgePlan(
        "p", 0.95, 100, 0, "same", lambda _service, _outcome: None, lambda: True,
        lambda _model, _prompt: _Room(), lambda _voice, _characters: _Room(), ("haiku",),
    )  # fmt: skip
    [step] = plan.models([ChainStep("haiku", llm)], HedgeBook(), priority=False)
    return step.provider


def _first_words(knobs: Knobs) -> FirstWords:
    asked = None if knobs.follows is None else ASKED
    return FirstWords(recorded_opening, 24, asked) if knobs.first_words else USUAL_FIRST_WORDS


def _reply(dice: random.Random, follows: float) -> list[str | float]:
    text = dice.choice(replies())
    if follows and fits(text) and dice.random() < follows:
        text = f"{dice.choice(ASKED_OPENINGS[ASKED.language])} {text}"
    parts: list[str | float] = [_MEASURED["llm"].draw(dice)]
    for start in range(0, len(text), DELTA):
        parts += [text[start : start + DELTA], DELTA_S]
    return parts


async def _call(harness: SessionHarness, said: Sequence[CallerRecording], result: Simulated) -> None:
    async with running(harness):
        caller = await harness.call()
        caller.round_trip_s = 0.07
        for one in said:
            begun = len(caller.all(TurnStarted))
            end = one.voice_ends * 2
            await caller.speak(one.pcm[:end])
            early = len(caller.all(TurnStarted)) - begun
            result.cut_off += early > 0
            result.turns += 1
            quiet_s = 0.0
            while quiet_s < 1.0:  # the microphone stays open until the reply was heard
                await caller.speak(silence(0.1))
                busy = (
                    len(caller.all(TurnMeasured)) < len(caller.all(TurnStarted))
                    or len(caller.all(TurnStarted)) == begun + early
                )
                quiet_s = 0.0 if busy else quiet_s + 0.1
        caller.hang_up()


def _count(harness: SessionHarness, result: Simulated) -> None:
    for event in harness.all(TurnFinished):
        record = event.record
        result.talked_over += record.talked_over
        if record.outcome is TurnOutcome.REPLIED and record.voice_to_voice_s is not None:
            result.waited.append(record.voice_to_voice_s)
    outcomes = [event.outcome for event in harness.all(Guessed)]
    result.taken += outcomes.count(GuessOutcome.TAKEN)
    result.guesses += sum(outcome is not GuessOutcome.SWITCHED_OFF for outcome in outcomes)
    for finished in harness.all(CallFinished):
        service = finished.call.service
        counted = result.wasted if finished.cause is Cause.SPECULATION else result.calls
        counted[service] = counted.get(service, 0) + 1
