"""Scripted models and voices, and their chains, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from agent.core.calls import CallRecorder, ErrorKind, Fallback
from agent.providers.base import Audio, ClientSpeech, Message, Prompt, TextDelta, TextToSpeech
from agent.providers.browser import ClientVoice
from agent.providers.call import Failure, ProviderCall
from agent.providers.fallback.breaker import Breaker
from agent.providers.fallback.chain import ChainDeadlines, ChainStep
from agent.providers.fallback.concurrency import PriorityLimiter
from agent.providers.fallback.llm_tts import LlmFallback, TtsFallback
from tests.support.providers import RecordingRecorder
from tests.support.virtual_time import run_virtual

LLM = ChainDeadlines(first_s=1.5, stall_s=2.0, chain_s=2.5)


TTS = ChainDeadlines(first_s=1.2, stall_s=2.0, chain_s=2.5)


PROMPT = Prompt("system", "memory", (Message("user", "Book a room."),))


LOUD = Audio(b"\x00\x20" * 320, "elevenlabs")


SILENT = Audio(bytes(640), "elevenlabs")


Act = float | str | ErrorKind | Audio


class ReplyTimeline(RecordingRecorder):
    """A meter that also sees fallbacks."""

    def __init__(self) -> None:
        super().__init__()
        self.moves: list[Fallback] = []

    def fell_back(self, fallback: Fallback) -> None:
        self.moves.append(fallback)

    @property
    def path(self) -> list[tuple[str, str, str]]:
        return [(move.from_provider, move.to_provider, move.reason) for move in self.moves]

    @property
    def outcomes(self) -> list[tuple[str, str]]:
        return [(call.provider, str(call.outcome)) for call in self.calls]


@dataclass
class Scripted:
    """A model and a voice in one, which follows a script; the last script is used again and again."""

    provider: str
    scripts: list[list[Act]]
    model: str = "m"
    prompts: list[Prompt] = field(default_factory=list[Prompt])
    asked: list[str] = field(default_factory=list[str])

    async def _act(self, service: Any, recorder: CallRecorder) -> AsyncGenerator[str | Audio]:
        script = self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]
        with ProviderCall(
            service, self.provider, self.model, recorder, lambda _e, _c: Failure(ErrorKind.MALFORMED)
        ) as call:
            for act in script:
                if isinstance(act, ErrorKind):
                    raise call.error(act)
                if isinstance(act, float | int):
                    await asyncio.sleep(act)
                    continue
                call.first_output()
                yield act

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        self.prompts.append(prompt)
        async with aclosing(self._act("llm", recorder)) as acts:
            async for act in acts:
                assert isinstance(act, str)
                yield TextDelta(act)

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        self.asked.append(text)
        async with aclosing(self._act("tts", recorder)) as acts:
            async for act in acts:
                assert isinstance(act, Audio)
                yield act


def scripted(name: str, *scripts: list[Act]) -> Scripted:
    return Scripted(name, list(scripts))


def llm_chain(*providers: Scripted, **options: Any) -> LlmFallback:
    return LlmFallback([ChainStep(one.provider, one, **options) for one in providers], LLM)


async def reply_of(chain: LlmFallback, recorder: ReplyTimeline) -> str:
    async with aclosing(chain.reply("s", PROMPT, recorder)) as reply:
        return "".join([said.text async for said in reply])


async def speech_of(chain: TtsFallback, recorder: ReplyTimeline) -> list[Audio | ClientSpeech]:
    async with aclosing(chain.speak("s", "Hello there.", recorder)) as speech:
        return [piece async for piece in speech]


def run_scenario(scenario: Coroutine[Any, Any, None]) -> None:
    run_virtual(scenario)


def voice_step(
    one: Any, breaker: Breaker | None = None, slots: PriorityLimiter | None = None
) -> ChainStep[TextToSpeech]:
    return ChainStep(one.provider, one, breaker, slots, instant=isinstance(one, ClientVoice))


def tts_chain(*providers: Any) -> TtsFallback:
    return TtsFallback([voice_step(one) for one in providers], TTS)
