"""A stream that failed is opened again: ever more rarely, and soon after an outage is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from agent.core import clock
from agent.core.calls import CallRecorder
from agent.providers.base import SpeechStream
from agent.turn.reopening import wait_to_reopen
from tests.support.virtual_time import run_virtual


class Plain:
    provider = model = "script"

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[SpeechStream]:
        raise AssertionError(session, recorder)
        yield


class Knows(Plain):
    served = False


def waited(stt: Plain, failures: int, served_after_s: float | None = None) -> float:
    async def scenario() -> float:
        if isinstance(stt, Knows) and served_after_s is not None:
            asyncio.get_running_loop().call_later(served_after_s, setattr, stt, "served", True)
        began = clock.now()
        await wait_to_reopen(stt, failures)
        return clock.now() - began

    return run_virtual(scenario())


@pytest.mark.parametrize("stt", [Plain, Knows])
@pytest.mark.parametrize(("failures", "seconds"), [(0, 0.5), (1, 1.0), (3, 4.0), (5, 15.0), (9, 15.0)])
def test_it_is_tried_ever_more_rarely(stt: type[Plain], failures: int, seconds: float) -> None:
    assert waited(stt(), failures) == pytest.approx(seconds, abs=0.01)


def test_who_was_out_and_serves_again_is_asked_within_half_a_second() -> None:
    assert 3.2 <= waited(Knows(), 9, served_after_s=3.2) <= 3.7


def test_who_serves_and_fails_all_the_same_is_left_alone_for_as_long_as_before() -> None:
    stt = Knows()
    stt.served = True
    assert waited(stt, 3) == pytest.approx(4.0, abs=0.01)
