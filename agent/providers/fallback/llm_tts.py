"""The chains of a session: language models that answer as one, voices that speak as one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

from agent.core.calls import Call, CallRecorder, ErrorKind
from agent.providers.base import Audio, ClientSpeech, LanguageModel, Message, Prompt, TextDelta, TextToSpeech
from agent.providers.fallback.chain import Chain, ChainDeadlines, ChainStep
from agent.providers.fallback.speech_check import SpeakingPace, SpeechCheck
from agent.providers.output_check import audible, speakable

Paces = dict[tuple[str, str], SpeakingPace]
"""(provider, model) → how fast it speaks."""


class LlmFallback:
    """A chain of language models that looks like one. A model that takes over mid-reply is told what was said already.

    Assistant prefill is refused by current models, so the caller's last message says it. After the last step comes the
    recorded apology, which is the turn's business.
    """

    def __init__(
        self, steps: Sequence[ChainStep[LanguageModel]], deadlines: ChainDeadlines, *, priority: bool = False
    ) -> None:
        self.provider = steps[0].provider.provider
        self.model = steps[0].provider.model
        self._chain: Chain[LanguageModel, TextDelta] = Chain(
            "llm",
            steps,
            deadlines,
            lambda said: speakable(said.text) or said.calling or bool(said.uses),
            restarts=None,
            priority=priority,
            last="recorded",
        )

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        """Streams one reply. Raises ProviderError when no step is left. Closing the generator stops the generation."""
        text = ""
        taken_over = False
        shorter = _Shorter()

        def start(model: LanguageModel, attempt: CallRecorder) -> AsyncGenerator[TextDelta]:
            nonlocal taken_over
            taken_over = bool(text)
            asked = shorter.prompt(prompt)
            return model.reply(session, _carry_on(asked, text) if text else asked, shorter.watching(attempt))

        async with aclosing(self._chain.run(start, recorder)) as reply:
            async for said in reply:
                if taken_over and said.text and not (text[-1].isspace() or said.text[:1].isspace()):
                    said = replace(said, text=f" {said.text}")
                taken_over = taken_over and not said.text
                text += said.text
                yield said


class TtsFallback:
    """A chain of voices that looks like one. A clause cut half-way is said again once, from its start, by the next.

    What each says is checked (`SpeechCheck`): a voice that is slower than its speech is not asked for the next
    clause. `paces` is what the process knows of its voices. `ClientVoice` as the last step (`instant`) lets the client
    speak where it has declared that it can.
    """

    def __init__(
        self,
        steps: Sequence[ChainStep[TextToSpeech]],
        deadlines: ChainDeadlines,
        *,
        priority: bool = False,
        paces: Paces | None = None,
    ) -> None:
        self._paces: Paces = {} if paces is None else paces
        self.provider = steps[0].provider.provider
        self.model = steps[0].provider.model
        self._chain: Chain[TextToSpeech, Audio | ClientSpeech] = Chain(
            "tts",
            steps,
            deadlines,
            lambda piece: isinstance(piece, ClientSpeech) or audible(piece.pcm),
            restarts=1,
            priority=priority,
            last="none",
        )

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        """Streams the speech of one clause. Raises ProviderError when no step is left. Closing stops the synthesis."""
        checks: dict[str, SpeechCheck] = {}

        def start(voice: TextToSpeech, attempt: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
            pace = self._paces.setdefault((voice.provider, voice.model), SpeakingPace())
            checks[voice.provider] = check = SpeechCheck(voice.provider, text, pace, attempt)
            return check.checked(voice.speak(session, text, check))

        try:
            async with aclosing(self._chain.run(start, recorder)) as speech:
                async for piece in speech:
                    yield piece
        finally:
            for step in self._chain.steps:
                if (check := checks.get(step.provider.provider)) is not None and check.too_slow:
                    self._chain.demote(step, ErrorKind.STALLED)


@dataclass(slots=True)
class _Shorter:
    """Makes the next prompt a short one when a model said that ours does not fit. Also a recorder in between."""

    too_long: bool = False

    def prompt(self, prompt: Prompt) -> Prompt:
        """The newest messages alone where the whole does not fit."""
        if not self.too_long:
            return prompt
        return replace(prompt, memory="", messages=prompt.messages[-_NEWEST:])

    def watching(self, recorder: CallRecorder) -> CallRecorder:
        return _Watching(self, recorder)


@dataclass(frozen=True, slots=True)
class _Watching:
    shorter: _Shorter
    recorder: CallRecorder

    def record(self, call: Call) -> None:
        self.shorter.too_long |= call.outcome is ErrorKind.TOO_LONG
        self.recorder.record(call)


_NEWEST: Final = 5  # messages, of which the first and the last are the caller's


def _carry_on(prompt: Prompt, said: str) -> Prompt:
    """The prompt for a model that takes over a reply of which `said` was spoken already."""
    last = prompt.messages[-1]
    note = (
        f'{last.text}\n\n[You had begun to answer aloud and were cut off after these words: "{said.strip()}" '
        "Go on with the next word. Do not repeat anything of it and do not mention the interruption.]"
    )
    return replace(prompt, messages=(*prompt.messages[:-1], Message(last.role, note)))
