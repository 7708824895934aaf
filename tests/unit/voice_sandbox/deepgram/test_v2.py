"""Flux through the official SDK: turns in real time, and every fault."""

from __future__ import annotations

import asyncio
import json
import time
import wave
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from deepgram import AsyncDeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.environment import DeepgramClientEnvironment
from deepgram.listen.v2.socket_client import AsyncV2SocketClient
from deepgram.listen.v2.types import ListenV2Configure, ListenV2ConfigureThresholds, ListenV2TurnInfo
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK, InvalidMessage

from tests.support.paths import DATA
from voice_sandbox.faults import FaultKind, FaultRule
from voice_sandbox.server import RunningSandbox, run_sandbox
from voice_sandbox.state import BUNDLED_CLIPS, SandboxOptions

MODEL = "flux-general-en"
CHUNK = 640
EVENTS = DATA / "speech" / "deepgram_events"


def clip(name: str) -> bytes:
    with wave.open(str(BUNDLED_CLIPS / name)) as file:
        return file.readframes(file.getnframes())


@asynccontextmanager
async def flux(
    profile: str = "instant", *, word_times: bool = True, session: str = "s1", key: str = "k", **options: Any
) -> AsyncGenerator[tuple[RunningSandbox, Callable[[], Any]]]:
    """A sandbox, and a function that opens a connection to it."""
    sandbox_options = SandboxOptions(port=0, profile=profile, voice="tones", flux_word_times=word_times)
    async with run_sandbox(sandbox_options) as sandbox:
        urls = DeepgramClientEnvironment(
            base=sandbox.url, production=sandbox.ws_url, agent=sandbox.ws_url, agent_rest=sandbox.url
        )
        client = AsyncDeepgramClient(api_key=key, environment=urls)
        settings: dict[str, Any] = {"model": MODEL, "encoding": "linear16", "sample_rate": 16_000, **options}
        headers: Any = {"additional_headers": {"x-client-session": session}}
        yield sandbox, lambda: client.listen.v2.connect(**settings, request_options=headers)


@dataclass
class ListenCall:
    """What a caller sees: messages with their arrival, and when each byte of audio left."""

    socket: AsyncV2SocketClient
    messages: list[Any] = field(default_factory=list[Any])
    arrivals: list[float] = field(default_factory=list[float])
    sent_at: list[float] = field(default_factory=list[float])

    @property
    def turns(self) -> list[ListenV2TurnInfo]:
        return [message for message in self.messages if isinstance(message, ListenV2TurnInfo)]

    def events(self) -> list[str]:
        """Event names without updates, each run of equal ones once."""
        return [str(turn.event) for turn in self.turns if turn.event != "Update"]

    async def listen(self) -> None:
        async for message in self.socket:
            self.messages.append(message)
            self.arrivals.append(time.monotonic())

    async def play(self, pcm: bytes) -> None:
        """Sends 20 ms of audio every 20 ms, then asks for the end of the stream."""
        began = time.monotonic()
        for number, start in enumerate(range(0, len(pcm), CHUNK)):
            await asyncio.sleep(max(0.0, began + number * 0.02 - time.monotonic()))
            await self.socket.send_media(pcm[start : start + CHUNK])
            self.sent_at.append(time.monotonic())
        await self.socket.send_close_stream()


async def played(
    connect: Callable[[], Any], pcm: bytes, *, also: Callable[[ListenCall], Awaitable[None]] | None = None
) -> ListenCall:
    """Plays audio to its end and hears everything that comes back."""
    async with asyncio.timeout(30), connect() as socket:
        call = ListenCall(socket)
        async with asyncio.TaskGroup() as group:
            group.create_task(call.listen())
            if also is not None:
                await also(call)
            group.create_task(call.play(pcm))
    return call


async def test_a_turn_has_its_start_eager_end_and_end_when_the_latency_says_so() -> None:
    async with flux("measured", eager_eot_threshold=0.5) as (sandbox, connect):
        expected = type(sandbox.world.latency)("measured", 1).sample("stt")
        pcm = clip("room_03.wav") + bytes(32_000)
        call = await played(connect, pcm)
    assert call.events() == ["StartOfTurn", "EagerEndOfTurn", "EndOfTurn"]
    end = next(turn for turn in call.turns if turn.event == "EndOfTurn")
    assert end.transcript == "For five people." and end.trigger == "model" and end.end_of_turn_confidence >= 0.7
    last_voiced_chunk = int(cast("float", end.words[-1].end) / 0.02 - 0.001)
    waited = call.arrivals[call.messages.index(end)] - call.sent_at[last_voiced_chunk]
    assert waited == pytest.approx(expected, abs=0.08)
    assert [message.sequence_id for message in call.messages] == list(range(len(call.messages)))
    updates = [turn.audio_window_end for turn in call.turns if turn.event == "Update"]
    assert updates[0] == pytest.approx(0.24) and len(updates) >= 6
    partial = [turn.transcript for turn in call.turns if turn.turn_index == 0 and turn.transcript]
    assert all(end.transcript.startswith(text) for text in partial) and partial[0] != end.transcript


