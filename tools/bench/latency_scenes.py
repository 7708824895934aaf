"""What `make bench-latency` compares: policies of `haiku_first` with knobs, over the sandbox's providers.

The parameters of early ends are fixed here, before anything was tuned, from Deepgram's documentation: at thresholds of
0.3 to 0.5 an early end comes 150 to 250 ms sooner and means 50 to 70 % more calls of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from agent.policy.policies import DEFAULT_PATH
from tests.support.stack import clip
from voice_loadtest.audio import SAMPLE_RATE, CallerRecording
from voice_sandbox.recognizer.early_end import EarlyEnds

CALLS: Final = (
    ("room_01", "room_02", "room_03", "room_05"),
    ("order_01", "order_02", "order_03", "order_04"),
    ("billing_01", "billing_02", "billing_04", "billing_05"),
    ("smalltalk_01", "smalltalk_02", "smalltalk_03", "smalltalk_04"),
)
PAUSES_S: Final = (0.3, 0.5, 0.65)
"""In the middle of what a caller says, one after the other; the sandbox waits for 0.7 s after half a sentence."""
USUAL: Final = EarlyEnds(taken_back=0.6)
HEDGED: Final = "hedging = {}"
WIDE: Final = "hedging = { quantile_percent = 75, model_percent = 30, voice_percent = 0 }"
EARLY: Final = "early_replies = { threshold_percent = 30, waste_percent = 100 }"


@dataclass(frozen=True, slots=True)
class LatencyScene:
    """One policy under one condition. `stalls` is the share of the model's calls that never answer."""

    name: str
    knobs: str = ""
    stt_model: str = "flux"
    profile: str = "measured"
    stalls: float = 0.0
    early: EarlyEnds = USUAL
    pauses: bool = False


@dataclass(frozen=True, slots=True)
class SceneGroup:
    """Scenes that are compared with each other: they play in turns. The first one is what the others stand against."""

    title: str
    rounds: int
    scenes: tuple[LatencyScene, ...]


GROUPS: Final = (
    SceneGroup(
        "The knobs, with Flux",
        3,
        (
            LatencyScene("off"),
            LatencyScene("early, 50 %", "early_replies = { threshold_percent = 50, waste_percent = 100 }"),
            LatencyScene("early, 30 %", EARLY),
            LatencyScene("early, 30 %, and hedging", f"{EARLY}\n{HEDGED}"),
        ),
    ),
    SceneGroup(
        "Nova",
        1,
        (LatencyScene("off", stt_model="nova-3"), LatencyScene("hedging", HEDGED, stt_model="nova-3")),
    ),
    SceneGroup(
        "A bad evening (profile `degraded`)",
        1,
        (
            LatencyScene("off", profile="degraded"),
            LatencyScene("early, 30 %, and hedging", f"{EARLY}\n{HEDGED}", profile="degraded"),
        ),
    ),
    SceneGroup(
        "One call of the model in twenty never answers",
        2,
        (
            LatencyScene("off", stalls=0.05),
            LatencyScene("hedging, as it comes", HEDGED, stalls=0.05),
            LatencyScene("hedging, 75 % and 30 %", WIDE, stalls=0.05),
        ),
    ),
    SceneGroup(
        "Early at 30 %: by how early the early end comes, and how often it is taken back",
        1,
        tuple(
            LatencyScene(
                f"{lead * 1000:.0f} ms, {share:.0%} taken back".replace("%", " %"), EARLY, early=EarlyEnds(lead, share)
            )
            for lead in (0.0, 0.15, 0.25)
            for share in (0.0, 0.6)
        ),
    ),
    SceneGroup(
        "Callers who pause in the middle of what they say",
        1,
        (LatencyScene("off", pauses=True), LatencyScene("early, 30 %, and hedging", f"{EARLY}\n{HEDGED}", pauses=True)),
    ),
)


def policies(folder: Path, knobs: str, stt_model: str = "flux") -> Path:
    """The shipped policies, everybody on `haiku_first`, which has these knobs and this recogniser."""
    head, name, rest = DEFAULT_PATH.read_text().partition('name = "haiku_first"')
    rest = rest.replace("haiku_first = 95\nsonnet_first = 5", "haiku_first = 100")
    rest = rest.replace('stt_model = "flux"', f'stt_model = "{stt_model}"', 1)
    made = folder / "policies.toml"
    made.write_text(f"{head}{name}\n{knobs}{rest}")
    return made


def said(scene: LatencyScene, caller: int) -> list[CallerRecording]:
    """What a caller says in its call."""
    clips = [clip(name) for name in CALLS[caller % len(CALLS)]]
    if not scene.pauses:
        return clips
    return [paused(one, PAUSES_S[number % len(PAUSES_S)]) for number, one in enumerate(clips, caller)]


def paused(recording: CallerRecording, seconds: float) -> CallerRecording:
    """The same with so much silence at the quietest 20 ms of its middle third."""
    samples = np.frombuffer(recording.pcm, dtype="<i2")
    span = recording.voice_ends - recording.voice_begins
    first, frame = recording.voice_begins + span // 3, SAMPLE_RATE // 50
    frames = samples[first : first + span // 3 // frame * frame].reshape(-1, frame).astype(np.float64)
    cut = first + int((frames**2).mean(axis=1).argmin()) * frame
    silence = np.zeros(round(seconds * SAMPLE_RATE), np.int16)
    return CallerRecording.of(recording.name, np.concatenate([samples[:cut], silence, samples[cut:]]).tobytes())
