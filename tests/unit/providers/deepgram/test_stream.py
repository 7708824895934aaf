"""Both Deepgram protocols through the SDK, against the sandbox: what holds for one holds for the other."""

from __future__ import annotations

import asyncio
import json
import os
import wave
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from agent.core.audio import bytes_for
from agent.core.calls import ErrorKind, ProviderError, Unit
from agent.providers.base import SttEvent, SttEventKind
from agent.providers.deepgram.flux import DeepgramFlux
from agent.providers.deepgram.nova import DeepgramNova
from agent.providers.deepgram.stream import giving_up
from tests.support.providers import RecordingRecorder, deepgram_peer, hidden, inject_fault, instant_sandbox, until
from voice_sandbox.server import RunningSandbox
from voice_sandbox.state import BUNDLED_CLIPS

KEY = "secret-key"
SILENCE = bytes(bytes_for(3.0))
PIECE = bytes_for(0.04)
BOTH = ("flux", "nova")


def _clip(index: int = 0) -> tuple[bytes, str]:
    entry = json.loads((BUNDLED_CLIPS / "transcripts.jsonl").read_text().splitlines()[index])
    with wave.open(str(BUNDLED_CLIPS / entry["file"]), "rb") as reader:
        return reader.readframes(reader.getnframes()), entry["transcript"]


def _recogniser(name: str, url: str) -> DeepgramFlux | DeepgramNova:
    return DeepgramFlux(api_key=KEY, base_url=url) if name == "flux" else DeepgramNova(api_key=KEY, base_url=url)


@asynccontextmanager
async def _hearing(name: str, *, word_times: bool = True) -> AsyncGenerator[tuple[RunningSandbox, Any]]:
    async with instant_sandbox(flux_word_times=word_times) as sandbox:
        yield sandbox, _recogniser(name, sandbox.url)


async def _hear(recogniser: Any, pcm: bytes, recorder: RecordingRecorder) -> list[SttEvent]:
    """Everything that is heard in this audio, sent as fast as it is taken."""

    async def send(stream: Any) -> None:
        for start in range(0, len(pcm), PIECE):
            await stream.send(pcm[start : start + PIECE])
        await stream.finish()

    async with recogniser.open("s1", recorder) as stream:
        sending = asyncio.create_task(send(stream))
        try:
            return [heard async for heard in stream]
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


def _words(text: str) -> list[str]:
    return "".join(letter for letter in text.lower() if letter.isalnum() or letter == " ").split()


@pytest.mark.parametrize("name", BOTH)
async def test_speech_becomes_a_turn(name: str, recorder: RecordingRecorder) -> None:
    pcm, words = _clip()
    async with _hearing(name) as (sandbox, recogniser):
        heard = await _hear(recogniser, pcm + SILENCE, recorder)
        seconds = sandbox.world.counters.total("deepgram", "audio_seconds", model=recogniser.model, session="s1")
    kinds = [one.kind for one in heard]
    assert kinds.count(SttEventKind.STARTED) == kinds.count(SttEventKind.ENDED) == 1
    assert kinds[-1] is SttEventKind.ENDED
    assert _words(heard[-1].text) == _words(words)
    end = heard[-1].words[-1].end_s
    assert end is not None
    assert abs(end - len(pcm) / 32_000) < 0.2
    assert sum(call.usage.quantities[Unit.AUDIO_SAMPLES] for call in recorder.calls) == len(pcm + SILENCE) // 2
    assert seconds == len(pcm + SILENCE) / 32_000
    assert all(call.outcome == "ok" and not call.usage.estimated for call in recorder.calls)
    assert recorder.calls[0].first_output_at is not None


async def test_flux_words_may_have_no_times(recorder: RecordingRecorder) -> None:
    pcm, words = _clip()
    async with _hearing("flux", word_times=False) as (_, recogniser):
        heard = await _hear(recogniser, pcm + SILENCE, recorder)
    assert _words(heard[-1].text) == _words(words)
    assert heard[-1].words
    assert all(word.start_s is None and word.end_s is None for one in heard for word in one.words)