async def test_noise_starts_no_turn_and_word_times_can_be_left_out() -> None:
    async with flux(word_times=False) as (sandbox, connect):
        pcm = clip("noise_cough.wav") + bytes(6_400) + clip("room_03.wav") + bytes(16_000)
        call = await played(connect, pcm)
        assert call.events() == ["StartOfTurn", "EndOfTurn"]
        first = next(turn for turn in call.turns if turn.event == "StartOfTurn")
        assert first.words[0].start is None and first.words[0].word == "For"
        counted = sandbox.world.counters.total("deepgram", "audio_seconds", model=MODEL, session="s1")
        assert counted == pytest.approx(len(pcm) / 32_000, abs=1e-9)
        assert sandbox.world.counters.total("deepgram", "requests") == 1
        assert sandbox.world.log.entries[-1].outcome == "served"


async def test_the_messages_have_the_fields_of_recorded_traffic() -> None:
    if not EVENTS.exists():
        pytest.skip("no recorded traffic at hand")
    recorded: dict[str, set[str]] = {}
    for path in EVENTS.glob("*-flux.json"):
        for event in json.loads(path.read_text())["events"]:
            recorded.setdefault(event["data"]["type"], set()).update(event["data"])
    async with flux() as (_, connect):
        call = await played(connect, clip("room_03.wav") + bytes(9_600))
    for message in call.messages:
        sent = set(message.model_dump(exclude_unset=True))
        assert recorded[message.type] <= sent <= recorded[message.type] | {"trigger"}


async def test_configure_and_force_end_turn() -> None:
    async def configure(call: ListenCall) -> None:
        thresholds = ListenV2ConfigureThresholds(eot_threshold=1.0, eager_eot_threshold=0.4)
        await call.socket.send_configure(ListenV2Configure(thresholds=thresholds, keyterms=["room"]))
        await call.socket.send_configure(ListenV2Configure(thresholds=ListenV2ConfigureThresholds(eot_threshold=7)))
        await call.socket.send_force_end_turn()  # no turn is open: nothing happens

    async with flux() as (_, connect):
        call = await played(connect, clip("room_03.wav") + bytes(6_400), also=configure)
    success, failure = call.messages[1], call.messages[2]
    assert success.type == "ConfigureSuccess" and success.thresholds.eot_threshold == 1.0
    assert success.keyterms == ["room"]
    assert failure.type == "ConfigureFailure"
    assert "EndOfTurn" not in call.events()  # CloseStream ends the stream, not the turn
    assert call.turns[-1].event == "Update" and call.turns[-1].transcript == "For five people."


async def test_48_khz_is_heard_as_well() -> None:
    import numpy as np
    import soxr

    narrow = np.frombuffer(clip("room_03.wav") + bytes(9_600), dtype=np.int16)
    wide = soxr.resample(narrow, 16_000, 48_000).tobytes()
    async with flux(sample_rate=48_000) as (sandbox, connect), asyncio.timeout(20), connect() as socket:
        call = ListenCall(socket)
        async with asyncio.TaskGroup() as group:
            group.create_task(call.listen())
            for start in range(0, len(wide), 1_921):  # cuts samples in two
                await socket.send_media(wide[start : start + 1_921])
            await socket.send_close_stream()
        assert call.turns[-1].transcript == "For five people."
    assert sandbox.world.counters.total("deepgram", "audio_seconds") == pytest.approx(len(wide) / 96_000)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (FaultKind.UNAUTHORIZED, 401),
        (FaultKind.RATE_LIMITED, 429),
        (FaultKind.OVERLOADED, 529),
        (FaultKind.SERVER_ERROR, 500),
    ],
)
async def test_a_status_fault_denies_the_upgrade_once(kind: FaultKind, status: int) -> None:
    async with flux() as (sandbox, connect):
        sandbox.world.faults.add(FaultRule(provider="deepgram", kind=kind, count=1))
        with pytest.raises(ApiError) as caught:
            async with connect():
                pass
        assert caught.value.status_code == status
        assert sandbox.world.counters.total("deepgram", "requests_failed") == 1
        async with connect() as socket:
            assert (await socket.recv()).type == "Connected"


@pytest.mark.parametrize(
    "options", [{"model": "nova-3"}, {"eot_threshold": 3}, {"encoding": "opus"}, {"sample_rate": "x"}]
)
async def test_a_bad_query_is_refused(options: dict[str, Any]) -> None:
    async with flux(**options) as (_, connect):
        with pytest.raises(ApiError) as caught:
            async with connect():
                pass
        assert caught.value.status_code == 400


