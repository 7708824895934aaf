"""One accepted WebSocket of the simulated Deepgram: messages, timers and faults.

What is said is a `SpeechListener`'s."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

import msgspec

from voice_sandbox.deepgram.quirks import apply_quirk
from voice_sandbox.deepgram.upgrade import AudioMeter, PcmInput, Upgrade
from voice_sandbox.faults import FaultKind

_MAX_QUEUE: Final = 2_000
_NOT_JSON: Final = '{"type": "TurnInfo", "transcript": '
_WRONG_SHAPE: Final = '{"type": 7, "channel": "none", "words": {"0": null}, "transcript": ["?"]}'


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A JSON message for the client; `useful` when it carries words, which is what faults count."""

    payload: Mapping[str, Any]
    useful: bool = False


@dataclass(frozen=True, slots=True)
class Close:
    """Ends the connection with this WebSocket close code after what was sent before."""

    code: int = 1000
    reason: str = ""


Out = OutgoingMessage | Close


class SpeechListener(Protocol):
    """What one protocol version says. Times are seconds of the event loop's clock; nothing here waits."""

    def opening(self, now: float) -> Sequence[Out]: ...

    def audio(self, pcm: bytes, now: float) -> Sequence[Out]: ...

    def command(self, text: str, now: float) -> Sequence[Out]: ...

    def check(self, now: float) -> Sequence[Out]: ...

    def wake_by(self, wake: Callable[[], None]) -> None: ...

    def close(self) -> None: ...

    @property
    def deadline(self) -> float | None: ...


class _Sender:
    """Sends messages in order, each under the connection's fault."""

    def __init__(self, upgrade: Upgrade) -> None:
        self._upgrade = upgrade
        self._fault = upgrade.fault
        self._useful = 0

    async def run(self, queue: asyncio.Queue[Out]) -> None:
        """Sends until a Close, or until a fault has cut the connection."""
        if await self._bitten_at_once():
            return
        while True:
            out = await queue.get()
            if isinstance(out, Close):
                if self._bites(FaultKind.STALL):
                    continue  # not even the end of the stream is answered
                await self._upgrade.socket.close(out.code, out.reason)
                return
            if await self._send(out):
                return

    async def _bitten_at_once(self) -> bool:
        return self._bites(FaultKind.CUT) and await self._cut()

    def _bites(self, kind: FaultKind) -> bool:
        return self._fault is not None and self._fault.kind is kind and self._useful >= self._fault.after

    async def _send(self, message: OutgoingMessage) -> bool:
        """Sends one message; True when the connection is over."""
        fault = self._fault
        if self._bites(FaultKind.STALL):
            self._upgrade.settle(FaultKind.STALL)
            return False
        if fault is not None and fault.kind is FaultKind.SLOW_DRIP and message.useful:
            await asyncio.sleep(fault.interval_s)
        quirk = fault.variant if fault is not None and self._bites(FaultKind.QUIRK) else ""
        for payload in apply_quirk(quirk, message.payload):
            await self._send_text(payload)
        self._useful += message.useful
        return self._bites(FaultKind.CUT) and await self._cut()

    async def _send_text(self, payload: Mapping[str, Any]) -> None:
        text = msgspec.json.encode(payload).decode()
        if self._fault is not None and self._bites(FaultKind.MALFORMED):
            self._upgrade.settle(FaultKind.MALFORMED)
            text = _WRONG_SHAPE if self._fault.variant == "shape" else _NOT_JSON
        if payload.get("event") == "EndOfTurn" or payload.get("speech_final"):
            self._upgrade.world.timings.note(self._upgrade.session, "deepgram", "end_of_turn")
        await self._upgrade.socket.send_text(text)

    async def _cut(self) -> bool:
        self._upgrade.settle(FaultKind.CUT)
        if self._fault is not None and self._fault.variant == "1011":
            await self._upgrade.socket.close(1011, "Internal server error")
        else:
            self._upgrade.break_off(at_once=False)
        return True


async def serve(upgrade: Upgrade, listener: SpeechListener, source: PcmInput) -> None:
    """Accepts the upgrade and runs the connection until either side ends it."""
    socket = upgrade.socket
    await socket.accept(headers={"dg-request-id": upgrade.request_id})
    meter = AudioMeter(upgrade.world, upgrade.model, upgrade.session, 2 * source.rate * source.channels)
    queue: asyncio.Queue[Out] = asyncio.Queue(_MAX_QUEUE)
    connection = _Connection(upgrade, listener, source, meter, queue)
    listener.wake_by(connection.wake)
    receiver = asyncio.create_task(connection.receive())
    sender = asyncio.create_task(_Sender(upgrade).run(queue))
    try:
        await asyncio.wait({receiver, sender}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        connection.stop()
        listener.close()
        meter.close()
        receiver.cancel()
        sender.cancel()
        outcomes = await asyncio.gather(receiver, sender, return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Exception) and not connection.gone]
    upgrade.settle("error" if failures else "served" if connection.closing else "cancelled")
    if failures:
        raise failures[0]


class _Connection:
    """Receives, and keeps one timer for what the listener wants to decide without audio."""

    def __init__(
        self, upgrade: Upgrade, listener: SpeechListener, source: PcmInput, meter: AudioMeter, queue: asyncio.Queue[Out]
    ) -> None:
        self._upgrade = upgrade
        self._listener = listener
        self._source = source
        self._meter = meter
        self._queue = queue
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._fires_at = 0.0
        self._mute = upgrade.fault is not None and upgrade.fault.kind is FaultKind.EMPTY
        self._stopped = False
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

    def wake(self) -> None:
        """Asks the listener what it has to tell now."""
        if not self.closing and not self._stopped:
            self._put(self._listener.check(self._loop.time()))

    def stop(self) -> None:
        """Lets no timer fire any more."""
        self._stopped = True
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
            if deadline is not None and self._fires_at <= deadline:
                return  # it fires early, finds nothing to do and is set again: cheaper than a new timer per chunk
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._fires_at = deadline  # kept here: uvloop's handle of a time already past has no `when`
            self._timer = self._loop.call_at(deadline, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._put(self._listener.check(self._loop.time()))
