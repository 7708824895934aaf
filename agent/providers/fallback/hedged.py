"""Models and voices that are asked a second time where they are late: steps of a chain like any other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal

from agent.core.calls import CallRecorder, Service
from agent.providers.base import Audio, ClientSpeech, LanguageModel, Prompt, TextDelta, TextToSpeech
from agent.providers.fallback.chain import ChainStep
from agent.providers.fallback.hedge import AT_ONCE, CallPlace, Hedge, HedgeBook, Race, Reservation
from agent.providers.output_check import audible, speakable
from agent.telemetry.events import HedgeOutcome


@dataclass(frozen=True, slots=True)
class HedgePlan:
    """How the calls of one session are hedged: the knob of its policy, and who is told and asked.

    `quantile` is a share of 0 to 1, and `voice_quantile` that of voices (None: the same). `model_percent` and
    `voice_percent` are second calls for each hundred first ones.
    `at_once` has the steps of a chain whose second call goes out with the first.
    """

    policy: str
    quantile: float
    model_percent: int
    voice_percent: int
    second: Literal["same", "fallback"]
    tell: Callable[[Service, HedgeOutcome], None]
    switched_on: Callable[[], bool]
    reserve_reply: Callable[[LanguageModel, Prompt], Reservation | None]
    reserve_speech: Callable[[TextToSpeech, int], Reservation | None]
    at_once: tuple[str, ...] = ()
    voice_quantile: float | None = None

    def models(
        self, steps: Sequence[ChainStep[LanguageModel]], book: HedgeBook, *, priority: bool
    ) -> list[ChainStep[LanguageModel]]:
        """The same steps, each with its second call; the last one's is its own."""
        if self.model_percent == 0:
            return list(steps)
        seconds = [*steps[1:], steps[-1]] if self.second == "fallback" else steps
        return [
            replace(
                step,
                provider=HedgedModel(
                    step.provider,
                    second.provider,
                    self._hedge("llm", step, second, book, self.model_percent, self.quantile, priority=priority),
                    self.reserve_reply,
                ),
            )
            for step, second in zip(steps, seconds, strict=True)
        ]

    def voice(self, step: ChainStep[TextToSpeech], book: HedgeBook, *, priority: bool) -> ChainStep[TextToSpeech]:
        """The same step with its second call."""
        if self.voice_percent == 0:
            return step
        late = self.quantile if self.voice_quantile is None else self.voice_quantile
        hedge = self._hedge("tts", step, step, book, self.voice_percent, late, priority=priority)
        return replace(step, provider=HedgedVoice(step.provider, hedge, self.reserve_speech))

    def _hedge(
        self,
        service: Literal["llm", "tts"],
        step: ChainStep[LanguageModel] | ChainStep[TextToSpeech],
        second: ChainStep[LanguageModel] | ChainStep[TextToSpeech],
        book: HedgeBook,
        percent: int,
        quantile: float,
        *,
        priority: bool,
    ) -> Hedge:
        return Hedge(
            latency=book.latency(step.provider.provider, step.provider.model),
            budget=book.budget(self.policy, service, percent),
            quantile=AT_ONCE if step.name in self.at_once else quantile,
            first=CallPlace(step.breaker, step.slots),
            second=CallPlace(second.breaker, second.slots, priority),
            tell=lambda outcome: self.tell(service, outcome),
            switched_on=self.switched_on,
        )


class HedgedModel:
    """A language model that is asked a second time, itself or another one, where it is late."""

    def __init__(
        self,
        inner: LanguageModel,
        second: LanguageModel,
        hedge: Hedge,
        reserve: Callable[[LanguageModel, Prompt], Reservation | None],
    ) -> None:
        self.provider, self.model = inner.provider, inner.model
        self._inner, self._second = inner, second
        self.hedge, self._reserve = hedge, reserve

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        """Streams the reply of whoever speaks first. Raises ProviderError. Closing the generator stops both."""
        race: Race[TextDelta] = Race(self.hedge, lambda said: speakable(said.text), recorder)
        pieces = race.run(
            lambda calls: self._inner.reply(session, prompt, calls),
            lambda calls: self._second.reply(session, prompt, calls),
            lambda: self._reserve(self._second, prompt),
        )
        async with aclosing(pieces) as reply:
            async for piece in reply:
                yield piece


class HedgedVoice:
    """A voice that is asked a second time where its first sound is late."""

    def __init__(
        self,
        inner: TextToSpeech,
        hedge: Hedge,
        reserve: Callable[[TextToSpeech, int], Reservation | None],
    ) -> None:
        self.provider, self.model = inner.provider, inner.model
        self._inner, self.hedge, self._reserve = inner, hedge, reserve

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        """Streams the speech of one clause. Raises ProviderError. Closing the generator stops both."""
        race: Race[Audio | ClientSpeech] = Race(self.hedge, _heard, recorder)
        pieces = race.run(
            lambda calls: self._inner.speak(session, text, calls),
            lambda calls: self._inner.speak(session, text, calls),
            lambda: self._reserve(self._inner, len(text)),
        )
        async with aclosing(pieces) as speech:
            async for piece in speech:
                yield piece


def _heard(piece: Audio | ClientSpeech) -> bool:
    return isinstance(piece, ClientSpeech) or audible(piece.pcm)