async def test_refuse_drops_the_connection() -> None:
    async with flux() as (sandbox, connect):
        sandbox.world.faults.add(FaultRule(provider="deepgram", kind=FaultKind.REFUSE, count=1))
        with pytest.raises(InvalidMessage):
            async with asyncio.timeout(5), connect():
                pass


async def until(condition: Callable[[], bool]) -> None:
    """Waits up to five seconds for something that only the other side of the connection makes true."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true within five seconds")


async def heard_until_the_end(socket: AsyncV2SocketClient, pcm: bytes) -> tuple[list[Any], ConnectionClosed]:
    """Sends audio as fast as it goes and receives until the connection is over."""
    messages: list[Any] = []
    ended: list[ConnectionClosed] = []

    async def send() -> None:
        for start in range(0, len(pcm), CHUNK):
            await socket.send_media(pcm[start : start + CHUNK])
        await socket.send_close_stream()

    sender = asyncio.create_task(send())
    try:
        async with asyncio.timeout(10):
            while True:
                messages.append(await socket.recv())
    except ConnectionClosed as error:
        ended.append(error)
    await asyncio.gather(sender, return_exceptions=True)
    return messages, ended[0]


def words_of(messages: list[Any]) -> list[str]:
    return [message.transcript for message in messages if isinstance(message, ListenV2TurnInfo) and message.transcript]


@pytest.mark.parametrize(("variant", "after"), [("", 0), ("", 2), ("1011", 2)])
async def test_cut_ends_the_connection_after_so_many_transcripts(variant: str, after: int) -> None:
    async with flux() as (sandbox, connect):
        rule = FaultRule(provider="deepgram", kind=FaultKind.CUT, after=after, variant=variant, count=1)
        sandbox.world.faults.add(rule)
        async with connect() as socket:
            messages, end = await heard_until_the_end(socket, clip("room_01.wav") + bytes(32_000))
        assert isinstance(end, ConnectionClosedError)
        assert (end.rcvd.code if end.rcvd else None) == (1011 if variant else None)
        assert len(words_of(messages)) == after
        assert sandbox.world.log.entries[-1].outcome == "cut"


async def test_stall_goes_silent_and_stays_so() -> None:
    async with flux() as (sandbox, connect):
        sandbox.world.faults.add(FaultRule(provider="deepgram", kind=FaultKind.STALL, after=1, count=1))
        async with connect() as socket:
            call = ListenCall(socket)
            listener = asyncio.create_task(call.listen())
            pcm = clip("room_01.wav") + bytes(16_000)
            for start in range(0, len(pcm), CHUNK):
                await socket.send_media(pcm[start : start + CHUNK])
            await socket.send_close_stream()
            await until(lambda: sandbox.world.log.entries[-1].outcome == "stall" and bool(words_of(call.messages)))
            assert not listener.done()  # not even the end of the stream is answered
            assert len(words_of(call.messages)) == 1
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)


@pytest.mark.parametrize("variant", ["", "shape"])
async def test_malformed_messages_are_no_turns(variant: str) -> None:
    async with flux() as (sandbox, connect):
        rule = FaultRule(provider="deepgram", kind=FaultKind.MALFORMED, variant=variant, count=1)
        sandbox.world.faults.add(rule)
        async with connect() as socket:
            if variant:
                assert not isinstance(await socket.recv(), ListenV2TurnInfo)
            else:
                with pytest.raises(json.JSONDecodeError):
                    await socket.recv()


async def test_empty_is_connected_and_mute() -> None:
    async with flux() as (sandbox, connect):
        sandbox.world.faults.add(FaultRule(provider="deepgram", kind=FaultKind.EMPTY, count=1))
        async with connect() as socket:
            messages, end = await heard_until_the_end(socket, clip("room_01.wav") + bytes(16_000))
        assert isinstance(end, ConnectionClosedOK)
        assert words_of(messages) == [] and len(messages) > 5


async def test_slow_drip_delays_every_transcript() -> None:
    async with flux() as (sandbox, connect):
        rule = FaultRule(provider="deepgram", kind=FaultKind.SLOW_DRIP, interval_s=0.2, count=1)
        sandbox.world.faults.add(rule)
        began = time.monotonic()
        async with connect() as socket:
            messages, _ = await heard_until_the_end(socket, clip("room_03.wav"))
        assert time.monotonic() - began >= 0.2 * len(words_of(messages)) > 0.3


async def test_a_client_that_vanishes_is_counted_up_to_its_last_byte() -> None:
    async with flux() as (sandbox, connect):
        async with connect() as socket:
            for _ in range(33):
                await socket.send_media(bytes(3_201))
        await until(lambda: sandbox.world.log.entries[-1].outcome != "running")
        assert sandbox.world.counters.total("deepgram", "audio_seconds") == 33 * 3_201 / 32_000
        assert sandbox.world.log.entries[-1].outcome == "cancelled"
