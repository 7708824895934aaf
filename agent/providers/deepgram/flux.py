"""Deepgram Flux (`/v2/listen`): a recogniser that decides by itself when a turn is over."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from agent.core.audio import SAMPLE_RATE
from agent.core.calls import CallRecorder, ErrorKind, ProviderError
from agent.providers.base import SttEvent, SttEventKind, Word
from agent.providers.deepgram.stream import (
    PROVIDER,
    DeepgramStream,
    ProtocolFaultError,
    UnrecordedCalls,
    connect_sdk,
    connected,
)
from agent.providers.http import session_headers

_KINDS: Final = {
    "StartOfTurn": SttEventKind.STARTED,
    "Update": SttEventKind.PARTIAL,
    "EagerEndOfTurn": SttEventKind.EAGER,
    "TurnResumed": SttEventKind.RESUMED,
    "EndOfTurn": SttEventKind.ENDED,
}
_OUR_FAULT: Final = "UNPARSABLE_CLIENT_MESSAGE"


class DeepgramFlux:
    """One Flux model. The SDK is imported when one is made, not with the module.

    `eot_threshold` (0.5 to 0.9) is the confidence at which a turn is over; `eager_eot_threshold` (0.3 to 0.9, None =
    off) the one at which it is probably over; `eot_timeout_ms` the silence that ends a turn in any case. `keyterms` are
    words that the recogniser should expect. Flux has no KeepAlive: a stream without audio is closed by the vendor.
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
    ) -> None:
        self.model = model
        self._client = connect_sdk(api_key, base_url)
        self._options: dict[str, Any] = {
            "model": model,
            "encoding": "linear16",
            "sample_rate": SAMPLE_RATE,
            "eot_threshold": eot_threshold,
            "eager_eot_threshold": eager_eot_threshold,
            "eot_timeout_ms": eot_timeout_ms,
            "keyterm": list(keyterms) or None,
        }

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[DeepgramStream]:
        """Opens a stream for one session. Raises ProviderError; so does iterating it when the connection breaks."""
        connecting = self._client.listen.v2.connect(
            **self._options, request_options={"additional_headers": session_headers(session)}
        )
        async with connected(connecting, self.model, recorder) as (socket, call):
            stream = DeepgramStream(socket, FluxReader(), call)
            try:
                yield stream
            finally:
                call.report(stream.failure or "ok")

    async def warm(self) -> None:
        """Connects once, which sends no audio and costs nothing. Never fails."""
        try:
            async with self.open("warm-up", UnrecordedCalls()):
                return
        except ProviderError:
            return  # the first session finds out what is wrong, and says so

    async def close(self) -> None:
        """Nothing is kept open between streams."""


class FluxReader:
    """Turns TurnInfo messages into `SttEvent`. PARTIAL can come before STARTED: Flux has words but is not sure yet."""

    def __init__(self) -> None:
        self._open: SttEvent | None = None

    def read(self, message: Any) -> Iterable[SttEvent]:
        """What a message says; nothing for those that are not about words."""
        if message.type == "Error":
            raise ProtocolFaultError(ErrorKind.BAD_REQUEST if message.code == _OUR_FAULT else ErrorKind.OVERLOADED)
        if message.type != "TurnInfo":
            return []
        kind = _KINDS.get(message.event)
        text: str = message.transcript.strip()
        if kind is None or not text:
            return []
        heard = SttEvent(kind, text, tuple(Word(word.word, word.start, word.end) for word in message.words))
        self._open = None if kind is SttEventKind.ENDED else heard
        return [heard]

    def rest(self) -> Iterable[SttEvent]:
        """The words of a turn whose EndOfTurn did not come before the connection was closed."""
        return [SttEvent(SttEventKind.ENDED, self._open.text, self._open.words)] if self._open else []
