"""No knob of speed ends a turn sooner: outside callers who pause are cut off as often with it as without."""

from __future__ import annotations

import pytest

from tests.support.simulated_calls import SPEECH, Knobs, Simulated, call
from tools.bench.latency_scenes import OUTSIDE, paused
from tools.bench.pauses import KNOBS, row
from voice_loadtest.audio import load_wav

SAID = (("question_brooklyn_bridge", 0.3), ("lamp", 0.9))

needs_recordings = pytest.mark.skipif(
    not SPEECH.exists(), reason="the recorded speech is not here: VOICE_AGENT_DATA names its folder"
)


def played(knobs: Knobs) -> Simulated:
    result = Simulated()
    call(knobs, [paused(load_wav(OUTSIDE / f"{name}.wav"), seconds) for name, seconds in SAID], 1, result)
    return result


@needs_recordings
@pytest.mark.parametrize("knobs", [KNOBS[7], KNOBS[9]], ids=lambda knobs: knobs.name)
def test_callers_who_pause_are_cut_off_no_more_often_with_every_knob(knobs: Knobs) -> None:
    off, on = played(Knobs("off", nova=knobs.nova)), played(knobs)
    assert (on.turns, on.cut_off) == (off.turns, off.cut_off)
    assert on.taken > 0
    assert row(knobs, on).count("|") == row(knobs, off).count("|")


@needs_recordings
def test_a_pause_is_long_enough_to_cut_somebody_off() -> None:
    assert played(Knobs("off")).cut_off == 1
