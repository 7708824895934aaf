"""The upgrade of a WebSocket to the simulated Deepgram: its query, its fault, its log entry, its audio and usage.

Audio is PCM s16le (`encoding=linear16`, or none given) at 8 to 48 kHz; of two channels the first is heard, and a WAV
header at the start is dropped.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import numpy as np
import soxr

from voice_sandbox.counters import LoggedRequest
from voice_sandbox.faults import Fault, FaultKind
from voice_sandbox.http_response import STATUS_FAULTS
from voice_sandbox.recognizer.features import RATE
from voice_sandbox.state import SandboxState, session_of

if TYPE_CHECKING:
    from litestar import WebSocket

PROVIDER: Final = "deepgram"
IDLE_S: Final = 10.0  # without a message of the client until the connection is closed
NET_0001: Final = (
    "Deepgram did not receive audio data or a text message within the timeout window. See https://dpgr.am/net0001"
)
LASTING: Final = {
    FaultKind.UNAUTHORIZED: "Invalid credentials.",
    FaultKind.NO_CREDIT: "Project does not have enough credits and does not have an overage agreement.",
    FaultKind.FORBIDDEN: "Project does not have access to the requested model.",
    FaultKind.GONE: "No such model/language/tier combination found.",
}
"""What the vendor says of faults that do not pass by themselves."""
_COUNT_EVERY_S: Final = 2
_WAV_HEADER: Final = 44


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
                data = data[_WAV_HEADER:]
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
        return self._resampler.resample_chunk(np.ascontiguousarray(samples)).tobytes()


@dataclass(slots=True)
class AudioMeter:
    """Counts streamed audio every 2 s and at the end: whole seconds first, so that the sum is exact."""

    world: SandboxState
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
    world: SandboxState
    model: str
    session: str | None
    fault: Fault | None
    entry: LoggedRequest
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @staticmethod
    def begin(socket: WebSocket[Any, Any, Any]) -> Upgrade:
        """Counts and logs the upgrade and draws its fault."""
        world, session = SandboxState.of(socket), session_of(socket)
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

    def keeps_turns_open(self, variants: Collection[str]) -> bool:
        """Whether a quirk among these lets no turn end by itself."""
        return self.fault is not None and self.fault.kind is FaultKind.QUIRK and self.fault.variant in variants

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
            text = LASTING.get(fault.kind, fault.kind)
            await self.answer(status, text, {} if wait_s is None else {"retry-after": f"{wait_s:g}"})
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
            "dg-error": text,
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
