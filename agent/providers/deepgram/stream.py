"""What both Deepgram protocols share: the client, the WebSocket's life, its errors, and the samples that are billed.

A stream reports a `Call` with the samples sent since the last one every 10 s of audio and at its end, so that a crash
loses at most 10 s of what is billed. The reports in between have the outcome `ok`. The first one's `first_output_at` is
the moment the connection stood: a recogniser that hears nobody has nothing to say.

Deepgram closes a connection that gets no audio (NET-0001). When we had sent none for some seconds that is the end of
the stream and no failure; the words of an open turn are its last.
"""

from __future__ import annotations

import asyncio
import re
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from agent.core.audio import SAMPLE_RATE, SAMPLE_WIDTH
from agent.core.calls import Call, CallRecorder, ErrorKind, ListeningNote, ProviderError, Unit, note
from agent.providers.base import SttEvent
from agent.providers.call import ProviderCall
from agent.providers.deepgram.faults import classify
from agent.providers.deepgram.trust import share_trust, trusted
from agent.providers.http import CONNECT_TIMEOUT_S
from agent.providers.wire_values import WordCheck

if TYPE_CHECKING:
    from deepgram import AsyncDeepgramClient
    from websockets.exceptions import ConnectionClosed
    from websockets.legacy.client import WebSocketClientProtocol

PROVIDER: Final = "deepgram"
SEND_TIMEOUT_S: Final = 5.0  # the peer does not read any more
FINISH_TIMEOUT_S: Final = 5.0  # from the end of the audio to the last answer
CLOSE_TIMEOUT_S: Final = 1.0
OWN_SILENCE_S: Final = 5.0  # a close after so long without audio of ours is ours; the vendor waits for about 10 s
TOLD_SILENCE_S: Final = 1.0  # where it says so: who was sent audio a moment ago and says so all the same has failed
_REPORT_EVERY_SAMPLES: Final = 10 * SAMPLE_RATE
_UNKNOWN_IN_A_ROW: Final = 5  # a message of a kind that the SDK does not know is news, that many are unreadable
_NO_AUDIO: Final = re.compile(r"net-?0001", re.IGNORECASE)
_BINARY: Final = 2  # the opcode of a frame of bytes


class DeepgramSocket(Protocol):
    """The part of the SDK's v1 and v2 socket clients that a stream uses."""

    async def send_media(self, message: bytes) -> None: ...
    async def send_close_stream(self) -> None: ...
    async def recv(self) -> Any: ...


class Reader(Protocol):
    """Understands the messages of one protocol."""

    def read(self, message: Any) -> Iterable[SttEvent]:
        """What a message says. Raises ProtocolFaultError for the provider's own errors and ValueError, TypeError or
        AttributeError for a message that is not as documented.
        """
        ...

    def rest(self) -> Iterable[SttEvent]:
        """The end of a turn that was still open when the recogniser had answered everything."""
        ...


class UnrecordedCalls:
    """Records nothing; for connections that are opened to warm up."""

    def record(self, call: Call) -> None:
        """Forgets the call."""


def connect_sdk(api_key: str, base_url: str | None) -> AsyncDeepgramClient:
    """The SDK's client. `base_url` is an http(s) address, None the vendor's; ws(s) addresses follow from it."""
    with warnings.catch_warnings():
        # The SDK imports deprecated names of `websockets`; that is nothing that an operator could act upon.
        warnings.simplefilter("ignore", DeprecationWarning)
        from deepgram import AsyncDeepgramClient
        from deepgram.environment import DeepgramClientEnvironment

        environment = DeepgramClientEnvironment.PRODUCTION
        if base_url is not None:
            http = base_url.rstrip("/")
            ws = "ws" + http.removeprefix("http")
            environment = DeepgramClientEnvironment(base=http, production=ws, agent=ws, agent_rest=http)
        client = AsyncDeepgramClient(api_key=api_key, environment=environment, max_retries=0)
        for version in ("v1", "v2"):
            getattr(client.listen, version)  # imported on first use: now, and not in the first call
        share_trust(import_module("deepgram.listen.v1.client"), import_module("deepgram.listen.v2.client"))
    if base_url is None or base_url.startswith("https:"):
        trusted()  # read in this thread, and not by the first call
    return client


