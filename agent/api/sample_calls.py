"""Sample calls: clips of the sandbox, in an order in which a caller would say them.

The talk page plays them into the path of the microphone. The sandbox's recogniser knows these clips; another one would
cost money, so they are only offered while the sandbox hears them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

KEY_OF: Final = {"stt": "DEEPGRAM_API_KEY", "llm": "ANTHROPIC_API_KEY", "tts": "ELEVENLABS_API_KEY"}


@dataclass(frozen=True, slots=True)
class SampleLine:
    """One clip; with `into_reply_ms`, it begins so long after the reply became audible."""

    clip: str
    into_reply_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SampleCall:
    """What the caller says, in order."""

    name: str
    title: str
    lines: tuple[SampleLine, ...]


def _lines(*clips: str) -> tuple[SampleLine, ...]:
    return tuple(SampleLine(clip) for clip in clips)


CALLS: Final = (
    SampleCall("room", "Books a room", _lines("room_01", "room_02", "room_03", "room_04", "room_05", "room_06")),
    SampleCall(
        "barge",
        "Interrupts, and coughs",
        (
            SampleLine("topics_01"),
            SampleLine("barge_03", into_reply_ms=900),
            SampleLine("billing_02"),
            SampleLine("noise_cough", into_reply_ms=1200),
            SampleLine("billing_05"),
        ),
    ),
    SampleCall("topics", "Changes the subject", _lines(*(f"topics_{number:02}" for number in range(1, 9)))),
    SampleCall("billing", "Asks about a bill", _lines(*(f"billing_{number:02}" for number in range(1, 6)))),
)


@dataclass(frozen=True, slots=True)
class Serving:
    """The services (`stt`, `llm`, `tts`) that are simulated at this moment, run on a machine of one's own, should."""

    simulated: Sequence[str] = ()
    local: Sequence[str] = ()
    failed: Sequence[str] = ()


class _Clip(msgspec.Struct):
    file: str
    transcript: str
    seconds: float


@cache
def _transcripts() -> dict[str, _Clip]:
    text = files("voice_sandbox").joinpath("clips", "transcripts.jsonl").read_bytes()
    clips = [msgspec.json.decode(line, type=_Clip) for line in text.splitlines() if line.strip()]
    return {clip.file.removesuffix(".wav"): clip for clip in clips}


def load_clips() -> dict[str, bytes]:
    """File name → WAV file of every clip that a sample call uses."""
    names = sorted({line.clip for call in CALLS for line in call.lines})
    folder = files("voice_sandbox").joinpath("clips")
    return {f"{name}.wav": folder.joinpath(f"{name}.wav").read_bytes() for name in names}


def sample_calls(serving: Serving, *, offered: bool) -> dict[str, Any]:
    """What the page is told: the simulated and the local services, the keys that make them real, and the calls."""
    known = _transcripts()
    calls = [
        {
            "name": call.name,
            "title": call.title,
            "lines": [
                {
                    "url": f"/sample-calls/{line.clip}.wav",
                    "text": known[line.clip].transcript,
                    "seconds": known[line.clip].seconds,
                    "into_reply_ms": line.into_reply_ms,
                }
                for line in call.lines
            ],
        }
        for call in CALLS
    ]
    return {
        "simulated": list(serving.simulated),
        "local": list(serving.local),
        "failed": list(serving.failed),
        "keys": [KEY_OF[service] for service in serving.simulated if service in KEY_OF],
        "calls": calls if offered else [],
    }
