"""One WebSocket of the simulated Deepgram: upgrade, faults, usage, timers; what is said on it is a `Listener`'s.

Audio is PCM s16le mono (`encoding=linear16`, or none given) at 8 to 48 kHz; a WAV header at the start is dropped.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import msgspec
import numpy as np
import soxr

from agent.sandbox.counters import LoggedRequest
from agent.sandbox.faults import Fault, FaultKind
from agent.sandbox.hearing.features import RATE
from agent.sandbox.http_call import STATUS_FAULTS
from agent.sandbox.world import World, session_of

if TYPE_CHECKING:
    from litestar import WebSocket

PROVIDER: Final = "deepgram"
Socket = "WebSocket[Any, Any, Any]"
_MAX_QUEUE: Final = 2_000
_COUNT_EVERY_S: Final = 2
_MAX_MESSAGE: Final = 4_000_000
_NOT_JSON: Final = '{"type": "TurnInfo", "transcript": '
_WRONG_SHAPE: Final = '{"type": 7, "channel": "none", "words": {"0": null}, "transcript": ["?"]}'


@dataclass(frozen=True, slots=True)
class Message:
    """A JSON message for the client; `useful` when it carries words, which is what faults count."""

    payload: Mapping[str, Any]
    useful: bool = False


@dataclass(frozen=True, slots=True)
class Close:
    """Ends the connection with this WebSocket close code after what was sent before."""

    code: int = 1000
    reason: str = ""


Out = Message | Close


class Listener(Protocol):
    """What one protocol version says. Times are seconds of the event loop's clock; nothing here waits."""

    def opening(self, now: float) -> Sequence[Out]: ...

    def audio(self, pcm: bytes, now: float) -> Sequence[Out]: ...

    def command(self, text: str, now: float) -> Sequence[Out]: ...

    def check(self, now: float) -> Sequence[Out]: ...

    @property
    def deadline(self) -> float | None: ...


class BadRequestError(ValueError):
    """The query of the upgrade is not usable; the text says why."""


@dataclass(slots=True)
class PcmInput:
    """Turns what the client sends into PCM s16le mono 16 kHz, whatever the cuts between its messages."""

    rate: int
    channels: int = 1
    _resampler: soxr.ResampleStream | None = None
    _rest: bytes = b""
    _begun: bool = False

    def convert(self, data: bytes) -> bytes:
        """Sample-aligned audio at 16 kHz; a byte of a half sample waits for the next message."""
        if not self._begun and data:
            self._begun = True
            if data.startswith(b"RIFF"):
                data = data[44:]
        if self.rate == RATE and self.channels == 1 and not self._rest and len(data) % 2 == 0:
            return data
        data = self._rest + data
        whole = len(data) // (2 * self.channels) * 2 * self.channels
        self._rest = data[whole:]
        samples = np.frombuffer(data[:whole], dtype="<i2").reshape(-1, self.channels)[:, 0]
        if self.rate == RATE:
            return samples.tobytes()
        if self._resampler is None:
            self._resampler = soxr.ResampleStream(self.rate, RATE, 1, dtype="int16")
        return cast("bytes", self._resampler.resample_chunk(np.ascontiguousarray(samples)).tobytes())


@dataclass(slots=True)
class Meter:
    """Counts streamed audio every 2 s and at the end; whole seconds first, so that the sum is bytes / bytes a second."""

    world: World
    model: str
    session: str | None
    bytes_per_s: int
    _bytes: int = 0
    _counted_s: int = 0

    def add(self, size: int) -> None:
        """Notes `size` bytes of audio."""
        self._bytes += size
        whole = self._bytes // self.bytes_per_s
        if whole - self._counted_s >= _COUNT_EVERY_S:
            self._count(whole - self._counted_s)
            self._counted_s = whole

    def close(self) -> None:
        """Counts what is left."""
        self._count(self._bytes / self.bytes_per_s - self._counted_s)

    def _count(self, seconds: float) -> None:
        if seconds:
            self.world.counters.add(PROVIDER, self.model, self.session, audio_seconds=seconds)