class DeepgramStream:
    """One open recogniser connection. One task sends, one iterates."""

    def __init__(
        self,
        socket: DeepgramSocket,
        reader: Callable[[WordCheck], Reader],
        call: ProviderCall,
        websocket: WebSocketClientProtocol | None = None,
    ) -> None:
        """`websocket` is the connection under the socket; without it nothing is sent at once."""
        self.failure: ErrorKind | None = None
        self._websocket = websocket
        self._socket = socket
        self._sent_samples = 0
        refused = partial(note, call.recorder, ListeningNote.VALUE_REFUSED)
        self._reader = reader(WordCheck(lambda: self._sent_samples / SAMPLE_RATE, refused))
        self._call = call
        self._heard = False
        self._unknown = 0
        self._finish_by: float | None = None
        self._last_audio_at = asyncio.get_running_loop().time()
        self._patience: asyncio.Timeout | None = None

    async def send(self, pcm: bytes, *, voiced_s: float = 0.0) -> None:
        """Sends PCM s16le mono 16 kHz. Raises ProviderError."""
        self._sent_samples += len(pcm) // SAMPLE_WIDTH
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._socket.send_media(pcm)
        except Exception as error:
            raise self._failed(error) from None
        self._last_audio_at = asyncio.get_running_loop().time()
        counted = self._counted(pcm)
        self._call.quantities[Unit.AUDIO_SAMPLES] = counted
        if counted >= _REPORT_EVERY_SAMPLES:
            self._call.report("ok")

    def send_now(self, pcm: bytes, *, voiced_s: float = 0.0) -> bool:
        """Writes the frame that the SDK's client would write, where the connection is well and nothing waits in it.

        So nothing gathers here while the peer does not read. What is to be reported is left to `send`, in whose task
        the session is known.
        """
        websocket, counted = self._websocket, self._counted(pcm)
        if (
            websocket is None
            or counted >= _REPORT_EVERY_SAMPLES
            or not websocket.open
            or websocket.transport.is_closing()
            or websocket.transport.get_write_buffer_size()
        ):
            return False
        websocket.write_frame_sync(True, _BINARY, pcm)
        self._sent_samples += len(pcm) // SAMPLE_WIDTH
        self._call.quantities[Unit.AUDIO_SAMPLES] = counted
        self._last_audio_at = asyncio.get_running_loop().time()
        return True

    def _counted(self, pcm: bytes) -> int:
        """The samples that are not reported yet, with these."""
        return self._call.quantities.get(Unit.AUDIO_SAMPLES, 0) + len(pcm) // SAMPLE_WIDTH

    async def finish(self) -> None:
        """Says that no more audio comes. The iteration ends when the recogniser has answered, or after 5 s fails."""
        self._finish_by = asyncio.get_running_loop().time() + FINISH_TIMEOUT_S
        if self._patience is not None:
            self._patience.reschedule(self._finish_by)
        try:
            await self._socket.send_close_stream()
        except Exception as error:
            raise self._failed(error) from None

    async def __aiter__(self) -> AsyncIterator[SttEvent]:
        """What is heard, until the stream was finished, or closed for our silence. Raises ProviderError.

        A turn that was open then is ENDED.
        """
        while (message := await self._receive()) is not _END:
            if message is _NOTHING:
                continue
            for heard in self._read(message):
                self._heard = True
                yield heard
        for heard in self._reader.rest():
            yield heard

    async def _receive(self) -> Any:
        try:
            async with asyncio.timeout_at(self._deadline()) as self._patience:
                return await self._message()
        except TimeoutError as error:
            if await self._waited_enough():
                raise self._failed(error) from None
            return _NOTHING
        except Exception as error:
            if self._closed_well(error):
                return _END
            raise self._failed(error) from None
        finally:
            self._patience = None

    async def _message(self) -> Any:
        """The next message, as the reader takes it."""
        return await self._socket.recv()

    def _closed_well(self, error: Exception) -> bool:
        from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

        if not isinstance(error, ConnectionClosed):
            return False
        answered = self._finish_by is not None and isinstance(error, ConnectionClosedOK)
        return answered or self._closed_for_silence(error)

    def _closed_for_silence(self, error: ConnectionClosed) -> bool:
        """Whether the connection was closed because we had nothing to send."""
        reason = error.rcvd.reason if error.rcvd is not None else ""
        silent_s = asyncio.get_running_loop().time() - self._last_audio_at
        may_be = silent_s >= TOLD_SILENCE_S or not self._sent_samples
        return silent_s >= OWN_SILENCE_S or (may_be and _NO_AUDIO.search(reason) is not None)

    def _deadline(self) -> float | None:
        """When to stop waiting for a message, in `loop.time()` seconds."""
        return self._finish_by

    async def _waited_enough(self) -> bool:
        """Whether the end of the wait is a failure."""
        return True

    def _read(self, message: Any) -> Iterable[SttEvent]:
        try:
            if message is None:
                self._unknown += 1
                if self._unknown >= _UNKNOWN_IN_A_ROW:
                    raise ValueError
                return ()
            self._unknown = 0
            return self._reader.read(message)
        except Exception as error:
            raise self._failed(error) from None

    def _failed(self, error: Exception) -> ProviderError:
        failure = self._call.classify(error, self._call)
        self._call.estimated = True  # what was on its way when the connection broke may not have arrived
        self.failure = self.failure or failure.kind
        return ProviderError(PROVIDER, self.failure, delivered=self._heard)


