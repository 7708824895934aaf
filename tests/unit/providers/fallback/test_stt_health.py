"""Recognisers that are deaf, keep turns open or fall silent: who is believed, and who counts as failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from agent.core import clock
from agent.core.calls import CallRecorder, ErrorKind, ListeningNote, ProviderError
from agent.providers.base import SpeechToText, SttEvent, SttEventKind
from agent.providers.fallback.breaker import Breaker, BreakerState
from agent.providers.fallback.chain import ChainStep
from agent.providers.fallback.concurrency import PriorityLimiter
from agent.providers.fallback.stt import SttFallback
from agent.providers.fallback.stt_rules import ListeningRules
from tests.support.providers import RecordingRecorder
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


def test_a_deaf_recogniser_is_left_and_our_own_recording_decides_whether_it_is_deaf_for_all() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 5), (QUIET, 1))

    for probe_hears, state in ((True, BreakerState.CLOSED), (False, BreakerState.OPEN)):
        breaker = _probed(probe_hears)
        for _ in range(3):
            call = stt_call(
                scenario, stt_step(Recogniser("deepgram", deaf=True), breaker), stt_step(Recogniser("whisper"))
            )
            assert call.recorder.path[0][:2] == ("deepgram", "whisper")
            assert len(call.turns[-1].words) == 50  # also those that nobody had heard before
            run_virtual(_probe_if_due(breaker))
        assert breaker.state is state


def _probed(hears: bool) -> Breaker:
    async def probe(recorder: CallRecorder) -> None:
        if not hears:
            raise ProviderError("deepgram", ErrorKind.EMPTY)

    breaker = stt_breaker("deepgram")
    breaker.probe = probe
    return breaker


async def _probe_if_due(breaker: Breaker) -> None:
    if breaker.probe_at is not None and breaker.state is BreakerState.CLOSED:
        await breaker.ask(RecordingRecorder())


@pytest.mark.parametrize("steps", [1, 2])
def test_a_turn_that_does_not_end_is_ended_here_with_the_words_known(steps: int) -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 0.5), (QUIET, 1.0))
        assert call.turns == []
        await call.say((QUIET, 0.5))
        assert [turn.text for turn in call.turns] == ["w0 w1 w2 w3"]
        await call.say((LOUD, 0.3), (QUIET, 1.5))  # and so is the next one

    first = Recogniser("deepgram", mute_after=4)
    others = [stt_step(Recogniser("whisper"))] if steps == 2 else []
    call = stt_call(scenario, stt_step(first), *others)
    assert call.recorder.path == []
    assert [turn.text for turn in call.turns] == ["w0 w1 w2 w3", "w0 w1 w2"]
    assert len(first.connections) == 2  # it did not answer: a fresh connection heard the second turn
    assert call.recorder.notes == [ListeningNote.TURN_ENDED_HERE]


class ForcedConnection(FakeConnection):
    async def end_turn(self) -> None:
        self.events.put_nowait(SttEvent(SttEventKind.ENDED, "all of it"))


class ForcedRecogniser(Recogniser):
    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[FakeConnection]:
        self.opened_at.append(clock.now())
        yield ForcedConnection(self)


def test_a_recogniser_that_can_end_its_turn_is_asked_to() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 0.5), (QUIET, 1.6), (LOUD, 0.2), (QUIET, 1))

    first = ForcedRecogniser("deepgram", mute_after=4)
    call = stt_call(scenario, stt_step(first))
    assert [turn.text for turn in call.turns] == ["all of it", "w0 w1"]
    assert len(first.opened_at) == 1
    assert call.recorder.notes == [ListeningNote.TURN_FORCED]


def test_a_turn_is_ended_on_a_line_that_never_gets_quiet() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 0.5))
        first.deaf = True  # what follows is a vacuum cleaner
        await call.say((LOUD, 6))
        assert len(call.turns) == 1

    first = Recogniser("deepgram")
    stt_call(scenario, stt_step(first))


class StallsOnce(Recogniser):
    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[FakeConnection]:
        self.opened_at.append(clock.now())
        yield FakeConnection(Recogniser("deepgram", mute_after=5) if len(self.opened_at) == 1 else self)


def test_a_stream_that_stalls_in_the_middle_of_a_turn_is_replaced_and_the_turn_told_again() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 1.5), (QUIET, 2.5))

    call = stt_call(scenario, stt_step(StallsOnce("deepgram")))
    assert [len(turn.words) for turn in call.turns] == [15]
    assert call.recorder.notes == [ListeningNote.RECONNECTED]


def test_what_a_stalled_stream_left_out_is_heard_by_the_next_step() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 1.5), (QUIET, 2.5))

    breaker = stt_breaker("deepgram")
    call = stt_call(scenario, stt_step(Recogniser("deepgram", mute_after=5), breaker), stt_step(Recogniser("whisper")))
    assert [len(turn.words) for turn in call.turns] == [15]
    assert call.recorder.path[0] == ("deepgram", "whisper", "stalled")
    assert breaker.state is BreakerState.CLOSED  # one caller proves nothing


def test_words_that_are_taken_back_make_no_turn() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 0.2))
        first.connections[-1].events.put_nowait(SttEvent(SttEventKind.PARTIAL))
        await call.say((QUIET, 0.1))
        first.connections[-1].words.clear()
        await call.say((QUIET, 3))

    first = Recogniser("deepgram")
    assert stt_call(scenario, stt_step(first)).turns == []


def test_the_patience_is_that_of_the_words() -> None:
    rules = ListeningRules(patience=lambda text: 2.5 if text.endswith("w1") else 1.0)

    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.3), (QUIET, 2.4))
        assert call.turns == []
        await call.say((QUIET, 0.6))
        assert len(call.turns) == 1

    stt_call(scenario, stt_step(Recogniser("deepgram", mute_after=2)), rules=rules)


# What no single caller can cause


def test_a_connection_closed_for_our_silence_is_opened_with_the_next_audio_and_is_no_failure() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.5), (QUIET, 1))
        for _ in range(5):
            first.connections[-1].events.put_nowait(None)  # closed in good order, and nobody had asked for it
            await asyncio.sleep(30)
            await call.say((QUIET, 0.2))
        assert len(first.connections) == 6
        await call.say((LOUD, 0.5), (QUIET, 1))

    breaker = stt_breaker("deepgram")
    first = Recogniser("deepgram")
    call = stt_call(scenario, stt_step(first, breaker), stt_step(Recogniser("whisper")))
    assert [len(turn.words) for turn in call.turns] == [5, 5]
    assert call.recorder.path == []
    assert breaker.state is BreakerState.CLOSED
    assert call.recorder.notes == [ListeningNote.CLOSED_IN_SILENCE] * 5


@pytest.mark.parametrize(("sessions", "state"), [(1, BreakerState.CLOSED), (3, BreakerState.OPEN)])
def test_broken_connections_of_one_session_open_no_breaker(sessions: int, state: BreakerState) -> None:
    async def scenario(call: RecordedCall) -> None:
        for _ in range(2):
            await call.say((QUIET, 0.2))
            if first.connections:
                first.break_off()
        await call.say((LOUD, 0.5), (QUIET, 1))

    breaker = stt_breaker("deepgram")
    for index in range(6):
        first = Recogniser("deepgram")
        stt_call(scenario, stt_step(first, breaker), stt_step(Recogniser("whisper")), session=f"s{index % sessions}")
    assert breaker.state is state


def test_alone_and_deaf_it_gets_a_fresh_connection_and_is_given_up_when_our_recording_is_not_heard_either() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 1.5), (QUIET, 2))
        assert len(first.connections) == 2
        await _probe_if_due(breaker)
        await call.say((QUIET, 0.5))
        assert call.error is not None

    breaker = _probed(hears=False)
    first = Recogniser("deepgram", deaf=True)
    call = stt_call(scenario, stt_step(first, breaker), last="browser")
    assert call.recorder.path == [("deepgram", "browser", "empty")]


def test_a_stream_takes_a_slot_of_its_plan_and_gives_it_back() -> None:
    slots = PriorityLimiter(1)

    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.5), (QUIET, 1))
        assert slots.free == 0
        other = SttTimeline()
        async with SttFallback([first, stt_step(Recogniser("whisper"))]).open("other", other) as stream:
            await stream.send(LOUD, voiced_s=FRAME_S)
            await asyncio.sleep(0.1)
        assert other.path == [("deepgram", "whisper", "busy")]

    first: ChainStep[SpeechToText] = ChainStep("deepgram", Recogniser("deepgram"), None, slots)
    call = stt_call(scenario, first)
    assert call.error is None
    assert slots.free == 1


def test_noise_is_nobodys_fault() -> None:
    """A television: loud for minutes, and no words for anybody."""

    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 60), (QUIET, 5))
        first.deaf = second.deaf = False
        await call.say((QUIET, 30), (LOUD, 1), (QUIET, 1))

    breaker = stt_breaker("deepgram")
    first, second = Recogniser("deepgram", deaf=True), Recogniser("whisper", deaf=True)
    call = stt_call(scenario, stt_step(first, breaker), stt_step(second))
    assert breaker.state is BreakerState.CLOSED
    assert len(call.turns[-1].words) == 10
    assert call.recorder.path.count(("deepgram", "whisper", "empty")) <= 4  # the patience doubles
    assert call.recorder.path[-1] == ("whisper", "deepgram", "recovered")


def test_a_single_step_is_connected_to_anew_but_never_given_up_for_noise() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 60))

    first = Recogniser("deepgram", deaf=True)
    call = stt_call(scenario, stt_step(first))
    assert call.error is None
    assert call.recorder.path == []
    assert 1 < len(first.connections) <= 5  # the patience doubles


def test_a_mute_last_step_ends_the_stream_so_that_the_client_is_asked() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 1.2), (QUIET, 2.1))
        assert call.error is None  # it may still answer
        await call.say((QUIET, 0.3))
        assert call.error is not None
        assert (call.error.provider, call.error.kind) == ("whisper", ErrorKind.EMPTY)

    breaker = stt_breaker("whisper")
    for _ in range(3):
        mute = Recogniser("whisper", deaf=True)
        call = stt_call(scenario, stt_step(Recogniser("deepgram", dead=True)), stt_step(mute, breaker), last="browser")
        assert call.recorder.path == [("deepgram", "whisper", "refused"), ("whisper", "browser", "empty")]
    assert breaker.state is BreakerState.CLOSED  # nobody else has heard words there


def test_a_last_step_that_nobody_spoke_to_is_not_suspected() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.3), (QUIET, 10), (LOUD, 0.3), (QUIET, 10))

    call = stt_call(scenario, stt_step(Recogniser("deepgram", dead=True)), stt_step(Recogniser("whisper", deaf=True)))
    assert call.error is None


def test_a_last_step_that_is_still_spoken_to_is_not_suspected() -> None:
    """It takes segments: it can say nothing before the voice pauses."""

    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 12))
        second.deaf = False
        await call.say((LOUD, 1), (QUIET, 1))

    second = Recogniser("whisper", deaf=True)
    call = stt_call(scenario, stt_step(Recogniser("deepgram", dead=True)), stt_step(second))
    assert call.error is None
    assert len(call.turns) == 1


def test_a_recogniser_that_was_suspected_wrongly_is_asked_again_at_once() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 1.2), (QUIET, 15))

    call = stt_call(scenario, stt_step(Recogniser("deepgram", deaf=True)), stt_step(Recogniser("whisper", deaf=True)))
    assert call.recorder.path == [("deepgram", "whisper", "empty"), ("whisper", "deepgram", "recovered")]
    assert call.recorder.moves[1].at - call.recorder.moves[0].at == pytest.approx(ListeningRules().opinion_s, abs=0.3)
