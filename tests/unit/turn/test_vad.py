"""Onsets and ends of voices in real speech, noise and silence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from agent.core.audio import SAMPLE_RATE
from agent.turn.audio_clock import SampleClock
from agent.turn.vad import FRAME_BYTES, VoiceActivity, VoiceEvent, VoiceStarted, VoiceStopped
from tests.support.stack import CLIPS
from voice_loadtest.audio import load_wav, voiced_span

SPEECH = ["room_01", "billing_03", "order_02", "topics_05", "smalltalk_02"]
BEFORE_S = 1.0


def listen(pcm: bytes) -> list[VoiceEvent]:
    """Events of a clip between two seconds of silence; times are seconds of the clip, of the frame's arrival."""
    quiet = bytes(int(BEFORE_S * SAMPLE_RATE) * 2)
    audio = quiet + pcm + quiet
    activity = VoiceActivity()
    events: list[VoiceEvent] = []
    for start in range(0, len(audio) - FRAME_BYTES, FRAME_BYTES):
        events += activity.feed(audio[start : start + FRAME_BYTES], (start + FRAME_BYTES) / 32_000 - BEFORE_S)
    return events


@pytest.mark.parametrize("name", SPEECH)
def test_speech_starts_soon_and_ends_at_its_last_voiced_sample(name: str) -> None:
    clip = load_wav(CLIPS / f"{name}.wav")
    samples = np.frombuffer(clip.pcm, dtype="<i2")
    first, last = (place / SAMPLE_RATE for place in voiced_span(samples))
    events = listen(clip.pcm)
    starts = [event.at for event in events if isinstance(event, VoiceStarted)]
    stops = [event.at for event in events if isinstance(event, VoiceStopped)]
    assert starts
    assert starts[0] - first == pytest.approx(0.0, abs=0.15)
    assert stops[-1] - last == pytest.approx(0.0, abs=0.06)


@pytest.mark.parametrize("level", [0.0, 0.0005, 0.002, 0.01])
def test_steady_noise_is_no_voice(level: float) -> None:
    noise = np.random.default_rng(1).normal(0.0, level, 3 * SAMPLE_RATE)
    pcm = (np.clip(noise, -1, 1) * 32767).astype("<i2").tobytes()
    activity = VoiceActivity()
    events = [event for start in range(0, len(pcm), 640) for event in activity.feed(pcm[start : start + 640], 0.0)]
    assert events == []


def _events(*parts: np.ndarray) -> list[VoiceEvent]:
    """Events of parts that follow each other, with their places in seconds."""
    pcm = (np.clip(np.concatenate(parts), -1, 1) * 32767).astype("<i2").tobytes()
    activity = VoiceActivity()
    starts = range(0, len(pcm) - 639, 640)
    return [event for start in starts for event in activity.feed(pcm[start : start + 640], (start + 640) / 32_000)]


def _noise(level: float, seconds: float, colour: int = 1) -> np.ndarray:
    """Noise with this RMS; `colour` samples are averaged: the more, the lower it sounds."""
    raw = np.random.default_rng(3).normal(0.0, 1.0, int(seconds * SAMPLE_RATE))
    low = np.convolve(raw, np.ones(colour) / colour, mode="same")
    return low * level / np.sqrt(np.mean(low**2))


@pytest.mark.parametrize("colour", [1, 4, 16])
@pytest.mark.parametrize("level", [0.02, 0.05, 0.1])
def test_a_loud_steady_noise_is_learned_within_some_two_seconds(level: float, colour: int) -> None:
    quiet = _noise(0.001, 3)
    voiced_until = [event.at for event in _events(quiet, _noise(level, 10, colour), quiet)]
    assert all(at < 3.0 + 2.6 for at in voiced_until)


@pytest.mark.parametrize("offset", [0.03, -0.03, 0.3])
def test_an_offset_of_the_microphone_is_no_voice_and_hides_none(offset: float) -> None:
    assert _events(np.full(5 * SAMPLE_RATE, offset) + _noise(0.0005, 5)) == []
    clip = np.frombuffer(load_wav(CLIPS / "room_01.wav").pcm, dtype="<i2") / 32768
    still = np.zeros(SAMPLE_RATE)
    plain = _events(still, clip, still)
    shifted = _events(still + offset, clip + offset, still + offset)
    assert shifted[-1].at == pytest.approx(plain[-1].at, abs=0.04)
    assert shifted[0].at == pytest.approx(plain[0].at, abs=0.1)


def test_digital_silence_does_not_make_a_voice_of_the_noise_after_it() -> None:
    noise = _noise(0.02, 3, 16)
    assert _events(noise, np.zeros(10 * SAMPLE_RATE), noise) == []


def test_frames_of_any_size_give_the_same_events() -> None:
    pcm = load_wav(CLIPS / "room_01.wav").pcm

    def kinds(step: int) -> list[str]:
        activity = VoiceActivity()
        audio = pcm + bytes(32_000)
        found = [
            event for at in range(0, len(audio), step) for event in activity.feed(audio[at : at + step], at / 32_000)
        ]
        return [type(event).__name__ for event in found]

    assert kinds(640) == kinds(1600) == kinds(202) != []


def test_the_ring_maps_a_place_in_the_audio_to_its_arrival() -> None:
    ring = SampleClock(32_000)
    assert ring.arrival(0.5) is None
    for frame in range(100):
        ring.add(640, 10.0 + frame * 0.02)
    assert ring.arrival(0.0) == 10.0
    assert ring.arrival(0.02) == 10.0  # the frame's last sample
    assert ring.arrival(0.0201) == pytest.approx(10.02)
    assert ring.arrival(1.0) == pytest.approx(10.0 + 49 * 0.02)
    assert ring.arrival(99.0) == pytest.approx(10.0 + 99 * 0.02)  # a recogniser that rounds up


def test_the_ring_forgets_what_is_older_than_a_minute() -> None:
    ring = SampleClock(32_000)
    for frame in range(50 * 180):
        ring.add(640, frame * 0.02)
    assert ring.arrival(179.0) == pytest.approx(178.98)
    kept: Sequence[float] = ring._times  # pyright: ignore[reportPrivateUsage]  the bound is what is tested
    assert len(kept) < 50 * 60 + 600
