"""What scripted callers say and what is heard around them, beside the bundled clips; made once before the cases.

The phrases are spoken by the sandbox's voice and put into a folder of clips, so that the sandbox's recogniser knows
them. The agent's own sentences are among them: they are what comes back as an echo.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from tests.support.paths import CLIPS
from voice_loadtest.audio import BYTES_PER_SECOND, SAMPLE_RATE, CallerRecording, load_wav, save_wav
from voice_sandbox.voice import SimulatedVoice

PHRASES: Final = {
    "uh_huh": "Uh-huh.",
    "okay": "Okay.",
    "yeah_right": "Yeah, right.",
    "my_number_is": "My number is",
    "digits_1": "zero one seven",
    "digits_2": "six five five",
    "digits_3": "four four two one",
    "my_name_is": "My name is spelled",
    "letters_1": "B E R",
    "letters_2": "G M A N",
    "i_would_like_to": "I would like to",
    "book_a_room": "book a room",
    "echo_1": "Refunds take three to five working days.",
    "echo_2": "I have noted it on invoice 4417.",
    "echo_3": "Thursday, good.",
    "echo_4": "Which location would you like?",
}
"""Name → what is said; names that begin with `echo` are the agent's."""


async def record_phrases(folder: Path) -> Mapping[str, CallerRecording]:
    """Speaks the phrases into a folder of clips. Returns them with the bundled clips, by name."""
    voice = SimulatedVoice.create("auto")
    rows: list[str] = []
    for name, text in PHRASES.items():
        save_wav(folder / f"{name}.wav", [await voice.render(text, SAMPLE_RATE)])
        rows.append(json.dumps({"file": f"{name}.wav", "transcript": text}))
    (folder / "transcripts.jsonl").write_text("\n".join(rows), encoding="utf-8")
    bundled = {file.stem: load_wav(file) for file in sorted(CLIPS.glob("*.wav"))}
    return bundled | {name: load_wav(folder / f"{name}.wav") for name in PHRASES}


def hiss(seconds: float, dbfs: float, seed: int = 1) -> bytes:
    """White noise at this level (RMS)."""
    samples = np.random.default_rng(seed).normal(0.0, 10 ** (dbfs / 20), int(seconds * SAMPLE_RATE))
    return np.clip(samples * 32768, -32768, 32767).astype("<i2").tobytes()


def offset(seconds: float, share: float) -> bytes:
    """A microphone's offset (DC) of this share of full scale."""
    return np.full(int(seconds * SAMPLE_RATE), int(share * 32767), "<i2").tobytes()


def hum(seconds: float, dbfs: float) -> bytes:
    """Mains hum: 50 Hz and its harmonics."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = sum((np.sin(2 * np.pi * 50 * n * time) / n for n in range(1, 6)), np.zeros(time.size))
    return _at(wave, dbfs)


def music(seconds: float, dbfs: float) -> bytes:
    """A chord that swells four times a second: a detector of voices takes it for one, and a recogniser for none."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = sum((np.sin(2 * np.pi * 131 * n * time) / n for n in range(1, 12)), np.zeros(time.size))
    return _at(wave * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * time)), dbfs)


def ringing(seconds: float, dbfs: float) -> bytes:
    """A telephone rings: 440 and 480 Hz, for 0.4 s of every 0.6 s."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = np.sin(2 * np.pi * 440 * time) + np.sin(2 * np.pi * 480 * time)
    return _at(np.where(time % 0.6 < 0.4, wave, 0.0), dbfs)


def mixed(*sounds: bytes) -> bytes:
    """Sounds at once, as long as the longest."""
    longest = max(len(sound) for sound in sounds) // 2
    total = np.zeros(longest, np.int32)
    for sound in sounds:
        samples = np.frombuffer(sound, "<i2")
        total[: samples.size] += samples
    return np.clip(total, -32768, 32767).astype("<i2").tobytes()


def quieter(pcm: bytes, db: float) -> bytes:
    """The same sound, so many decibels less."""
    return (np.frombuffer(pcm, "<i2") * 10 ** (-db / 20)).astype("<i2").tobytes()


def seconds_of(pcm: bytes) -> float:
    """How long a sound is."""
    return len(pcm) / BYTES_PER_SECOND


def _at(wave: np.ndarray[tuple[int], np.dtype[np.float64]], dbfs: float) -> bytes:
    scale = 32768 * 10 ** (dbfs / 20) / max(1e-9, float(np.sqrt(np.mean(np.square(wave)))))
    return np.clip(wave * scale, -32768, 32767).astype("<i2").tobytes()
