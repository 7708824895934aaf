"""What `make bench-latency` compares: `haiku_first` with knobs, and `fast`, over the sandbox's providers.

The parameters of early ends are fixed here, before anything was tuned, from Deepgram's documentation: at thresholds of
0.3 to 0.5 an early end comes 150 to 250 ms sooner and means 50 to 70 % more calls of the model.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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
HEDGED: Final = 'hedging = { model_percent = 100, at_once = ["haiku"], voice_percent = 8, voice_quantile_percent = 98 }'
FAST: Final = "fast"
"""The shipped policy with every knob; the others are `haiku_first` with some of them."""
STABLE: Final = "early_replies = { threshold_percent = 30, stable_ms = 60, waste_percent = 100 }"
WORDS: Final = "first_words = {}"
FAST_WITH_NOVA: Final = f"first_words = {{ ask_openings = true }}\n{HEDGED}"
NOVA_EARLY: Final = f"early_replies = {{ stable_ms = 60, waste_percent = 100 }}\n{FAST_WITH_NOVA}"


@dataclass(frozen=True, slots=True)
class LatencyScene:
    """One policy under one condition. `stalls` is the share of the calls of `stalling` that never answer.

    policy: a shipped one, with `knobs` beside its own, and less those that are named in `without`.
    new_words: no clause comes from the audio cache, but for openings, as if no two replies were the same.
    """

    name: str
    knobs: str = ""
    policy: str = "haiku_first"
    without: tuple[str, ...] = ()
    new_words: bool = False
    stt_model: str = "flux"
    profile: str = "measured"
    stalls: float = 0.0
    stalling: str = "anthropic"
    early: EarlyEnds = USUAL
    outside: bool = False
    """Whether callers are the outside recordings, with pauses."""


@dataclass(frozen=True, slots=True)
class SceneGroup:
    """Scenes that are compared with each other: they play in turns. The first one is what the others stand against.

    `copies` of each scene play at once, each with a service of its own: more turns in the same time.
    `callers` call at a time, in each of at most so many `rounds`. `together`: all scenes at once, where turns are
    counted and times are not compared.
    """

    title: str
    callers: int
    rounds: int
    scenes: tuple[LatencyScene, ...]
    together: bool = False
    copies: int = 1


OFF: Final = LatencyScene("off")
_FRESH: Final = LatencyScene("off", new_words=True)
_FAST: Final = LatencyScene("fast: every knob", policy=FAST)
_FAST_FRESH: Final = LatencyScene("fast: every knob", policy=FAST, new_words=True)
_UNASKED: Final = LatencyScene(
    "fast, openings not asked for", WORDS, policy=FAST, without=("first_words",), new_words=True
)
_NOVA: Final = LatencyScene("Nova, off", stt_model="nova-3", new_words=True)
_FAST_NOVA: Final = LatencyScene("Nova, every knob", FAST_WITH_NOVA, stt_model="nova-3", new_words=True)
_NOVA_EARLY: Final = LatencyScene("Nova, early replies, too", NOVA_EARLY, stt_model="nova-3", new_words=True)
GROUPS: Final = (
    SceneGroup(
        "One session of each policy, no clause is said twice",
        1,
        50,
        (
            _FRESH,
            _UNASKED,
            _FAST_FRESH,
            _NOVA,
            _NOVA_EARLY,
            _FAST_NOVA,
        ),
        together=True,
        copies=2,
    ),
    SceneGroup(
        "Fifty sessions, no clause is said twice",
        50,
        1,
        (_FRESH, _UNASKED, _FAST_FRESH, _NOVA, _NOVA_EARLY, _FAST_NOVA),
    ),
    SceneGroup("Fifty sessions, everybody says the same", 50, 1, (OFF, _FAST)),
    SceneGroup(
        "A bad evening (profile `degraded`, 25 sessions of each policy)",
        25,
        1,
        (replace(OFF, profile="degraded"), replace(_FAST, profile="degraded")),
        together=True,
    ),
    SceneGroup(
        "One call of the model in twenty never answers",
        50,
        1,
        (
            replace(_FRESH, stalls=0.05),
            LatencyScene("fast, without hedging", policy=FAST, without=("hedging",), new_words=True, stalls=0.05),
            replace(_FAST_FRESH, stalls=0.05),
        ),
    ),
    SceneGroup(
        "One call of the voice in twenty never answers",
        50,
        1,
        (
            replace(_FRESH, stalls=0.05, stalling="elevenlabs"),
            replace(_FAST_FRESH, stalls=0.05, stalling="elevenlabs"),
        ),
    ),
    SceneGroup(
        "Callers who pause in the middle of what they say (outside recordings, both at the same time)",
        18,
        1,
        (replace(OFF, outside=True), replace(_FAST, outside=True)),
        together=True,
    ),
)


def policies(folder: Path, scene: LatencyScene) -> Path:
    """The shipped policies, everybody on the one of the scene, which has its knobs and its recogniser."""
    head, name, rest = DEFAULT_PATH.read_text().partition(f'name = "{scene.policy}"')
    own, next_table, others = rest.partition("[policy.chains]")
    lines = [line for line in own.splitlines() if not line.startswith(scene.without)] if scene.without else [own]
    own = "\n".join([*lines, scene.knobs, ""]).replace('stt_model = "flux"', f'stt_model = "{scene.stt_model}"')
    others = others.replace("haiku_first = 95\nsonnet_first = 5", f"{scene.policy} = 100")
    made = folder / "policies.toml"
    made.write_text(f"{head}{name}{own}{next_table}{others}")
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
