"""How the audio of a voice is cut into pieces: at once while the caller has none, in fewer where there is enough."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from itertools import accumulate

import pytest

from agent.core import clock
from agent.core.audio import bytes_for, duration_s
from agent.core.calls import ErrorKind
from agent.providers.call import NO_RECORDER, Failure, ProviderCall
from agent.providers.speech import LONGEST_HELD_S, LONGEST_PAUSE_S, audio_of
from tests.support.virtual_time import run_virtual

CHUNK = bytes_for(0.05)
LOUD = b"\x00\x40" * (CHUNK // 2)
SMALL = LOUD[: bytes_for(0.02)]


async def _chunks(count: int, every_s: float, *, breaks: bool = False) -> AsyncGenerator[bytes]:
    for _ in range(count):
        if every_s:
            await asyncio.sleep(every_s)
        yield LOUD
    if breaks:
        raise ConnectionError


async def _heard(chunks: AsyncGenerator[bytes]) -> list[tuple[float, float]]:
    """When each piece came and how long it is, in seconds; the last one also where the answer breaks off."""
    call = ProviderCall("tts", "p", "m", NO_RECORDER, lambda error, call: Failure(ErrorKind.DISCONNECTED))
    call.start()
    heard: list[tuple[float, float]] = []
    try:
        async for piece in audio_of(call, {"content-type": "audio/pcm"}, chunks, 16_000):
            heard.append((clock.now(), duration_s(len(piece.pcm))))  # noqa: PERF401  those before an error count
    except ConnectionError:
        heard.append((clock.now(), 0.0))
    return heard


def test_a_fast_voice_comes_in_fewer_and_larger_pieces() -> None:
    heard = run_virtual(_heard(_chunks(60, 0.0)))
    lengths = [seconds for _, seconds in heard]
    assert lengths[:3] == pytest.approx([0.05, 0.05, 0.05])
    assert max(lengths) <= LONGEST_HELD_S + 0.05
    assert sum(lengths) == pytest.approx(3.0)
    assert len(lengths) < 60 / 3


def test_a_voice_that_is_no_faster_than_its_speech_is_heard_at_once() -> None:
    heard = run_virtual(_heard(_chunks(60, 0.05)))
    assert [seconds for _, seconds in heard] == pytest.approx([0.05] * 60)


@pytest.mark.parametrize("every_s", [0.0, 0.01, 0.03, 0.045])
def test_what_is_held_back_leaves_no_gap_at_the_caller(every_s: float) -> None:
    heard = run_virtual(_heard(_chunks(100, every_s)))
    began = heard[0][0]
    ends = accumulate(seconds for _, seconds in heard)
    assert all(came <= began + end for (came, _), end in zip(heard[1:], ends, strict=False))


class _Connection:
    """A voice that speaks at its own pace, whether anybody reads or not; counts how often somebody waited for it."""

    def __init__(self, seconds: float, speed: float) -> None:
        self.ends_s = seconds / speed
        self.waited = 0
        self._speed = speed
        self._count = round(seconds / duration_s(len(SMALL)))

    async def chunks(self) -> AsyncGenerator[bytes]:
        began = clock.now()
        for number in range(self._count):
            due = began + number * duration_s(len(SMALL)) / self._speed
            if clock.now() < due:
                self.waited += 1
                await asyncio.sleep(due - clock.now())
            yield SMALL
        await asyncio.sleep(max(0.0, began + self.ends_s - clock.now()))


@pytest.mark.parametrize(("speed", "most_waits"), [(1.0, 1.0), (1.2, 0.5), (2.0, 0.25), (5.0, 0.11), (20.0, 0.06)])
def test_a_voice_that_is_ahead_is_read_seldom_and_leaves_no_gap(speed: float, most_waits: float) -> None:
    connection = _Connection(6.0, speed)

    async def run() -> tuple[list[tuple[float, float]], float]:
        began = clock.now()
        return await _heard(connection.chunks()), clock.now() - began

    heard, took_s = run_virtual(run())
    assert connection.waited <= most_waits * 6.0 / 0.02
    assert took_s <= connection.ends_s + LONGEST_PAUSE_S
    assert sum(seconds for _, seconds in heard) == pytest.approx(6.0)
    began, ends = heard[0][0], accumulate(seconds for _, seconds in heard)
    assert all(came <= began + end + 1e-6 for (came, _), end in zip(heard[1:], ends, strict=False))


def test_what_was_held_back_is_given_out_before_an_answer_breaks_off() -> None:
    heard = run_virtual(_heard(_chunks(20, 0.0, breaks=True)))
    assert sum(seconds for _, seconds in heard) == pytest.approx(1.0)
    assert heard[-1][1] == 0.0
