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
from tests.support.paths import DATA
from tests.support.stack import clip
from voice_loadtest.audio import SAMPLE_RATE, CallerRecording, load_wav
from voice_sandbox.recognizer.early_end import EarlyEnds

CALLS: Final = (
    ("room_01", "room_02", "room_03", "room_05"),
    ("order_01", "order_02", "order_03", "order_04"),
    ("billing_01", "billing_02", "billing_04", "billing_05"),
    ("smalltalk_01", "smalltalk_02", "smalltalk_03", "smalltalk_04"),
)
OUTSIDE: Final = DATA / "speech"
OUTSIDE_CLIPS: Final = (
    "booking_01_book_a_room", "booking_04_230pm", "booking_05_half_an_hour", "question_brooklyn_bridge",
    "short_not_so_sure", "command_go_forward", "cards_002", "cards_005", "lamp",
)  # fmt: skip
"""Recordings of three words and more: who says one or two does not pause in the middle."""
PAUSES_S: Final = (0.3, 0.65, 0.9)
"""In the middle of what a caller says, one after the other; the sandbox waits for 0.7 s after half a sentence,
so the longest one is cut off whatever the policy."""
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
    outside: bool = False
    """Whether callers are the outside recordings, with pauses."""


@dataclass(frozen=True, slots=True)
class SceneGroup:
    """Scenes that are compared with each other: they play in turns. The first one is what the others stand against.

    `callers` call at a time, in each of at most so many `rounds`. `together`: all scenes at once, where turns are
    counted and times are not compared.
    """

    title: str
    callers: int
    rounds: int
    scenes: tuple[LatencyScene, ...]
    together: bool = False


STABLE: Final = "early_replies = { threshold_percent = 30, stable_ms = 60, waste_percent = 100 }"
NOVA: Final = "early_replies = { stable_ms = 60, waste_percent = 100 }"
VOICE: Final = "early_voice = { confidence_percent = 30, waste_percent = 100 }"
WORDS: Final = "first_words = {}"
EVERY: Final = f"{STABLE}\n{VOICE}\n{WORDS}\n{HEDGED}"

GROUPS: Final = (
    SceneGroup(
        "The knobs, with Flux",
        20,
        2,
        (
            LatencyScene("off"),
            LatencyScene("early, 50 %", "early_replies = { threshold_percent = 50, waste_percent = 100 }"),
            LatencyScene("early, 30 %", EARLY),
            LatencyScene("and words that stand for 60 ms", STABLE),
            LatencyScene("and early voice, 30 %", f"{STABLE}\n{VOICE}"),
            LatencyScene("first words alone", WORDS),
            LatencyScene("every knob", EVERY),
        ),
    ),
    SceneGroup("One session", 1, 4, (LatencyScene("off"), LatencyScene("every knob", EVERY))),
    SceneGroup("Fifty sessions", 50, 1, (LatencyScene("off"), LatencyScene("every knob", EVERY))),
    SceneGroup(
        "Nova",
        20,
        1,
        (
            LatencyScene("off", stt_model="nova-3"),
            LatencyScene("words that stand for 60 ms", NOVA, stt_model="nova-3"),
            LatencyScene("and first words and hedging", f"{NOVA}\n{WORDS}\n{HEDGED}", stt_model="nova-3"),
        ),
    ),
    SceneGroup(
        "A bad evening (profile `degraded`)",
        20,
        1,
        (LatencyScene("off", profile="degraded"), LatencyScene("every knob", EVERY, profile="degraded")),
    ),
    SceneGroup(
        "One call of the model in twenty never answers",
        20,
        2,
        (
            LatencyScene("off", stalls=0.05),
            LatencyScene("hedging, as it comes", HEDGED, stalls=0.05),
            LatencyScene("hedging, 75 % and 30 %", WIDE, stalls=0.05),
        ),
    ),
    SceneGroup(
        "Early at 30 %: by how early the early end comes, and how often it is taken back",
        20,
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
        "Callers who pause in the middle of what they say (outside recordings, all rows at the same time)",
        6,
        1,
        (
            LatencyScene("off", outside=True),
            LatencyScene("early, 30 %", EARLY, outside=True),
            LatencyScene("and words that stand for 60 ms", STABLE, outside=True),
            LatencyScene("and early voice, 30 %", f"{STABLE}\n{VOICE}", outside=True),
            LatencyScene("first words alone", WORDS, outside=True),
            LatencyScene("hedging alone", HEDGED, outside=True),
            LatencyScene("every knob", EVERY, outside=True),
        ),
        together=True,
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
    if not scene.outside:
        return [clip(name) for name in CALLS[caller % len(CALLS)]]
    names = [OUTSIDE_CLIPS[(caller + step) % len(OUTSIDE_CLIPS)] for step in (0, 3, 6)]
    clips = [load_wav(OUTSIDE / f"{name}.wav") for name in names]
    return [paused(one, PAUSES_S[(caller + number) % len(PAUSES_S)]) for number, one in enumerate(clips)]


def paused(recording: CallerRecording, seconds: float) -> CallerRecording:
    """The same with so much silence at the quietest 20 ms of its middle third."""
    samples = np.frombuffer(recording.pcm, dtype="<i2")
    span = recording.voice_ends - recording.voice_begins
    first, frame = recording.voice_begins + span // 3, SAMPLE_RATE // 50
    frames = samples[first : first + span // 3 // frame * frame].reshape(-1, frame).astype(np.float64)
    cut = first + int((frames**2).mean(axis=1).argmin()) * frame
    silence = np.zeros(round(seconds * SAMPLE_RATE), np.int16)
    return CallerRecording.of(recording.name, np.concatenate([samples[:cut], silence, samples[cut:]]).tobytes())
