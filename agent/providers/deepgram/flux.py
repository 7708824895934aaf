"""Deepgram Flux (`/v2/listen`): a recogniser that decides by itself when a turn is over."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Final, Literal

import msgspec

from agent.core.audio import SAMPLE_RATE
from agent.core.calls import CallRecorder, ErrorKind
from agent.providers.base import SttEvent, SttEventKind
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

_KINDS: Final = {
    "StartOfTurn": SttEventKind.STARTED,
    "Update": SttEventKind.PARTIAL,
    "EagerEndOfTurn": SttEventKind.EAGER,
    "TurnResumed": SttEventKind.RESUMED,
    "EndOfTurn": SttEventKind.ENDED,
}
_OUR_FAULT: Final = "UNPARSABLE_CLIENT_MESSAGE"
_REMEMBERED: Final = 8  # turns that are over: an answer that is told again is not much later
_MULTILINGUAL: Final = frozenset({"flux-general-multi"})


class DeepgramFlux:
    """One Flux model. The SDK is imported by `load`, or by the first call.

    `eot_threshold` (0.5 to 0.9) is the confidence at which a turn is over; `eager_eot_threshold` (0.3 to 0.9, None =
    off) the one at which it is probably over; `eot_timeout_ms` the silence that ends a turn in any case. `keyterms` are
    words that the recogniser should expect, `language` is a hint to a model of many. With `mip_opt_out` the audio does
    not train the vendor's models. Flux has no KeepAlive: a stream without audio is closed by the vendor.
    """

    provider = PROVIDER

    def __init__(
        self,
        *,
        api_key: str,
        model: str = "flux-general-en",
        base_url: str | None = None,
        eot_threshold: float | None = None,
        eager_eot_threshold: float | None = None,
        eot_timeout_ms: int | None = None,
        keyterms: Sequence[str] = (),
        language: str | None = None,
        mip_opt_out: bool = True,
    ) -> None:
        self.model = model
        self._client = SdkClient(partial(connect_sdk, api_key, base_url))
        self._options: dict[str, Any] = {
            "model": model,
            "encoding": "linear16",
            "sample_rate": SAMPLE_RATE,
            "eot_threshold": eot_threshold,
            "eager_eot_threshold": eager_eot_threshold,
            "eot_timeout_ms": eot_timeout_ms,
            "keyterm": list(keyterms) or None,
            "language_hint": [language] if language and model in _MULTILINGUAL else None,
            "mip_opt_out": mip_opt_out or None,
        }

    def load(self) -> None:
        """Imports the SDK and makes its client: the first call does not have to."""
        self._client.get()

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[FluxStream]:
        """Opens a stream for one session. Raises ProviderError; so does iterating it when the connection breaks."""
        connecting = self._client.get().listen.v2.connect(
            **self._options, request_options={"additional_headers": session_headers(session)}
        )
        async with connected(connecting, self.model, recorder) as (socket, call):
            stream = FluxStream(socket, call)
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


class FluxStream(DeepgramStream):
    """A Flux connection."""

    def __init__(self, socket: Any, call: ProviderCall) -> None:
        websocket = websocket_of(socket)
        super().__init__(socket, FluxReader, call, websocket)
        self._flux = socket
        self._received_by = websocket

    async def _message(self) -> Any:
        """A `TurnInfo` as it is documented; whatever else comes is the SDK's to understand.

        The SDK tries each kind of message and each of its fields, which takes ten times as long; there are four
        messages a second while somebody speaks.
        """
        data = await self._received_by.recv()
        turn = turn_info(data)
        return await type(self._flux)(websocket=_Received(data)).recv() if turn is None else turn

    async def end_turn(self) -> None:
        """Asks for the end of the turn that is open, with the words known. Raises ProviderError."""
        try:
            await self._flux.send_force_end_turn()
        except Exception as error:
            raise self._failed(error) from None


class TurnInfoWord(msgspec.Struct, frozen=True):
    """A word of a turn. `start` and `end` are seconds of the connection's audio, where they are told."""

    word: str
    confidence: float | None = None
    start: float | None = None
    end: float | None = None


