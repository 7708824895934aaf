from __future__ import annotations

import numpy as np
import pytest

from agent.providers.output_check import audible, speakable


def _tone(dbfs: float, samples: int) -> bytes:
    """A square wave: its RMS is its amplitude."""
    level = round(32768 * 10 ** (dbfs / 20))
    return np.where(np.arange(samples) % 20 < 10, level, -level).astype("<i2").tobytes()


@pytest.mark.parametrize(("dbfs", "expected"), [(-20.0, True), (-49.0, True), (-51.0, False), (-70.0, False)])
def test_sound_begins_above_minus_50_dbfs(dbfs: float, expected: bool) -> None:
    assert audible(_tone(dbfs, 320)) is expected


def test_one_loud_frame_is_enough() -> None:
    silence = bytes(2 * 1600)
    assert not audible(silence)
    assert audible(silence + _tone(-30, 160) + silence)


def test_a_short_rest_counts_as_a_frame() -> None:
    assert audible(bytes(2 * 160) + _tone(-30, 40))
    assert audible(_tone(-30, 1))
    assert not audible(b"")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Yes", True), ("7", True), ("あ", True), ("", False), ("  \n", False), ("...", False), ("🙂", False)],
)
def test_text_to_say_has_a_letter_or_digit(text: str, expected: bool) -> None:
    assert speakable(text) is expected
