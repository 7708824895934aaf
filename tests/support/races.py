"""Sessions in which everything happens at once: random callers, recognisers, models and voices, from one seed.

The seed decides what happens and when, and in which order tasks go on that are ready in the same moment: an event loop
of one's own shuffles them. The same seed is the same race.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from agent.core.calls import CallRecorder, ErrorKind
from agent.providers.base import Audio, ClientSpeech, LanguageModel, TextToSpeech
from agent.providers.fallback.chain import ChainStep
from agent.providers.fallback.hedge import LEAST_CALLS, HedgeBook
from agent.providers.fallback.hedged import HedgePlan
from agent.session.early_voice import EarlyVoiceChoice
from agent.session.events import ClauseStarted, TurnStarted
from agent.telemetry.events import CallFinished, Cause, HedgeOutcome, TurnFinished
from agent.telemetry.timeline import TurnOutcome
from agent.turn.asked_openings import AskedOpenings
from agent.turn.clauses import USUAL_FIRST_WORDS, FirstWords
from tests.support.direct_transport import DirectTransport
from tests.support.session import ScriptedModel, ScriptedVoice, SessionHarness, running, silence, voice
from tests.support.virtual_time import VirtualTimeLoop

T = TypeVar("T")
ASKED: Final = AskedOpenings("en")
TURNS: Final = 10
"""Of one session: more could spend what it may."""
_FAILURES: Final = (ErrorKind.OVERLOADED, ErrorKind.DISCONNECTED)
_RATHER_LONG_S: Final = 12.0


class ShuffledLoop(VirtualTimeLoop):
    """Virtual time in which tasks that are ready together go on in an order that the dice decide.

    Other callbacks keep their order and their places, which asyncio promises to those who call them soon.
    """

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self._dice = dice
        self.shuffled = 0
        """How often tasks went on in another order than they came."""

    def _run_once(self) -> None:
        ready: Any = getattr(self, "_ready")  # noqa: B009 - asyncio's own, of no public name
        steps = [place for place, handle in enumerate(ready) if _is_step(handle)]
        if len(steps) > 1:
            handles = [ready[place] for place in steps]
            self._dice.shuffle(handles)
            self.shuffled += 1
            for place, handle in zip(steps, handles, strict=True):
                ready[place] = handle
        super()._run_once()  # type: ignore[misc]  # pyright: ignore


def _is_step(handle: Any) -> bool:
    owner = getattr(getattr(handle, "_callback", None), "__self__", None)
    return isinstance(owner, asyncio.Task)


def run_shuffled(coroutine: Coroutine[Any, Any, T], dice: random.Random) -> T:
    """Runs a coroutine in shuffled virtual time and returns its result."""
    with asyncio.Runner(loop_factory=lambda: ShuffledLoop(dice)) as runner:
        return runner.run(coroutine)


class _Hold:
    def release(self) -> None: ...


def _hedged(
    llm: ScriptedModel, tts: ScriptedVoice, told: list[HedgeOutcome], at_once: tuple[str, ...]
) -> tuple[LanguageModel, TextToSpeech]:
    """The same, each asked a second time after 0.2 s, or at once, where it has earned that."""
    book = HedgeBook()
    for one in (llm, tts):
        for _ in range(LEAST_CALLS):
            book.latency(one.provider, one.model).add(0.2)
    plan = HedgePlan(
        "p", 0.95, 50, 50, "same", lambda _, outcome: told.append(outcome), lambda: True,
        lambda _model, _prompt: _Hold(), lambda _voice, _characters: _Hold(), at_once,
    )  # fmt: skip
    [model] = plan.models([ChainStep("haiku", llm)], book, priority=False)
    return model.provider, plan.voice(ChainStep("elevenlabs", tts), book, priority=False).provider


class RandomVoice(ScriptedVoice):
    """A voice that takes its time, or fails."""

    dice: random.Random

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        self.delay_s = self.dice.choice((0.0, 0.1, 0.3, 0.5))
        self.fails = self.dice.choice(_FAILURES) if self.dice.random() < 0.05 else None
        async with aclosing(super().speak(session, text, recorder)) as speech:
            async for piece in speech:
                yield piece


@dataclass
class Race:
    """One session from one seed, and what it came to."""

    seed: int
    said: list[str] = field(default_factory=list[str])
    told: list[HedgeOutcome] = field(default_factory=list[HedgeOutcome])
    openings: int = 0
    """Replies that began as the prompt asks."""
    left: set[asyncio.Task[Any]] = field(default_factory=set[asyncio.Task[Any]])

    def run(self) -> None:
        """Plays it and asserts what must hold, whatever happened: see `_judge`."""
        self.dice = random.Random(self.seed)
        run_shuffled(self._play(), random.Random(f"{self.seed}:order"))

    async def _play(self) -> None:
        dice = self.dice
        replies = [
            [dice.choice((0.0, 0.1, 0.3, 0.6)), dice.choice(_FAILURES) if dice.random() < 0.05 else f"Reply {number}. "]
            for number in range(12 * TURNS)
        ]
        begun = random.Random(f"{self.seed}:openings")
        asked = begun.random() < 0.5
        for reply in replies if asked else ():
            if begun.random() < 0.7:
                reply.insert(1, begun.choice(("Sure. ", "Okay, ")))
        self.llm, tts = ScriptedModel(replies), RandomVoice(seconds=dice.choice((0.3, 1.0)))
        tts.dice = random.Random(f"{self.seed}:voice")
        harness = self.harness = SessionHarness(
            llm=self.llm,
            tts=tts,
            early_replies=True,
            early_voice=EarlyVoiceChoice(0.5),
            likely_after_s=dice.choice((None, 0.1)),
            first_words=FirstWords(ASKED.which, 24, ASKED) if asked else USUAL_FIRST_WORDS,
        )
        if dice.random() < 0.5:
            at_once = dice.choice(((), ("haiku",)))
            harness.model, harness.voice = _hedged(self.llm, tts, self.told, at_once)
        async with running(harness):
            caller = await harness.call()
            for number in range(TURNS):
                await self._turn(caller, f"what is number {number}")
            await asyncio.sleep(_RATHER_LONG_S)
            caller.hang_up()
        await asyncio.sleep(_RATHER_LONG_S)
        self.left = asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]
        self._judge(caller)

    async def _turn(self, caller: DirectTransport, text: str) -> None:
        """What a recogniser may say of a turn, in any order, at moments that often coincide; also over a reply."""
        dice, stt = self.dice, self.harness.stt
        await caller.speak(voice(dice.choice((0.1, 0.2))) + silence(0.1))
        while dice.random() < 0.7:
            await asyncio.sleep(dice.choice((0.0, 0.0, 0.1, 0.3, 0.5)))
            heard = text if dice.random() < 0.7 else f"{text} and then"
            sure = dice.choice((None, 0.3, 0.6, 0.9))
            match dice.randrange(5):
                case 0:
                    stt.likely(heard, sure)
                case 1:
                    stt.resumes(heard)
                case 2:
                    stt.starts(heard)
                case 3:
                    stt.thinks(heard, confidence=sure)
                case _:
                    stt.thinks(heard, settled=True)
        await asyncio.sleep(dice.choice((0.0, 0.1, 0.3)))
        stt.says(text)
        self.said.append(text)
        await asyncio.sleep(dice.choice((0.0, 0.0, 0.1, 0.3, 1.0, 4.0)))

    def _judge(self, caller: DirectTransport) -> None:
        """One reply a turn, to what was said in it and nothing that was taken back; every call paid once; no task."""
        harness, seed = self.harness, self.seed
        assert not self.left, (seed, self.left)
        assert [event.text for event in caller.all(TurnStarted)] == self.said, seed
        records = [event.record for event in harness.all(TurnFinished)]
        assert [record.turn for record in records] == list(range(1, TURNS + 1)), seed
        assert TurnOutcome.FAILED not in {record.outcome for record in records}, seed
        heard = caller.all(ClauseStarted)
        assert set(Counter(clause.turn for clause in heard).values()) <= {1, 2, 3}, seed
        openings = {clause.turn: ASKED.which(clause.text) for clause in heard if ASKED.which(clause.text)}
        assert len(openings) == sum(ASKED.which(clause.text) is not None for clause in heard), seed
        replies = [clause for clause in heard if clause.text.startswith("Reply")]
        assert all(count == 1 for count in Counter(clause.turn for clause in replies).values()), seed
        assert all(count == 1 for count in Counter(clause.text for clause in replies).values()), seed
        for clause in replies:  # its number is that of the prompt: it answers its turn's words
            prompt = self.llm.prompts[int(clause.text.split()[1].rstrip(".")) % len(self.llm.replies)]
            assert prompt.messages[-1].text.splitlines()[-1] == self.said[clause.turn - 1], seed
            before = [ASKED.begins(message.text) for message in prompt.messages if message.role == "assistant"]
            assert clause.turn not in openings or openings[clause.turn] not in before[-1:], seed
            self.openings += clause.turn in openings
        calls = harness.all(CallFinished)
        assert len([one for one in calls if one.call.service == "llm"]) == len(self.llm.prompts), seed
        assert len([one for one in calls if one.call.service == "tts"]) == len(harness.tts.spoken), seed
        assert all(one.turn is None for one in calls if one.cause is Cause.SPECULATION), seed
