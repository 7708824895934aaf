"""Providers that reserve the expected price of each call in a session's purse before they are asked.

They stand in front of a whole chain: whichever provider answers in the end, what it really took is counted when its
call ends, and the reservation is given back. Where there is no room for a call the provider is not asked at all.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from agent.billing.ceilings import Purse
from agent.billing.holds import Hold, StreamHold
from agent.billing.prices import PriceBook
from agent.billing.pricing import utc_now
from agent.core.audio import SAMPLE_WIDTH
from agent.core.calls import (
    Call,
    CallRecorder,
    ErrorKind,
    Fallback,
    FallbackObserver,
    ListeningNote,
    ProviderError,
    Unit,
    Usage,
    note_confidence,
)
from agent.core.calls import note as tell
from agent.providers.base import (
    Audio,
    ClientSpeech,
    KnowsOutages,
    LanguageModel,
    Prompt,
    SpeechStream,
    TextDelta,
    TextToSpeech,
)

CHARACTERS_A_TOKEN: Final = 4
CEILING: Final = "ceiling"  # the provider's name in the error of a call that was not made


@dataclass(frozen=True, slots=True)
class CallPrices:
    """Prices of calls in nano-dollars, at today's prices; what has no price counts nothing."""

    book: PriceBook

    def paid(self, call: Call) -> int:
        """What a call that has ended costs."""
        return sum(charge.nano_usd or 0 for charge in self.book.charge(call, utc_now()))

    def model_call(self, model: LanguageModel, prompt: Prompt) -> int:
        """What a reply may take: the whole prompt, nothing of it cached, and all of the output that is allowed."""
        tokens = sum(map(len, prompt.texts())) // CHARACTERS_A_TOKEN
        quantities = {Unit.INPUT_TOKENS: tokens, Unit.OUTPUT_TOKENS: prompt.max_tokens}
        return self.paid(Call("llm", model.provider, model.model, "ok", 0.0, None, 0.0, Usage(quantities)))

    def speech(self, voice: TextToSpeech, characters: int) -> int:
        """What it takes to speak so many characters."""
        usage = Usage({Unit.CHARACTERS: characters})
        return self.paid(Call("tts", voice.provider, voice.model, "ok", 0.0, None, 0.0, usage))

    def listening(self, recogniser: CountedSpeechToText, samples: int) -> int:
        """What it takes to listen to so many samples at 16 kHz."""
        usage = Usage({Unit.AUDIO_SAMPLES: samples})
        return self.paid(Call("stt", recogniser.provider, recogniser.model, "ok", 0.0, None, 0.0, usage))


@dataclass(frozen=True, slots=True)
class GuardedToolMoney:
    """Tools that are not used beyond a ceiling."""

    purse: Purse
    prices: CallPrices

    def price(self, name: str) -> int:
        """Nano-dollars of one call of a tool; 0 where it has no price."""
        charge = self.prices.book.tool_charge(name, 1, utc_now())
        return 0 if charge is None else charge.nano_usd or 0

    def reserve(self, nano_usd: int) -> Hold | None:
        """Reserves so much; None where a ceiling has no room for it."""
        return self.purse.reserve(nano_usd)

    def spend(self, nano_usd: int) -> None:
        """So much was spent."""
        self.purse.spend(nano_usd)


class GuardedLanguageModel:
    """A language model that does not answer beyond a ceiling."""

    def __init__(self, inner: LanguageModel, purse: Purse, prices: CallPrices) -> None:
        self.provider, self.model = inner.provider, inner.model
        self._inner, self._purse, self._prices = inner, purse, prices

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        """Streams one reply. Raises ProviderError, also when a ceiling has no room for it."""
        hold = _reserved(self._purse, self._prices.model_call(self._inner, prompt))
        try:
            paying = _paying(recorder, self._purse, self._prices)
            async with aclosing(self._inner.reply(session, prompt, paying)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            hold.release()


class GuardedTextToSpeech:
    """A voice that does not speak beyond a ceiling."""

    def __init__(self, inner: TextToSpeech, purse: Purse, prices: CallPrices) -> None:
        self.provider, self.model = inner.provider, inner.model
        self._inner, self._purse, self._prices = inner, purse, prices

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        """Streams the speech of one clause. Raises ProviderError, also when a ceiling has no room for it."""
        hold = _reserved(self._purse, self._prices.speech(self._inner, len(text)))
        try:
            paying = _paying(recorder, self._purse, self._prices)
            async with aclosing(self._inner.speak(session, text, paying)) as sound:
                async for piece in sound:
                    yield piece
        finally:
            hold.release()


class CountedStream(SpeechStream, Protocol):
    """A stream that knows how much it has taken."""

    @property
    def sent_bytes(self) -> int:
        """Bytes of PCM s16le mono 16 kHz so far."""
        ...


class CountedSpeechToText(Protocol):
    """A recogniser with such streams."""

    provider: str
    model: str

    def open(self, session: str, recorder: CallRecorder) -> AbstractAsyncContextManager[CountedStream]:
        """As `SpeechToText.open`."""
        ...


class GuardedSpeechToText:
    """A recogniser whose streams reserve what they are sent; the session looks at its purse and ends them."""

    def __init__(self, inner: CountedSpeechToText, purse: Purse, prices: CallPrices) -> None:
        self.provider, self.model = inner.provider, inner.model
        self._inner, self._purse, self._prices = inner, purse, prices

    @property
    def served(self) -> bool:
        """Whether anybody would be asked; True where that is not known."""
        return not isinstance(self._inner, KnowsOutages) or self._inner.served

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[SpeechStream]:
        """Opens a stream for one session. Raises ProviderError."""
        hold = self._purse.stream()
        million = self._prices.listening(self._inner, 1_000_000)
        try:
            paying = _paying(recorder, self._purse, self._prices, hold)
            async with self._inner.open(session, paying) as stream:
                hold.follow(lambda: stream.sent_bytes // SAMPLE_WIDTH * million // 1_000_000)
                yield stream
        finally:
            hold.release()


def _reserved(purse: Purse, nano_usd: int) -> Hold:
    hold = purse.reserve(nano_usd)
    if hold is None:
        raise ProviderError(CEILING, ErrorKind.REFUSED)
    return hold


class _PayingRecorder:
    """Counts the price of each call in the purse, and hands it on, as all that is told of listening."""

    def __init__(self, inner: CallRecorder, purse: Purse, prices: CallPrices, stream: StreamHold | None) -> None:
        self._inner = inner
        self._purse = purse
        self._prices = prices
        self._stream = stream

    def record(self, call: Call) -> None:
        paid = self._prices.paid(call)
        if self._stream is not None:
            self._stream.pay(paid)
        self._purse.spend(paid)
        self._inner.record(call)

    def noted(self, note: ListeningNote) -> None:
        tell(self._inner, note)

    def recognised(self, provider: str, confidence: float) -> None:
        note_confidence(self._inner, provider, [confidence])


class _PayingObserver(_PayingRecorder):
    """The same in front of a recorder that also wants to know of fallbacks."""

    def fell_back(self, fallback: Fallback) -> None:
        if isinstance(self._inner, FallbackObserver):
            self._inner.fell_back(fallback)


def _paying(
    recorder: CallRecorder, purse: Purse, prices: CallPrices, stream: StreamHold | None = None
) -> _PayingRecorder:
    observes = isinstance(recorder, FallbackObserver)
    return (_PayingObserver if observes else _PayingRecorder)(recorder, purse, prices, stream)