@pytest.mark.parametrize("name", BOTH)
async def test_audio_that_is_sent_at_once_is_heard_and_counted_the_same(name: str, recorder: RecordingRecorder) -> None:
    pcm, words = _clip()
    pcm += SILENCE * 4
    at_once: list[bool] = []

    class Prompt:
        """Sends at once whatever can be."""

        def __init__(self, stream: Any) -> None:
            self.stream = stream
            self.finish = stream.finish

        async def send(self, piece: bytes) -> None:
            at_once.append(self.stream.send_now(piece))
            if not at_once[-1]:
                await self.stream.send(piece)
            await asyncio.sleep(0)

        def __aiter__(self) -> Any:
            return aiter(self.stream)

    class Recogniser:
        @asynccontextmanager
        async def open(self, session: str, recorder: Any) -> AsyncGenerator[Any]:
            async with recogniser.open(session, recorder) as stream:
                yield Prompt(stream)

    async with _hearing(name) as (sandbox, recogniser):
        heard = await _hear(Recogniser(), pcm, recorder)
        seconds = sandbox.world.counters.total("deepgram", "audio_seconds", model=recogniser.model, session="s1")
    assert _words(heard[-1].text) == _words(words)
    assert seconds == len(pcm) / 32_000
    counts = [call.usage.quantities[Unit.AUDIO_SAMPLES] for call in recorder.calls]
    assert sum(counts) == len(pcm) // 2
    assert counts[:-1] == [160_000] * (len(counts) - 1)  # told every 10 s as well
    assert at_once.count(True) > len(at_once) / 2


