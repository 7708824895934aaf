from __future__ import annotations

from agent.core.audio import bytes_for
from agent.providers.fallback.replay_buffer import LIMIT_BYTES, QUIET_BYTES, Unheard

PIECE_S = 0.1


SILENCE = bytes(bytes_for(PIECE_S))
VOICE = b"\x00\x20" * (bytes_for(PIECE_S) // 2)


def _add(unheard: Unheard, pcm: bytes, seconds: float, *, turn_open: bool = False) -> None:
    for _ in range(round(seconds / PIECE_S)):
        unheard.add(pcm, voiced_s=PIECE_S if pcm == VOICE else 0.0, turn_open=turn_open)


def test_audio_is_found_by_its_position_in_the_stream() -> None:
    unheard = Unheard()
    unheard.add(b"\x01\x02\x03\x04", voiced_s=0.0, turn_open=True)
    unheard.add(b"\x05\x06", voiced_s=0.0, turn_open=True)
    assert (unheard.start, unheard.end) == (0, 6)
    assert unheard.since(2) == b"\x03\x04\x05\x06"
    unheard.forget(4)
    assert (unheard.start, unheard.end) == (4, 6)
    assert unheard.since(0) == b"\x05\x06"
    assert unheard.since(6) == b""
    unheard.forget(100)
    assert (unheard.start, unheard.end) == (6, 6)


def test_memory_is_bounded_however_long_a_turn_is() -> None:
    unheard = Unheard()
    _add(unheard, VOICE, 60, turn_open=True)
    assert unheard.end - unheard.start == LIMIT_BYTES
    assert unheard.end == bytes_for(60.0)


def test_silence_keeps_only_a_second() -> None:
    unheard = Unheard()
    _add(unheard, VOICE, 3)
    _add(unheard, SILENCE, 1.9)
    assert unheard.start == 0
    _add(unheard, SILENCE, 1)
    assert unheard.end - unheard.start == QUIET_BYTES


def test_silence_in_an_open_turn_is_kept() -> None:
    unheard = Unheard()
    _add(unheard, VOICE, 1, turn_open=True)
    _add(unheard, SILENCE, 5, turn_open=True)
    assert unheard.start == 0


def test_voiced_seconds_add_up_and_fade() -> None:
    unheard = Unheard()
    _add(unheard, SILENCE, 1)
    assert unheard.voiced_s == 0
    _add(unheard, VOICE, 2)
    assert 1.9 < unheard.voiced_s < 2.1
    _add(unheard, SILENCE, 20)
    assert unheard.voiced_s < 0.8
