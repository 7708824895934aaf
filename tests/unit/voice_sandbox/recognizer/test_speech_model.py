"""The speech model beside the event loop: what is refused, what a broken one does, and what the real one hears."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import wave
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import pytest

from tests.support.paths import DATA
from tests.support.providers import until
from voice_sandbox.local_packages import missing_packages
from voice_sandbox.recognizer.hearing import Hearing
from voice_sandbox.recognizer.library import ClipLibrary
from voice_sandbox.recognizer.speech_model import (
    ModelTranscriber,
    Network,
    load_moonshine,
    read_tokens,
)
from voice_sandbox.recognizer.unknown import TEXT
from voice_sandbox.recognizer.voice_detector import DetectorPool

RECORDINGS = DATA / "speech"


@contextmanager
def transcriber(network: Network) -> Generator[ModelTranscriber]:
    made = ModelTranscriber(lambda: network, workers=1)
    made.start()
    try:
        yield made
    finally:
        made.close()


async def test_words_come_back_on_the_event_loop_while_it_does_other_things() -> None:
    go = threading.Event()

    def network(pcm: bytes) -> str:
        assert len(pcm) == 16_000 or go.wait(5)
        return f"{len(pcm)} bytes"

    with transcriber(network) as model:
        asked = asyncio.create_task(model.transcribe(bytes(640)))
        await asyncio.sleep(0)
        assert not asked.done()
        go.set()
        assert await asked == "640 bytes"


async def test_looks_are_refused_while_others_wait_and_last_words_beyond_32() -> None:
    go = threading.Event()

    def network(pcm: bytes) -> str:
        assert len(pcm) == 16_000 or go.wait(5)
        return ""

    answers: asyncio.Queue[str] = asyncio.Queue()
    with transcriber(network) as model:
        assert model.submit(bytes(2), answers.put_nowait, final=False)
        assert not model.submit(bytes(2), answers.put_nowait, final=False)
        taken = [model.submit(bytes(2), answers.put_nowait, final=True) for _ in range(40)]
        assert taken.count(True) == 31
        assert model.dropped == 9
        go.set()
        for _ in range(32):
            await answers.get()


async def test_without_a_model_that_runs_the_clips_are_heard_as_ever(bundled: ClipLibrary) -> None:
    def broken() -> Network:
        raise OSError("libsomething.so is not there")

    model = ModelTranscriber(broken, workers=1)
    model.start()
    assert await model.transcribe(bytes(640)) == TEXT
    assert "libsomething.so" in (model.failure or "")
    hearing = Hearing(bundled, model)
    assert hearing.name == "clips"
    assert "libsomething.so" in (hearing.failure or "")
    assert not hearing.loading
    hearing.close()


class Failing:
    """A network that fails as often as it is told, as one does that finds no memory."""

    def __init__(self, failures: int) -> None:
        self.failures, self.loads = failures, 0

    def load(self) -> Network:
        self.loads += 1

        def network(_pcm: bytes) -> str:
            if self.failures > 0:
                self.failures -= 1
                raise MemoryError("std::bad_alloc")
            return "a room"

        return network


async def test_a_network_that_fails_in_a_call_is_loaded_again_and_the_words_come_all_the_same() -> None:
    failing = Failing(0)
    model = ModelTranscriber(failing.load, workers=1)
    assert await model.transcribe(bytes(640)) == "a room"
    failing.failures = 1
    assert await model.transcribe(bytes(640)) == "a room"
    assert (failing.loads, model.restarts, model.failure) == (2, 1, None)
    model.close()


async def test_a_network_that_keeps_failing_is_said_and_tried_until_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_sandbox.recognizer.speech_model._RETRY_S", 0.01)
    failing = Failing(0)
    model = ModelTranscriber(failing.load, workers=1)
    assert await model.transcribe(bytes(640)) == "a room"
    failing.failures = 4
    assert await model.transcribe(bytes(640)) == TEXT, "who spoke is asked again, and not left in silence"
    assert "MemoryError: std::bad_alloc" in (model.failure or "")
    assert await model.transcribe(bytes(640)) == TEXT
    await until(lambda: model.failure is None)
    assert failing.failures == 0
    assert await model.transcribe(bytes(640)) == "a room"
    model.close()


async def test_a_network_that_never_answers_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voice_sandbox.recognizer.speech_model._STUCK_S", 0.0)
    go = threading.Event()

    def network(_pcm: bytes) -> str:
        assert go.wait(10)
        return "a room"

    model = ModelTranscriber(lambda: network, workers=1)
    asked = asyncio.create_task(model.transcribe(bytes(640)))
    await until(lambda: "has taken over" in (model.failure or ""))
    go.set()
    assert await asked == "a room"
    assert model.failure is None
    model.close()


async def test_while_the_model_loads_it_is_said_so(bundled: ClipLibrary) -> None:
    go = threading.Event()

    def slow() -> Network:
        go.wait(10)
        return lambda _pcm: ""

    hearing = Hearing(bundled, ModelTranscriber(slow, workers=1))
    hearing.start()
    assert hearing.loading
    go.set()
    assert await hearing.transcribe(bytes(640)) == ""
    assert (hearing.loading, hearing.failure) == (False, None)
    hearing.close()


def test_tokens_have_lengths_of_one_byte_or_two() -> None:
    assert read_tokens(b"\x01a\x00\x02bc") == [b"a", b"", b"bc"]
    assert read_tokens(b"\x82\x01" + bytes(130)) == [bytes(130)]
    with pytest.raises(ValueError, match="ends within"):
        read_tokens(b"\x05ab")


needs_the_model = pytest.mark.skipif(
    bool(missing_packages()), reason=f"not installed: {', '.join(missing_packages())}; `make local`"
)


@needs_the_model
@pytest.mark.slow
@pytest.mark.skipif(not (RECORDINGS / "transcripts.jsonl").exists(), reason="the recorded speech is not here")
async def test_real_recordings_are_understood(bundled: ClipLibrary) -> None:
    """Recordings that are in no library, with a quiet room before and after them: words right of words said."""
    hearing = Hearing(bundled, ModelTranscriber(load_moonshine, workers=1))
    said, right, bookings = 0, 0, 0
    room = np.random.default_rng(1).normal(0, 16, 8_000).astype("<i2").tobytes()
    for line in (RECORDINGS / "transcripts.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        with wave.open(str(RECORDINGS / row["file"])) as file:
            pcm = file.readframes(file.getnframes())
        heard = plain(await hearing.transcribe(room + pcm + room))
        assert heard != plain(TEXT)
        words = plain(row["transcript"])
        said += len(words)
        right += sum(word in heard for word in words)
        bookings += row["file"].startswith("booking") and words == heard
    hearing.close()
    assert bookings >= 5  # "two thirty p m" is written in digits now and then
    assert right / said > 0.6  # quiet telephone recordings are among them


@needs_the_model
async def test_the_detector_tells_a_voice_from_noise_and_silence(bundled: ClipLibrary) -> None:
    pool = DetectorPool()
    detector = await pool.take()
    noise = np.random.default_rng(1).normal(0, 300, 16_000).astype("<i2").tobytes()
    assert max(detector.probabilities(noise)) < 0.5
    pool.give_back(detector)
    assert await pool.take() is detector


def plain(text: str) -> list[str]:
    """The words of a text, in lower case and without punctuation."""
    return re.sub(r"[^a-z0-9' ]", "", re.sub(r"[-.]", " ", text.lower())).split()