_END: Final = object()  # the connection was closed in good order
_NOTHING: Final = object()  # no message came in the time that a stream wants to be idle


@asynccontextmanager
async def connected(
    connecting: AbstractAsyncContextManager[Any], model: str, recorder: CallRecorder
) -> AsyncGenerator[tuple[Any, ProviderCall]]:
    """Enters the SDK's connection and leaves it within about a second, whatever the peer does. Raises ProviderError.

    Yields the SDK's socket and the call to count on; whoever opened it reports the call.
    """
    call = ProviderCall("stt", PROVIDER, model, recorder, classify)
    call.start()
    try:
        socket = await _enter(connecting)
    except Exception as error:
        failed = call.translate(error)
        call.report(failed.kind)
        raise failed from None
    except BaseException:
        call.report("cancelled")
        raise
    call.accepted = True
    call.first_output()
    try:
        yield socket, call
    finally:
        await _leave(connecting, websocket_of(socket))


async def _enter(connecting: AbstractAsyncContextManager[Any]) -> Any:
    """The SDK's socket. Raises TimeoutError after 2 s; to a cancelled handshake the client library clings for 10 s."""
    entering = asyncio.ensure_future(connecting.__aenter__())
    entered = False
    try:
        await asyncio.wait({entering}, timeout=CONNECT_TIMEOUT_S)
        entered = entering.done()
    finally:
        if not entered:
            task = asyncio.create_task(_give_up(entering, connecting))
            giving_up.add(task)
            task.add_done_callback(giving_up.discard)
    if not entered:
        raise TimeoutError
    return entering.result()


giving_up: Final[set[asyncio.Task[None]]] = set()  # connections that nobody waits for any more, for 10 s at most


async def _give_up(entering: asyncio.Future[Any], connecting: AbstractAsyncContextManager[Any]) -> None:
    entering.cancel()
    await asyncio.wait({entering})
    if not entering.cancelled() and entering.exception() is None:
        await _leave(connecting, websocket_of(entering.result()))


def websocket_of(socket: Any) -> WebSocketClientProtocol:
    """The connection under the SDK's socket, which has no public way to it."""
    return cast("WebSocketClientProtocol", vars(socket)["_websocket"])


async def _leave(connecting: AbstractAsyncContextManager[Any], websocket: WebSocketClientProtocol) -> None:
    """Closes politely for a second, then breaks the connection off: the client library waits for up to 40 s.

    That library swallows a cancellation while it closes, so it closes in a task of its own.
    """
    leaving = asyncio.ensure_future(connecting.__aexit__(None, None, None))
    try:
        await asyncio.wait({leaving}, timeout=CLOSE_TIMEOUT_S)
    finally:
        if not leaving.done():
            websocket.transport.abort()
        await leaving