@dataclass(slots=True)
class Upgrade:
    """A WebSocket upgrade before it is answered: counted, logged, its fault drawn."""

    socket: WebSocket[Any, Any, Any]
    world: World
    model: str
    session: str | None
    fault: Fault | None
    entry: LoggedRequest
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @staticmethod
    def begin(socket: WebSocket[Any, Any, Any]) -> Upgrade:
        """Counts and logs the upgrade and draws its fault."""
        world, session = World.of(socket), session_of(socket)
        model = socket.query_params.get("model") or "unknown"
        world.counters.add(PROVIDER, model, session, requests=1)
        entry = world.log.open(PROVIDER, model, session, {"path": socket.scope["path"], **dict(socket.query_params)})
        fault = world.faults.draw(PROVIDER, session, model=model)
        return Upgrade(socket, world, model, session, fault, entry)

    def settle(self, outcome: str) -> None:
        """Sets the outcome in the log once, and counts a failure as one."""
        if self.entry.outcome != "running":
            return
        self.entry.outcome = outcome
        if outcome == "cancelled":
            self.world.counters.add(PROVIDER, self.model, self.session, requests_cancelled=1)
        elif outcome != "served":
            self.world.counters.add(PROVIDER, self.model, self.session, requests_failed=1)

    async def refused(self) -> bool:
        """Answers the upgrade with its fault, or with 401 where no key is sent; True when it did."""
        fault = self.fault
        if fault is not None and fault.kind is FaultKind.REFUSE:
            self.settle(FaultKind.REFUSE)
            self.break_off(at_once=True)
            await self._until_gone()
            return True
        if fault is not None and fault.kind in STATUS_FAULTS:
            self.settle(fault.kind)
            status = STATUS_FAULTS[fault.kind]
            wait_s = 1 if fault.retry_after_s is None and status == 429 else fault.retry_after_s
            await self.answer(status, fault.kind, {} if wait_s is None else {"retry-after": f"{wait_s:g}"})
            return True
        headers = self.socket.headers
        if not headers.get("authorization") and not headers.get("sec-websocket-protocol"):
            self.settle("unauthorized")
            await self.answer(401, "Invalid credentials.")
            return True
        return False

    async def answer(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        """Denies the upgrade with an HTTP status and Deepgram's error body."""
        body = msgspec.json.encode({"err_code": str(status), "err_msg": text, "request_id": self.request_id})
        all_headers = {
            "content-type": "application/json",
            "dg-request-id": self.request_id,
            "content-length": str(len(body)),
            **(headers or {}),
        }
        raw = [(name.encode(), value.encode()) for name, value in all_headers.items()]
        send = cast("Any", self.socket.send)
        await send({"type": "websocket.http.response.start", "status": status, "headers": raw})
        await send({"type": "websocket.http.response.body", "body": body, "more_body": False})

    def break_off(self, *, at_once: bool) -> None:
        """Closes the TCP connection without a close frame."""
        self.world.wire.break_off(self.socket.scope.get("client"), "at_once" if at_once else "after_flush")

    async def _until_gone(self) -> None:
        receive = cast("Any", self.socket.receive)
        while (await receive())["type"] != "websocket.disconnect":
            pass


class _Sender:
    """Sends messages in order, each under the connection's fault."""

    def __init__(self, upgrade: Upgrade) -> None:
        self._upgrade = upgrade
        self._fault = upgrade.fault
        self._useful = 0
        self._mute = False

    async def run(self, queue: asyncio.Queue[Out]) -> None:
        """Sends until a Close, or until a fault has cut the connection."""
        if await self._bitten_at_once():
            return
        while True:
            out = await queue.get()
            if isinstance(out, Close):
                await self._upgrade.socket.close(out.code, out.reason)
                return
            if await self._send(out):
                return

    async def _bitten_at_once(self) -> bool:
        return self._bites(FaultKind.CUT) and await self._cut()

    def _bites(self, kind: FaultKind) -> bool:
        return self._fault is not None and self._fault.kind is kind and self._useful >= self._fault.after

    async def _send(self, message: Message) -> bool:
        """Sends one message; True when the connection is over."""
        fault = self._fault
        if self._bites(FaultKind.STALL):
            self._upgrade.settle(FaultKind.STALL)
            return False
        if fault is not None and fault.kind is FaultKind.SLOW_DRIP and message.useful:
            await asyncio.sleep(fault.interval_s)
        text = msgspec.json.encode(message.payload).decode()
        if fault is not None and self._bites(FaultKind.MALFORMED):
            self._upgrade.settle(FaultKind.MALFORMED)
            text = _WRONG_SHAPE if fault.variant == "shape" else _NOT_JSON
        await self._upgrade.socket.send_text(text)
        self._useful += message.useful
        return self._bites(FaultKind.CUT) and await self._cut()

    async def _cut(self) -> bool:
        self._upgrade.settle(FaultKind.CUT)
        if self._fault is not None and self._fault.variant == "1011":
            await self._upgrade.socket.close(1011, "Internal server error")
        else:
            self._upgrade.break_off(at_once=False)
        return True


async def serve(upgrade: Upgrade, listener: Listener, source: PcmInput) -> None:
    """Accepts the upgrade and runs the connection until either side ends it."""
    socket = upgrade.socket
    await socket.accept(headers={"dg-request-id": upgrade.request_id})
    meter = Meter(upgrade.world, upgrade.model, upgrade.session, 2 * source.rate * source.channels)
    queue: asyncio.Queue[Out] = asyncio.Queue(_MAX_QUEUE)
    connection = _Connection(upgrade, listener, source, meter, queue)
    receiver = asyncio.create_task(connection.receive())
    sender = asyncio.create_task(_Sender(upgrade).run(queue))
    try:
        await asyncio.wait({receiver, sender}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        connection.stop()
        meter.close()
        receiver.cancel()
        sender.cancel()
        outcomes = await asyncio.gather(receiver, sender, return_exceptions=True)
    upgrade.settle("served" if connection.closing else "cancelled")
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not connection.gone:
            raise outcome


class _Connection:
    """Receives, and keeps one timer for what the listener wants to decide without audio."""

    def __init__(
        self, upgrade: Upgrade, listener: Listener, source: PcmInput, meter: Meter, queue: asyncio.Queue[Out]
    ) -> None:
        self._upgrade = upgrade
        self._listener = listener
        self._source = source
        self._meter = meter
        self._queue = queue
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._mute = upgrade.fault is not None and upgrade.fault.kind is FaultKind.EMPTY
        self.closing = False
        self.gone = False

    async def receive(self) -> None:
        """Hands everything that arrives to the listener until the client is gone."""
        self._put(self._listener.opening(self._loop.time()))
        receive = cast("Any", self._upgrade.socket.receive)
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                self.gone = True
                return
            data: bytes | None = event.get("bytes")
            now = self._loop.time()
            if data is None:
                self._put(self._listener.command(event.get("text") or "", now))
                continue
            self._meter.add(len(data))
            pcm = self._source.convert(data)
            self._put(self._listener.audio(bytes(len(pcm)) if self._mute else pcm, now))

    def stop(self) -> None:
        """Lets no timer fire any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _put(self, outs: Sequence[Out]) -> None:
        for out in outs:
            if self.closing:
                return
            if self._queue.full():  # the client does not read: the real service gives up on it too
                self._queue.get_nowait()
                out = Close(1011, "Client does not read")
            self.closing = isinstance(out, Close)
            self._queue.put_nowait(out)
        self._arm()

    def _arm(self) -> None:
        deadline = None if self.closing else self._listener.deadline
        if self._timer is not None:
            if deadline is not None and self._timer.when() == deadline and not self._timer.cancelled():
                return
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._put(self._listener.check(self._loop.time()))


def number(params: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    """A numeric query parameter. Raises BadRequestError outside [low, high]."""
    raw = params.get(name)
    if raw is None:
        return default
    try:
        value = float(raw)
    except ValueError:
        value = float("nan")
    if not low <= value <= high:
        raise BadRequestError(f"Invalid value for `{name}`: expected {low:g} to {high:g}.")
    return value


def pcm_source(params: Mapping[str, str]) -> PcmInput:
    """The audio format of the query. Raises BadRequestError for encodings that the sandbox does not decode."""
    encoding = params.get("encoding")
    if encoding not in (None, "linear16"):
        raise BadRequestError(f"The sandbox decodes linear16 only, not {encoding}.")
    rate = number(params, "sample_rate", RATE, 8_000, 48_000)
    channels = number(params, "channels", 1, 1, 2)
    return PcmInput(int(rate), int(channels))
