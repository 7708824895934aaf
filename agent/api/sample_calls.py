"""Sample calls: clips of the sandbox, in an order in which a caller would say them.

The talk page plays them into the path of the microphone. The sandbox's recogniser knows these clips; another one would
cost money, so they are only offered while the sandbox hears them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

import msgspec

BOOKS: Final = "book_room"
KEY_OF: Final = {"stt": "DEEPGRAM_API_KEY", "llm": "ANTHROPIC_API_KEY", "tts": "ELEVENLABS_API_KEY"}


@dataclass(frozen=True, slots=True)
class SampleLine:
    """One clip; with `into_reply_ms`, it begins so long after the reply became audible."""

    clip: str
    into_reply_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SampleCall:
    """What the caller says, in order, until nothing is left to say; and what can be seen by it, in one sentence.

    With `policies` the same is said in a call for each of them. It takes an agent with this `tool`.
    """

    name: str
    title: str
    shows: str
    lines: tuple[SampleLine, ...]
    policies: tuple[str, ...] = ()
    tool: str | None = None


@dataclass(frozen=True, slots=True)
class SampleStage:
    """What a sample caller meets: the tools of the usual agent, and the policies that a caller may ask for."""

    tools: Collection[str] = ()
    policies: Collection[str] = ()


def _lines(*clips: str) -> tuple[SampleLine, ...]:
    return tuple(SampleLine(clip) for clip in clips)


CALLS: Final = (
    SampleCall(
        "room",
        "Books a room",
        "From the first question to the reference of the booking, with a change of mind.",
        _lines("room_01", "room_02", "room_03", "room_04", "room_05", "room_06"),
        tool=BOOKS,
    ),
    SampleCall(
        "barge",
        "Interrupts, and coughs",
        "Words stop the reply at once, and what was not heard is struck out; a cough only holds it for a moment.",
        (
            *_lines("room_01", "room_02"),
            SampleLine("barge_03", into_reply_ms=900),
            SampleLine("room_03"),
            SampleLine("noise_cough", into_reply_ms=1200),
            *_lines("room_05", "room_06"),
        ),
        tool=BOOKS,
    ),
    SampleCall(
        "earlier",
        "“No, the earlier one”",
        "A change is taken back: the booking has again what was said before it.",
        _lines("room_01", "room_02", "room_03", "room_04", "earlier_01", "room_05", "room_06"),
        tool=BOOKS,
    ),
    SampleCall(
        "topics",
        "Changes the subject",
        "A booking, the bill, the booking again, an order: what was begun is finished.",
        _lines(*(f"topics_{number:02}" for number in (1, 2, 4, 9, 7, 6, 10))),
        tool=BOOKS,
    ),
    SampleCall(
        "billing",
        "Asks about a bill",
        "Questions that refer to each other, about one invoice.",
        _lines(*(f"billing_{number:02}" for number in range(1, 7))),
    ),
    SampleCall(
        "outage",
        "Calls in an outage",
        "The usual model is down, then the voice: another one takes over in the same turn.",
        _lines("outage_01", "outage_02", "outage_03"),
        policies=("haiku_first",),  # one caller in twenty has another, whose usual model is not the one that is down
    ),
    SampleCall(
        "policies",
        "Slow beside fast",
        "The same call twice, with the usual policy and with a fast one: compare the times of both.",
        _lines("billing_01", "billing_02", "billing_04", "billing_05", "billing_06"),
        policies=("haiku_first", "fast"),
    ),
)


@dataclass(frozen=True, slots=True)
class Serving:
    """The services (`stt`, `llm`, `tts`) that are simulated at this moment, run on a machine of one's own, should.

    `failures`: service → how often it failed so far. `stands_in`: what failed is simulated until it is back.
    """

    simulated: Sequence[str] = ()
    local: Sequence[str] = ()
    failed: Sequence[str] = ()
    failures: Mapping[str, int] = field(default_factory=dict[str, int])
    stands_in: bool = True


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


def sample_calls(serving: Serving, stage: SampleStage | None) -> dict[str, Any]:
    """What the page is told: the simulated and the local services, the keys that make them real, and the calls.

    Without a stage none is offered, and on one those that can be finished there.
    """
    known = _transcripts()
    calls = [
        {
            "name": call.name,
            "title": call.title,
            "shows": call.shows,
            "policies": list(call.policies),
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
        if stage is not None and set(call.policies) <= set(stage.policies) and call.tool in (None, *stage.tools)
    ]
    return {
        "simulated": list(serving.simulated),
        "local": list(serving.local),
        "failed": list(serving.failed),
        "failures": dict(serving.failures),
        "stands_in": serving.stands_in,
        "keys": [KEY_OF[service] for service in serving.simulated if service in KEY_OF],
        "calls": calls,
    }
