"""One definition of what counts as voice, and those who may not import it have the same figures."""

from __future__ import annotations

import re

import pytest

from agent.core import audio
from agent.turn import vad
from tests.support.paths import ROOT
from voice_loadtest.audio import VOICED_BELOW_LOUDEST_DB, VOICED_FLOOR_DBFS
from voice_sandbox.recognizer.voicing import FLOOR_DBFS, RANGE_DB

DEFINITION = (
    (audio.VOICE_FLOOR_DBFS, "MIN_RMS"),
    (-audio.VOICE_BELOW_PEAK_DB, "BELOW_PEAK"),
    (audio.VOICE_ABOVE_NOISE_DB, "ABOVE_NOISE"),
)
PAGE = (ROOT / "clients" / "js" / "voice-activity.js").read_text()


@pytest.mark.parametrize(("decibels", "name"), DEFINITION)
def test_the_page_and_the_detector_mean_the_same_by_voice(decibels: float, name: str) -> None:
    found = re.search(rf"^const {name} = 10 \*\* \((-?\d+) / 20\);", PAGE, re.MULTILINE)
    assert found is not None
    assert float(found[1]) == decibels
    assert vars(vad)[name] == audio.amplitude(decibels)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RELEASE_FRAMES", vad.RELEASE_FRAMES),
        ("FLOOR_RISE", vad.FLOOR_RISE),
        ("PEAK_DECAY", vad.PEAK_DECAY),
        ("FRAME_SAMPLES", vad.FRAME_BYTES // audio.SAMPLE_WIDTH),
    ],
)
def test_the_page_follows_voice_and_noise_as_the_detector_does(name: str, value: float) -> None:
    found = re.search(rf"const {name} = ([\d.]+);", PAGE)
    assert found is not None
    assert float(found[1]) == value


def test_the_sandbox_and_the_load_test_mean_the_same_by_voice() -> None:
    assert FLOOR_DBFS == VOICED_FLOOR_DBFS == audio.VOICE_FLOOR_DBFS
    assert RANGE_DB == VOICED_BELOW_LOUDEST_DB == audio.VOICE_BELOW_PEAK_DB


def test_the_service_has_these_figures_in_one_file() -> None:
    levels = re.compile(r"10 \*\* \(-?\d+ / 20\)|dBFS: Final|-50\.0")
    files = [path for path in (ROOT / "agent").rglob("*.py") if levels.search(path.read_text())]
    assert [path.name for path in files if path.name != "audio.py"] == []


def test_decibels_are_ratios_of_amplitudes() -> None:
    assert audio.amplitude(0) == 1.0
    assert audio.amplitude(-20) == pytest.approx(0.1)
    assert audio.rms(b"\x00\x40" * 100) == pytest.approx(0.5)
    assert audio.rms(b"") == 0.0
