"""A turn that is told again to another connection: what was known of it is not all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from agent.core.calls import CallRecorder
from agent.providers.base import SttEvent, SttEventKind
from tests.support.scripted_stt import LOUD, QUIET, FakeConnection, Recogniser, RecordedCall, stt_call, stt_step


@dataclass
class LateConnection(FakeConnection):
    first_s: float = 0.0
    then_s: float = 0.0

    async def __aiter__(self) -> AsyncIterator[SttEvent]:
        await asyncio.sleep(self.first_s)  # it transcribes what it was told
        async for event in super().__aiter__():
            yield event
            await asyncio.sleep(self.then_s)
            self.then_s = 0.0


@dataclass
class LateRecogniser(Recogniser):
    connect_s: float = 0.0
    first_s: float = 0.0
    then_s: float = 0.0

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[FakeConnection]:
        await asyncio.sleep(self.connect_s)
        yield LateConnection(self, first_s=self.first_s, then_s=self.then_s)


@pytest.mark.parametrize(
    ("connect_s", "first_s", "then_s"), [(0, 0.7, 0), (0.6, 0.55, 0), (1.2, 0.3, 0), (0.2, 0.3, 0.45)]
)
def test_half_a_turn_of_a_lost_connection_is_not_all_before_the_next_one_had_time_to_hear_it(
    connect_s: float, first_s: float, then_s: float
) -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 1), (QUIET, 1))
        first.connections[-1].events.put_nowait(SttEvent(SttEventKind.PARTIAL, "w0 w1"))  # it lags behind the audio
        await call.say((QUIET, 0.1))
        first.dead = True
        first.break_off()
        await call.say((QUIET, 2))

    first = Recogniser("deepgram", deaf=True)
    late = LateRecogniser("whisper", connect_s=connect_s, first_s=first_s, then_s=then_s)
    call = stt_call(scenario, stt_step(first), stt_step(late))
    assert [len(turn.words) for turn in call.turns] == [10]
    assert call.recorder.path == [("deepgram", "whisper", "refused")]
