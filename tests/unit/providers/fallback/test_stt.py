"""The chain of recognisers, in virtual time with scripted ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import Mock

import pytest

from agent.core.audio import bytes_for
from agent.core.calls import CallRecorder, ErrorKind
from agent.providers.base import SttEvent
from agent.providers.fallback.breaker import BreakerState
from agent.providers.fallback.chain import ChainStep, StepSkippedError
from agent.providers.fallback.stt import SttFallback
from agent.providers.openai.segmented_stt import VoiceDetector
from agent.session.guarded import GuardedSpeechToText
from agent.turn.vad import VoiceActivity
from tests.support.scripted_stt import (
    FRAME_S,
    LOUD,
    QUIET,
    FakeConnection,
    Recogniser,
    RecordedCall,
    SttTimeline,
    stt_breaker,
    stt_call,
    stt_step,
)
from tests.support.virtual_time import run_virtual


def test_a_healthy_recogniser_is_all_there_is() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 0.5), (QUIET, 1), (LOUD, 0.2), (QUIET, 1))

    first, second = Recogniser("deepgram"), Recogniser("whisper")
    call = stt_call(scenario, stt_step(first), stt_step(second))
    assert [len(turn.words) for turn in call.turns] == [5, 2]
    assert [turn.words[-1].end_s for turn in call.turns] == [pytest.approx(1.5), pytest.approx(2.7)]
    assert call.recorder.path == []
    assert call.error is None
    assert second.connections == []
    assert first.told == bytes_for(3.7)


class PromptRecogniser:
    """Takes audio without a wait, but while it is `busy`."""

    provider = "deepgram"
    model = "m"

    def __init__(self) -> None:
        self.told: list[bytes] = []
        self.busy = False
        self.finished = asyncio.Event()

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[PromptRecogniser]:
        await asyncio.sleep(0.1)
        yield self

    async def send(self, pcm: bytes, *, voiced_s: float = 0.0) -> None:
        self.told.append(pcm)
        await asyncio.sleep(0.01)

    def send_now(self, pcm: bytes, *, voiced_s: float = 0.0) -> bool:
        if not self.busy:
            self.told.append(pcm)
        return not self.busy

    async def finish(self) -> None:
        self.finished.set()

    async def __aiter__(self) -> AsyncIterator[SttEvent]:
        await self.finished.wait()
        return
        yield


def test_audio_goes_up_at_once_and_overtakes_nothing() -> None:
    pieces = [bytes([number]) * 1_280 for number in range(1, 7)]

    async def scenario() -> None:
        first = PromptRecogniser()
        async with SttFallback([ChainStep("deepgram", first, None)]).open("s1", SttTimeline()) as stream:
            stream.send_now(pieces[0])  # while it connects
            assert first.told == []
            await asyncio.sleep(0.2)
            assert first.told == pieces[:1]
            stream.send_now(pieces[1])
            assert first.told == pieces[:2]  # at once
            first.busy = True
            stream.send_now(pieces[2])
            first.busy = False
            stream.send_now(pieces[3])
            assert first.told == pieces[:2]  # it waits behind what waits
            await asyncio.sleep(0.1)
            stream.send_now(pieces[4])
            stream.send_now(pieces[5] * 20)  # more than is told at once: it goes in pieces
            assert b"".join(first.told) == b"".join(pieces[:5])
            await asyncio.sleep(0.2)
            assert b"".join(first.told) == b"".join(pieces[:5]) + pieces[5] * 20
            assert max(map(len, first.told)) == bytes_for(0.2)
            assert stream.sent_bytes == len(b"".join(first.told))
            await stream.finish()
            assert [heard async for heard in stream] == []

    run_virtual(scenario())


def test_a_lost_connection_is_made_again_and_the_turn_is_told_from_its_beginning() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 0.5), (QUIET, 1))
        await call.say((LOUD, 0.6))
        first.break_off()
        await call.say((LOUD, 0.4), (QUIET, 1))

    first = Recogniser("deepgram")
    call = stt_call(scenario, stt_step(first, breaker := stt_breaker("deepgram")), stt_step(Recogniser("whisper")))
    assert [len(turn.words) for turn in call.turns] == [5, 10]
    assert call.turns[1].words[0].start_s == pytest.approx(2.5)  # times count the audio of the whole stream
    assert call.turns[1].words[-1].end_s == pytest.approx(3.5)
    assert len(first.connections) == 2
    assert call.recorder.path == []
    assert breaker.state is BreakerState.CLOSED
    assert first.told < bytes_for(4.5 + 1.7)  # the finished turn is not paid for again


def test_after_two_attempts_in_vain_the_next_step_hears_the_same_audio() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 2.5))
        first.dead = True
        await call.say((LOUD, 0.5), (QUIET, 1))

    first, second = Recogniser("deepgram"), Recogniser("whisper")
    call = stt_call(scenario, stt_step(first), stt_step(second))
    assert call.recorder.path == [("deepgram", "whisper", "refused")]
    assert call.turns[-1].text.split()[-1] == "w29"
    assert len(first.opened_at) == 3
    assert call.error is None


def test_a_recogniser_that_breaks_off_again_and_again_is_given_up() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.5))
        first.break_off()
        await call.say((LOUD, 0.5))
        first.break_off()
        await call.say((LOUD, 0.5), (QUIET, 1))

    first = Recogniser("deepgram")
    call = stt_call(scenario, stt_step(first), stt_step(Recogniser("whisper")))
    assert call.recorder.path == [("deepgram", "whisper", "disconnected")]
    assert len(first.opened_at) == 2
    assert len(call.turns[-1].words) == 15


@pytest.mark.parametrize(
    "kind", [ErrorKind.MISCONFIGURED, ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED, ErrorKind.TIMEOUT]
)
def test_some_errors_are_not_tried_again(kind: ErrorKind) -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.5), (QUIET, 1))

    first = Recogniser("deepgram", dead=True, refuses=kind)
    call = stt_call(scenario, stt_step(first), stt_step(Recogniser("whisper")))
    assert len(first.opened_at) == 1
    assert call.recorder.path == [("deepgram", "whisper", kind.value)]
    assert len(call.turns) == 1


def test_between_two_turns_the_chain_goes_back_to_a_step_that_is_well_again() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.5), (QUIET, 1))
        first.dead = False
        await call.say((LOUD, 20))  # one long turn: no change in the middle of it
        assert first.connections == []
        await call.say((QUIET, 2), (LOUD, 0.5), (QUIET, 1))

    first, second = Recogniser("deepgram", dead=True), Recogniser("whisper")
    call = stt_call(scenario, stt_step(first), stt_step(second))
    assert call.recorder.path == [("deepgram", "whisper", "refused"), ("whisper", "deepgram", "recovered")]
    assert [len(turn.words) for turn in call.turns] == [5, 200, 5]
    assert call.turns[-1].words[-1].end_s == pytest.approx(24.0)


def test_an_open_breaker_is_not_asked_and_asked_again_when_it_closes() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.5), (QUIET, 1))
        assert first.opened_at == []
        breaker.state = BreakerState.CLOSED
        await call.say((QUIET, 1), (LOUD, 0.5), (QUIET, 1))

    breaker = stt_breaker("deepgram")
    breaker.state = BreakerState.OPEN
    first = Recogniser("deepgram")
    call = stt_call(scenario, stt_step(first, breaker), stt_step(Recogniser("whisper")))
    assert call.recorder.path == [("deepgram", "whisper", "breaker_open"), ("whisper", "deepgram", "recovered")]
    assert len(call.turns) == 2


def test_it_is_known_whether_any_breaker_lets_callers_through() -> None:
    first, second = stt_breaker("deepgram"), stt_breaker("whisper")
    chain = SttFallback([stt_step(Recogniser("deepgram"), first), stt_step(Recogniser("whisper"), second)])
    assert chain.served
    first.state = BreakerState.OPEN
    assert chain.served
    second.state = BreakerState.HALF_OPEN
    assert not chain.served
    assert not GuardedSpeechToText(chain, Mock(), Mock()).served, "a session's purse hides nothing of it"
    second.state = BreakerState.CLOSED
    assert GuardedSpeechToText(chain, Mock(), Mock()).served


def test_when_nobody_is_left_the_stream_fails_and_says_who_is_next() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 2))
        assert call.error is not None

    call = stt_call(
        scenario,
        stt_step(Recogniser("deepgram", dead=True)),
        stt_step(Recogniser("whisper", dead=True)),
        last="browser",
    )
    assert call.error is not None
    assert (call.error.provider, call.error.kind) == ("whisper", ErrorKind.REFUSED)
    assert call.recorder.path == [("deepgram", "whisper", "refused"), ("whisper", "browser", "refused")]


def test_failures_are_counted_by_the_breaker_that_all_sessions_share() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 1))

    breaker = stt_breaker("deepgram")
    for _ in range(2):
        stt_call(scenario, stt_step(Recogniser("deepgram", dead=True), breaker), stt_step(Recogniser("whisper")))
    assert breaker.state is BreakerState.OPEN


# Slots


class BusyRecogniser(Recogniser):
    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[FakeConnection]:
        raise StepSkippedError("busy")
        yield FakeConnection(self)


def test_a_step_without_a_free_slot_is_passed_over_and_has_not_failed() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 1))
        assert call.error is not None

    breaker = stt_breaker("whisper")
    for _ in range(3):
        call = stt_call(
            scenario,
            stt_step(Recogniser("deepgram", dead=True)),
            stt_step(BusyRecogniser("whisper"), breaker),
            last="browser",
        )
        assert call.recorder.path == [("deepgram", "whisper", "refused"), ("whisper", "browser", "busy")]
    assert breaker.state is BreakerState.CLOSED


# Ends


def test_a_stream_that_is_lost_when_it_has_nothing_left_to_hear_ends_well() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.5), (QUIET, 1))
        first.dead = True
        await call.stream.finish()
        first.break_off()

    first = Recogniser("deepgram")
    call = stt_call(scenario, stt_step(first), stt_step(Recogniser("whisper", dead=True)))
    assert call.error is None
    assert len(call.turns) == 1


def test_leaving_the_stream_stops_everything() -> None:
    async def run() -> None:
        chain = SttFallback([stt_step(Recogniser("deepgram"))])
        before = asyncio.all_tasks()
        async with chain.open("s", SttTimeline()) as stream:
            await stream.send(LOUD, voiced_s=FRAME_S)
            await asyncio.sleep(1)
        assert asyncio.all_tasks() == before

    run_virtual(run())


def test_a_mistake_of_ours_is_not_swallowed() -> None:
    class Broken(Recogniser):
        @asynccontextmanager
        async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[FakeConnection]:
            raise ZeroDivisionError
            yield FakeConnection(self)

    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 1))

    with pytest.raises(ZeroDivisionError):
        stt_call(scenario, stt_step(Broken("deepgram")))


def test_our_voice_activity_is_a_detector_for_segments() -> None:
    detector: VoiceDetector = VoiceActivity()
    assert detector.feed(QUIET, 0.1) == []


def test_a_long_wait_for_a_connection_loses_no_words() -> None:
    class SlowRecogniser(Recogniser):
        @asynccontextmanager
        async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[FakeConnection]:
            await asyncio.sleep(1.5)
            connection = FakeConnection(self)
            yield connection

    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 1), (QUIET, 3))

    call = stt_call(scenario, stt_step(SlowRecogniser("deepgram")))
    assert len(call.turns[0].words) == 10
    assert call.turns[0].words[-1].end_s == pytest.approx(1.0)