@pytest.mark.parametrize("name", BOTH)
async def test_nothing_is_sent_at_once_to_who_does_not_read_or_is_gone(
    name: str, recorder: RecordingRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.providers.deepgram.stream._REPORT_EVERY_SAMPLES", 10**9)
    gone = asyncio.Event()

    async def script(socket: Any, _: Any) -> None:
        socket.transport.pause_reading()
        await gone.wait()
        socket.transport.abort()

    async with deepgram_peer(script) as peer, _recogniser(name, peer.url).open("s1", recorder) as stream:
        taken = 0
        while stream.send_now(os.urandom(bytes_for(1.0))):
            taken += 1
            assert taken < 1_000  # the system's buffers are full long before
            await asyncio.sleep(0)
        assert not stream.send_now(bytes(2))
        gone.set()
        with pytest.raises(ProviderError):
            await anext(aiter(stream))
        assert not stream.send_now(bytes(2))


@pytest.mark.parametrize("name", BOTH)
async def test_a_turn_that_is_open_at_the_end_of_the_audio_is_ended(name: str, recorder: RecordingRecorder) -> None:
    pcm, words = _clip()
    async with _hearing(name) as (_, recogniser):
        heard = await _hear(recogniser, pcm, recorder)
    assert heard[-1].kind is SttEventKind.ENDED
    assert _words(heard[-1].text) == _words(words)


@pytest.mark.parametrize("name", BOTH)
async def test_silence_is_no_turn(name: str, recorder: RecordingRecorder) -> None:
    async with _hearing(name) as (_, recogniser):
        assert await _hear(recogniser, SILENCE, recorder) == []


@pytest.mark.parametrize("name", BOTH)
async def test_samples_are_reported_every_ten_seconds(name: str, recorder: RecordingRecorder) -> None:
    async with _hearing(name) as (_, recogniser):
        await _hear(recogniser, bytes(bytes_for(25.0)), recorder)
    assert [call.usage.quantities[Unit.AUDIO_SAMPLES] for call in recorder.calls] == [160_000, 160_000, 80_000]
    assert [call.first_output_at is not None for call in recorder.calls] == [True, False, False]


FAULTS: list[tuple[dict[str, Any], ErrorKind]] = [
    ({"kind": "refuse"}, ErrorKind.REFUSED),
    ({"kind": "unauthorized"}, ErrorKind.MISCONFIGURED),
    ({"kind": "rate_limited", "retry_after_s": 7}, ErrorKind.RATE_LIMITED),
    ({"kind": "overloaded"}, ErrorKind.OVERLOADED),
    ({"kind": "server_error"}, ErrorKind.OVERLOADED),
    ({"kind": "stall"}, ErrorKind.STALLED),  # even the end of the stream is not answered
    ({"kind": "malformed", "after": 1}, ErrorKind.MALFORMED),
    ({"kind": "malformed", "variant": "shape"}, ErrorKind.MALFORMED),
    ({"kind": "cut"}, ErrorKind.DISCONNECTED),
    ({"kind": "cut", "after": 2}, ErrorKind.DISCONNECTED),
    ({"kind": "cut", "after": 2, "variant": "1011"}, ErrorKind.DISCONNECTED),
]


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(("fault", "kind"), FAULTS)
async def test_every_fault_has_its_kind(
    name: str, fault: dict[str, Any], kind: ErrorKind, recorder: RecordingRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.providers.deepgram.stream.FINISH_TIMEOUT_S", 0.5 if kind is ErrorKind.STALLED else 5.0)
    pcm, _ = _clip()
    async with _hearing(name) as (sandbox, recogniser):
        inject_fault(sandbox, "deepgram", **fault)
        with pytest.raises(ProviderError) as caught:
            await _hear(recogniser, pcm + SILENCE, recorder)
    error = caught.value
    assert (error.provider, error.kind) == ("deepgram", kind)
    assert error.retry_after_s == fault.get("retry_after_s")
    assert hidden(error, KEY)
    assert recorder.calls[-1].outcome == kind
    assert all(call.outcome == "ok" for call in recorder.calls[:-1])


@pytest.mark.parametrize("name", BOTH)
async def test_a_mute_recogniser_is_not_an_error_of_its_own(name: str, recorder: RecordingRecorder) -> None:
    """Only who knows that the microphone was loud can tell: that is the chain."""
    pcm, _ = _clip()
    async with _hearing(name) as (sandbox, recogniser):
        inject_fault(sandbox, "deepgram", "empty")
        assert await _hear(recogniser, pcm + SILENCE, recorder) == []


@pytest.mark.parametrize("name", BOTH)
async def test_nobody_there_is_refused(name: str, recorder: RecordingRecorder) -> None:
    recogniser = _recogniser(name, "http://127.0.0.1:1")
    with pytest.raises(ProviderError) as caught:
        await _hear(recogniser, b"", recorder)
    assert caught.value.kind is ErrorKind.REFUSED
    assert recorder.only.usage.quantities == {}
    await recogniser.warm()  # never fails


@pytest.mark.parametrize("name", BOTH)
async def test_an_error_of_the_caller_passes_through(name: str, recorder: RecordingRecorder) -> None:
    async with _hearing(name) as (_, recogniser):
        with pytest.raises(ZeroDivisionError):
            async with recogniser.open("s1", recorder):
                raise ZeroDivisionError
    assert recorder.only.outcome == "ok"


@pytest.mark.parametrize("name", BOTH)
async def test_leaving_does_not_wait_for_a_peer_that_is_gone(
    name: str, recorder: RecordingRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.providers.deepgram.stream.CLOSE_TIMEOUT_S", 0.05)
    deaf = asyncio.Event()

    async def script(socket: Any, peer: Any) -> None:
        socket.transport.pause_reading()  # not even the close frame is read
        await deaf.wait()
        socket.transport.abort()

    async with deepgram_peer(script) as peer:
        async with asyncio.timeout(5), _recogniser(name, peer.url).open("s1", recorder) as stream:
            await stream.send(bytes(640))
        deaf.set()
    assert recorder.only.outcome == "ok"


@pytest.mark.parametrize("name", BOTH)
async def test_iterating_ends_at_once_when_cancelled(name: str, recorder: RecordingRecorder) -> None:
    async with _hearing(name) as (_, recogniser):
        waiting = asyncio.Event()

        async def listen() -> None:
            async with recogniser.open("s1", recorder) as stream:
                waiting.set()
                async for _ in stream:
                    pass

        task = asyncio.create_task(listen())
        await waiting.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert recorder.only.outcome == "ok"


@pytest.mark.parametrize("name", BOTH)
async def test_a_host_that_takes_the_connection_and_says_nothing_is_refused(
    name: str, recorder: RecordingRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.providers.deepgram.stream.CONNECT_TIMEOUT_S", 0.1)
    gone: list[asyncio.StreamWriter] = []

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone.append(writer)
        await reader.read()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with asyncio.timeout(5):
            with pytest.raises(ProviderError) as caught:
                await _hear(_recogniser(name, f"http://127.0.0.1:{port}"), b"", recorder)
        for writer in gone:
            writer.transport.abort()
        await until(lambda: not giving_up)
    assert caught.value.kind is ErrorKind.REFUSED
    assert recorder.only.outcome == ErrorKind.REFUSED
