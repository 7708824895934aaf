"""Deepgram Nova (`/v1/listen`): interim and final segments, from which turns are put together here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from agent.core.audio import SAMPLE_RATE
from agent.core.calls import CallRecorder, ErrorKind
from agent.providers.base import SttEvent, SttEventKind, Word
from agent.providers.call import ProviderCall
from agent.providers.deepgram.faults import ProtocolFaultError
from agent.providers.deepgram.stream import (
    PROVIDER,
    DeepgramStream,
    UnrecordedCalls,
    connect_sdk,
    connected,
    websocket_of,
)
from agent.providers.http import session_headers
from agent.providers.output_check import speakable
from agent.providers.sdk import SdkClient
from agent.providers.wire_values import WordCheck, clean, letters

_OUR_FAULT: Final = "SchemaError"  # the variant of an error message about a message of ours
_OVERLAP_S: Final = 0.1  # by which two settled segments may overlap
_REMEMBERED: Final = 16  # settled segments: what is told of one again is not much later
KEEP_ALIVE_S: Final = 4.0  # Deepgram closes a connection that was silent for 10 s


class DeepgramNova:
    """One Nova model. The SDK is imported by `load`, or by the first call.

    A turn is over after `endpointing_ms` of silence, or where noise hides the silence, `utterance_end_ms` after its
    last word (at least 1000). `keyterms` are words that the recogniser should expect (Nova-3; others get none). With
    `mip_opt_out` the audio is not used to train the vendor's models.
    """

    provider = PROVIDER

    def __init__(
        self,
        *,
        api_key: str,
        model: str = "nova-3",
        base_url: str | None = None,
        language: str = "en",
        endpointing_ms: int = 300,
        utterance_end_ms: int = 1000,
        keyterms: Sequence[str] = (),
        mip_opt_out: bool = True,
    ) -> None:
        self.model = model
        self._client = SdkClient(partial(connect_sdk, api_key, base_url))
        self._options: dict[str, Any] = {
            "model": model,
            "language": language,
            "encoding": "linear16",
            "sample_rate": SAMPLE_RATE,
            "channels": 1,
            "punctuate": True,
            "interim_results": True,
            "vad_events": True,
            "endpointing": endpointing_ms,
            "utterance_end_ms": utterance_end_ms,
            "keyterm": (list(keyterms) or None) if model.startswith("nova-3") else None,
            "mip_opt_out": mip_opt_out or None,
        }

    def load(self) -> None:
        """Imports the SDK and makes its client: the first call does not have to."""
        self._client.get()

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[NovaStream]:
        """Opens a stream for one session. Raises ProviderError; so does iterating it when the connection breaks."""
        connecting = self._client.get().listen.v1.connect(
            **self._options, request_options={"additional_headers": session_headers(session)}
        )
        async with connected(connecting, self.model, recorder) as (socket, call):
            stream = NovaStream(socket, call)
            try:
                yield stream
            finally:
                call.report(stream.failure or "ok")

    async def warm(self) -> None:
        """Connects once, which sends no audio and costs nothing. Never fails."""
        with suppress(Exception):  # the first session finds out what is wrong, and says so
            async with self.open("warm-up", UnrecordedCalls()):
                return

    async def close(self) -> None:
        """Nothing is kept open between streams."""


class NovaStream(DeepgramStream):
    """A Nova connection. While it is iterated, it is kept alive when no audio is sent."""

    def __init__(self, socket: Any, call: ProviderCall) -> None:
        super().__init__(socket, NovaReader, call, websocket_of(socket))
        self._nova = socket
        self._last_sent_at = asyncio.get_running_loop().time()

    async def send(self, pcm: bytes, *, voiced_s: float = 0.0) -> None:
        """Sends PCM s16le mono 16 kHz. Raises ProviderError."""
        await super().send(pcm)
        self._last_sent_at = asyncio.get_running_loop().time()

    def send_now(self, pcm: bytes, *, voiced_s: float = 0.0) -> bool:
        """As `DeepgramStream.send_now`."""
        sent = super().send_now(pcm)
        if sent:
            self._last_sent_at = asyncio.get_running_loop().time()
        return sent

    async def end_turn(self) -> None:
        """Asks for everything heard so far as a finished turn, without waiting for silence. Raises ProviderError."""
        try:
            await self._nova.send_finalize()
        except Exception as error:
            raise self._failed(error) from None

    def _deadline(self) -> float | None:
        return super()._deadline() or self._last_sent_at + KEEP_ALIVE_S

    async def _waited_enough(self) -> bool:
        if self._finish_by is not None:
            return True
        now = asyncio.get_running_loop().time()
        if now - self._last_sent_at >= KEEP_ALIVE_S:
            try:
                await self._nova.send_keep_alive()
            except Exception as error:
                raise self._failed(error) from None
            self._last_sent_at = now
        return False


@dataclass(frozen=True, slots=True)
class _Settled:
    """A segment: its place in the audio in seconds, what it says, and the turn that it came in."""

    start_s: float
    end_s: float
    letters: str
    turn: int

    def repeats(self, known: _Settled, *, settled: bool) -> bool:
        """Whether it says nothing new of a settled segment that begins at the same place: it came late, or again."""
        late = not settled and self.end_s <= known.end_s + _OVERLAP_S
        return late or known.letters.startswith(self.letters)


class NovaReader:
    """Puts segments together into turns.

    STARTED comes with the first words (the vendor's SpeechStarted also comes for noise). ENDED comes once per turn:
    with `speech_final`, with the answer to Finalize, or with UtteranceEnd; never without words.

    UtteranceEnd can outrun a segment: words that lie within the turn that is over are not told again. What is told of a
    settled segment again, or later than it, adds nothing; a settled text that has grown takes the place of the first.
    Other words that begin before the last settled segment ended show that the recogniser's clock began anew: then
    nothing is over.
    """

    def __init__(self, check: WordCheck | None = None) -> None:
        self._check = check or WordCheck()
        self._final: dict[float, tuple[str, tuple[Word, ...]]] = {}  # settled segments of the open turn, by their start
        self._interim: tuple[str, tuple[Word, ...]] = ("", ())
        self._started = False
        self._over_s = (0.0, 0.0)  # words that begin within belong to the turn that is over
        self._settled_s = 0.0  # where the last settled segment ended
        self._settled: dict[float, _Settled] = {}  # the last settled segments, by their start
        self._turns = 0

    def read(self, message: Any) -> Iterable[SttEvent]:
        """What a message says; nothing for those that are not about words."""
        if message.type == "Results":
            return self._results(message)
        if message.type == "UtteranceEnd":
            return self._end()
        if message.type == "Error":
            raise ProtocolFaultError(ErrorKind.BAD_REQUEST if message.variant == _OUR_FAULT else ErrorKind.OVERLOADED)
        return []

    def rest(self) -> Iterable[SttEvent]:
        """The words of a turn whose silence did not come before the connection was closed."""
        return self._end()

    def _results(self, message: Any) -> list[SttEvent]:
        ends = bool(message.speech_final or message.from_finalize)
        place = self._place(message)
        known = None if place is None else self._settled.get(place.start_s)
        if place is not None and known is not None and place.repeats(known, settled=message.is_final):
            return self._end() if ends and known.turn == self._turns else []
        if place is not None:
            self._follow(place, known, settled=message.is_final)
        text, words = self._new_words(message.channel.alternatives[0])
        heard: list[SttEvent] = []
        if not text and self._started and self._interim[0] and not self._final:
            self._started = False
            heard.append(SttEvent(SttEventKind.PARTIAL))  # tentative words are taken back
        self._interim = (text, words)
        if message.is_final:
            if text:
                self._final[-len(self._final) - 1.0 if place is None else place.start_s] = self._interim
            self._interim = ("", ())
        if text:
            whole, all_words = self._turn()
            kind = SttEventKind.PARTIAL if self._started else SttEventKind.STARTED
            heard.append(SttEvent(kind, whole, all_words, settled=message.is_final))
            self._started = True
        if ends:
            heard += self._end()
        return heard

    def _new_words(self, alternative: Any) -> tuple[str, tuple[Word, ...]]:
        """Text and words of a segment, without the words of a turn that is over."""
        words = [
            self._check.word(word.punctuated_word or word.word, word.start, word.end, word.confidence)
            for word in alternative.words
        ]
        began, ended = self._over_s
        new = tuple(word for word in words if word.start_s is None or not began <= word.start_s < ended)
        text = clean(alternative.transcript).strip()
        text = text if len(new) == len(words) else " ".join(word.text for word in new)
        return (text, new) if speakable(text) else ("", ())

    def _place(self, message: Any) -> _Settled | None:
        """Where a segment lies, and its letters; None where the recogniser does not say."""
        start, duration = (self._check.time(getattr(message, name, None)) for name in ("start", "duration"))
        if start is None or duration is None:
            return None
        return _Settled(
            start, start + duration, letters(clean(message.channel.alternatives[0].transcript)), self._turns
        )

    def _follow(self, place: _Settled, known: _Settled | None, *, settled: bool) -> None:
        """Notes where a settled segment ends; they follow each other, unless the clock has begun anew."""
        grown = known is not None and place.letters.startswith(known.letters)
        if place.start_s < self._settled_s - _OVERLAP_S and not grown:
            self._over_s, self._settled_s = (0.0, 0.0), 0.0
            self._settled.clear()
            self._final = {-index - 1.0: one for index, one in enumerate(self._final.values())}  # of no place any more
        if settled:
            self._settled_s = max(self._settled_s, place.end_s)
            self._settled[place.start_s] = place
            while len(self._settled) > _REMEMBERED:
                del self._settled[next(iter(self._settled))]

    def _turn(self) -> tuple[str, tuple[Word, ...]]:
        parts = [*self._final.values(), self._interim]
        return " ".join(text for text, _ in parts if text), tuple(word for _, words in parts for word in words)

    def _end(self) -> list[SttEvent]:
        text, words = self._turn()
        self._final.clear()
        self._interim = ("", ())
        self._started = False
        if not text:
            return []
        self._turns += 1
        ends = [word.end_s for word in words if word.end_s is not None]
        starts = [word.start_s for word in words if word.start_s is not None]
        self._over_s = (min(starts), max(ends)) if starts and ends else (0.0, 0.0)
        return [SttEvent(SttEventKind.ENDED, text, words)]
