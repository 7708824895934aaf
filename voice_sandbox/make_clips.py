"""Makes the bundled clips: sample calls spoken by espeak-ng, and a few noises.

Run `python -m voice_sandbox.make_clips` where espeak-ng, sox and numpy are installed; it rewrites every WAV and
`transcripts.jsonl` in `voice_sandbox/clips`. The texts and the noises are our own. espeak-ng is only run as a program.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

CLIPS: Final = Path(__file__).parent / "clips"
_RATE: Final = 16_000
_EDGE: Final = _RATE // 20  # 50 ms of silence before and after the voice
_PEAK: Final = 0.5


@dataclass(frozen=True, slots=True)
class Speaker:
    """An espeak-ng voice, its words per minute and its pitch (0 to 99)."""

    voice: str
    speed: int
    pitch: int


SPEAKERS: Final = {
    "ann": Speaker("en-us+f2", 165, 55),
    "ben": Speaker("en-gb+m3", 175, 40),
    "cat": Speaker("en-gb-scotland+f4", 170, 60),
    "dan": Speaker("en-us+m7", 190, 35),
    "eve": Speaker("en-gb-x-rp+f3", 155, 50),
}

CALLS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "room": (
        "ann",
        (
            "Hi, I'd like to book a meeting room.",
            "Tomorrow at two thirty, please.",
            "For five people.",
            "Actually, make it seven people.",
            "Yes, that's right.",
            "Thanks, goodbye.",
        ),
    ),
    "billing": (
        "ben",
        (
            "Hello, I have a question about my bill.",
            "Why was I charged twice in May?",
            "The invoice number is four four one seven.",
            "When will I get the refund?",
            "Okay, thank you.",
            "No, that's all. Goodbye.",
        ),
    ),
    "order": (
        "cat",
        (
            "I want to order some coffee for the office.",
            "Two bags of the dark roast.",
            "And one box of green tea.",
            "When does it arrive?",
            "Please cancel the tea.",
            "That's all, bye.",
        ),
    ),
    "smalltalk": (
        "dan",
        (
            "Good morning, how are you?",
            "Is it raining over there?",
            "Do you like music?",
            "Nice talking to you.",
        ),
    ),
    "topics": (
        "eve",
        (
            "I need a room on Friday at ten.",
            "By the way, what do I owe you this month?",
            "Book another room on Monday at noon.",
            "Change it to four people.",
            "Wait, not that one, the earlier one.",
            "Now go back to the billing thing.",
            "And where is my order?",
            "No, cancel that. Goodbye.",
            "Yes, please book it.",
            "That is all, goodbye.",
        ),
    ),
    "barge": (
        "ann",
        (
            "Stop, stop.",
            "Wait a second.",
            "No, I meant Thursday.",
        ),
    ),
    "earlier": ("ann", ("No, the earlier one.",)),
    "outage": (
        "dan",
        (
            "What happens when your usual model is down?",
            "And what happens when your voice is down?",
            "Good to know. Goodbye.",
        ),
    ),
}


def _run(program: str, *arguments: str) -> None:
    subprocess.run([program, *arguments], check=True)  # noqa: S603 - a path from shutil.which and constants of this file


def _speak(speaker: Speaker, text: str, program: str, sox: str) -> NDArray[np.float32]:
    with tempfile.TemporaryDirectory() as folder:
        raw, resampled = Path(folder) / "raw.wav", Path(folder) / "16k.wav"
        options = ["-v", speaker.voice, "-s", str(speaker.speed), "-p", str(speaker.pitch), "-w", str(raw)]
        _run(program, *options, text)
        _run(sox, str(raw), "-D", "-r", str(_RATE), "-c", "1", "-b", "16", str(resampled))
        with wave.open(str(resampled)) as file:
            data = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
    return np.asarray(data, dtype=np.float32) / np.float32(32768)


def _trim(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    loud = np.flatnonzero(np.abs(audio) > np.abs(audio).max() * 0.01)
    voice = audio[loud[0] : loud[-1] + 1]
    edge = np.zeros(_EDGE, dtype=np.float32)
    scaled = np.concatenate([edge, voice, edge]) * (_PEAK / np.abs(voice).max())
    return scaled.astype(np.float32)


def _cough(dice: np.random.Generator) -> NDArray[np.float32]:
    """300 ms: a burst of breath, low-passed, with the sharp start of a cough and a second, weaker push."""
    t = np.arange(int(0.3 * _RATE)) / _RATE
    breath = np.convolve(dice.standard_normal(t.size), np.hanning(24), "same")
    shape = np.exp(-t / 0.05) + 0.5 * np.exp(-np.clip(t - 0.14, 0, None) / 0.05) * (t > 0.14)
    return (breath * shape * np.minimum(1, t / 0.004)).astype(np.float32)


def _door(dice: np.random.Generator) -> NDArray[np.float32]:
    """A door slam: a dull thump with a broad crack on top, gone after 400 ms."""
    t = np.arange(int(0.4 * _RATE)) / _RATE
    thump = np.convolve(dice.standard_normal(t.size), np.hanning(160), "same") * np.exp(-t / 0.08)
    crack = 0.6 * dice.standard_normal(t.size) * np.exp(-t / 0.012) * np.abs(thump).max()
    return (thump + crack).astype(np.float32)


def _keyboard(dice: np.random.Generator) -> NDArray[np.float32]:
    """Nine key strokes in 1.2 s, each a click of a few milliseconds when pressed and a fainter one when let go."""
    audio = np.zeros(int(1.2 * _RATE))
    click = np.exp(-np.arange(160) / 25)
    for stroke in range(9):
        press = int((0.02 + stroke * 0.125 + dice.uniform(0, 0.03)) * _RATE)
        for at, level in ((press, 1.0), (press + 900, 0.5)):
            end = min(at + click.size, audio.size)
            audio[at:end] += level * (dice.standard_normal(click.size) * click)[: end - at]
    return audio.astype(np.float32)


def _write(name: str, audio: NDArray[np.float32]) -> float:
    pcm = np.round(audio * 32767).astype("<i2")
    with wave.open(str(CLIPS / name), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE)
        file.writeframes(pcm.tobytes())
    return round(pcm.size / _RATE, 3)


def main() -> int:
    """Writes all clips; returns 1 where espeak-ng or sox is missing."""
    program, sox = shutil.which("espeak-ng"), shutil.which("sox")
    if program is None or sox is None:
        sys.stderr.write("making the clips needs espeak-ng and sox\n")
        return 1
    CLIPS.mkdir(exist_ok=True)
    rows: list[dict[str, object]] = []
    for call, (name, texts) in CALLS.items():
        speaker = SPEAKERS[name]
        for turn, text in enumerate(texts, 1):
            file = f"{call}_{turn:02}.wav"
            seconds = _write(file, _trim(_speak(speaker, text, program, sox)))
            row: dict[str, object] = {"file": file, "transcript": text, "seconds": seconds, "call": call, "turn": turn}
            rows.append({**row, "voice": speaker.voice, "speed": speaker.speed, "noise": False})
    dice = np.random.default_rng(7)
    for name, make in (("cough", _cough), ("door", _door), ("keyboard", _keyboard)):
        seconds = _write(f"noise_{name}.wav", _trim(make(dice)))
        rows.append({"file": f"noise_{name}.wav", "transcript": "", "seconds": seconds, "noise": True})
    with (CLIPS / "transcripts.jsonl").open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