class TurnInfo(msgspec.Struct, frozen=True):
    """What the reader needs of the message."""

    type: Literal["TurnInfo"]
    event: str
    turn_index: int
    transcript: str
    words: list[TurnInfoWord]
    end_of_turn_confidence: float | None = None


_turn_infos: Final = msgspec.json.Decoder(TurnInfo)


def turn_info(data: str | bytes) -> TurnInfo | None:
    """A message that is a `TurnInfo` as it is documented; None for any other."""
    try:
        return _turn_infos.decode(data)
    except (msgspec.MsgspecError, RecursionError):
        return None


class _Received:
    """A WebSocket that has received one message."""

    def __init__(self, data: str | bytes) -> None:
        self._data = data

    async def recv(self) -> str | bytes:
        return self._data


class FluxReader:
    """Turns TurnInfo messages into `SttEvent`.

    PARTIAL can come before STARTED: Flux has words but is not sure yet. One without text takes them back. A turn ends
    once, however often the recogniser says so; one whose end was never told ends with the next turn.

    `turn_index` only tells turns apart: one that stands still or goes back loses no words. What repeats a turn that is
    over is passed over, and so is what was on its way when that turn ended; a StartOfTurn, other words or later ones
    are the next turn.
    """

    def __init__(self, check: WordCheck | None = None) -> None:
        self._check = check or WordCheck()
        self._open: SttEvent | None = None
        self._index: int | None = None  # of the turn that is open, or of the last one
        self._over: dict[int, SttEvent] = {}  # index → the last turn that ended with it

    def read(self, message: Any) -> Iterable[SttEvent]:
        """What a message says; nothing for those that are not about words."""
        if message.type == "Error":
            raise ProtocolFaultError(ErrorKind.BAD_REQUEST if message.code == _OUR_FAULT else ErrorKind.OVERLOADED)
        if message.type != "TurnInfo":
            return []
        if type(message.turn_index) is not int:
            raise TypeError
        kind = _KINDS.get(message.event)
        if kind is None:
            return []
        heard = self._heard(kind, message)
        if kind is not SttEventKind.STARTED and self._is_over(message.turn_index, heard):
            return []
        untold = self.rest() if self._index not in (None, message.turn_index) else []
        self._open = None if untold else self._open
        self._index = message.turn_index
        return [*untold, *self._told(heard)]

    def _is_over(self, index: int, heard: SttEvent) -> bool:
        """Whether a message only repeats what a turn that is over has said, or has nothing to say of an older turn."""
        ended = self._over.get(index)
        if ended is None or (self._open is not None and index == self._index):
            return False
        if not heard.text:
            return True
        after = heard.words[0].start_s if heard.words else None
        if after is not None and ended.end_s is not None and after >= ended.end_s:
            return False
        told, known = letters(heard.text), letters(ended.text)
        if heard.kind in (SttEventKind.ENDED, SttEventKind.RESUMED):
            return told == known
        within = heard.end_s is not None and ended.end_s is not None and heard.end_s <= ended.end_s
        return within or known.startswith(told)

    def _heard(self, kind: SttEventKind, message: Any) -> SttEvent:
        text = clean(message.transcript).strip()
        words = tuple(self._check.word(word.word, word.start, word.end, word.confidence) for word in message.words)
        confidence = self._check.confidence(getattr(message, "end_of_turn_confidence", None))
        return SttEvent(kind, text, words, confidence=confidence) if speakable(text) else SttEvent(kind)

    def _told(self, heard: SttEvent) -> list[SttEvent]:
        if not heard.text:
            taken_back = self._open is not None and heard.kind is SttEventKind.PARTIAL
            self._open = None if taken_back else self._open
            return [SttEvent(SttEventKind.PARTIAL)] if taken_back else []
        if heard.kind is SttEventKind.ENDED:
            self._open = None
            self._remember(heard)
        else:
            self._open = heard
        return [heard]

    def _remember(self, ended: SttEvent) -> None:
        index = self._index or 0
        self._over = {one: turn for one, turn in self._over.items() if index - _REMEMBERED < one < index}
        self._over[index] = ended

    def rest(self) -> Iterable[SttEvent]:
        """The words of a turn whose EndOfTurn did not come before the connection was closed."""
        return [SttEvent(SttEventKind.ENDED, self._open.text, self._open.words)] if self._open else []
