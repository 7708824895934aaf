"""The chain of recognisers, in virtual time with scripted ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from agent.core import clock
from agent.core.audio import bytes_for, duration_s
from agent.core.calls import CallRecorder, ErrorKind, Fallback, ListeningNote, ProviderError
from agent.providers.base import SpeechToText, SttEvent, SttEventKind, Word
from agent.providers.fallback.breaker import Breaker, BreakerRules, Breakers, BreakerState
from agent.providers.fallback.chain import ChainStep, StepSkippedError
from agent.providers.fallback.concurrency import PriorityLimiter
from agent.providers.fallback.stt import FallbackSttStream, SttFallback
from agent.providers.fallback.stt_rules import ListeningRules
from agent.providers.openai.segmented_stt import VoiceDetector
from agent.turn.vad import VoiceActivity
from tests.support.providers import RecordingRecorder
from tests.support.virtual_time import run_virtual

FRAME_S = 0.1
LOUD = b"\x00\x20" * (bytes_for(FRAME_S) // 2)
QUIET = bytes(bytes_for(FRAME_S))


class SttTimeline(RecordingRecorder):
    def __init__(self) -> None:
        super().__init__()
        self.moves: list[Fallback] = []
        self.notes: list[ListeningNote] = []

    def noted(self, note: ListeningNote) -> None:
        self.notes.append(note)

    def fell_back(self, fallback: Fallback) -> None:
        self.moves.append(fallback)

    @property
    def path(self) -> list[tuple[str, str, str]]:
        return [(move.from_provider, move.to_provider, move.reason) for move in self.moves]


@dataclass
class FakeConnection:
    """One connection of a scripted recogniser: hears `word` for every 100 ms of loud audio, a pause ends the turn."""

    owner: Recogniser
    heard_bytes: int = 0
    events: asyncio.Queue[SttEvent | ProviderError | None] = field(default_factory=asyncio.Queue)
    words: list[Word] = field(default_factory=list[Word])
    quiet: int = 0
    rest: bytes = b""

    async def send(self, pcm: bytes, *, voiced_s: float = 0.0) -> None:
        if self.owner.dead:
            raise ProviderError(self.owner.provider, ErrorKind.DISCONNECTED)
        data = self.rest + pcm
        for start in range(0, len(data) - len(LOUD) + 1, len(LOUD)):
            self._frame(data[start : start + len(LOUD)])
        self.rest = data[len(data) - len(data) % len(LOUD) :]
        self.owner.told += len(pcm)
        if self.owner.dies_after is not None and self.heard_bytes >= self.owner.dies_after:
            self.owner.dies_after = None
            self.events.put_nowait(ProviderError(self.owner.provider, ErrorKind.DISCONNECTED))

    def _frame(self, frame: bytes) -> None:
        start = duration_s(self.heard_bytes)
        self.heard_bytes += len(frame)
        if any(frame):
            self.quiet = 0
            if not self.owner.deaf:
                self.words.append(Word(f"w{len(self.words)}", start, start + FRAME_S))
                self._tell(SttEventKind.STARTED if len(self.words) == 1 else SttEventKind.PARTIAL)
            return
        self.quiet += 1
        if self.quiet == 3 and self.words:
            self._tell(SttEventKind.ENDED)
            self.words.clear()

    def _tell(self, kind: SttEventKind) -> None:
        if self.owner.mute_after is not None and len(self.words) > self.owner.mute_after:
            return
        self.events.put_nowait(SttEvent(kind, " ".join(word.text for word in self.words), tuple(self.words)))

    async def finish(self) -> None:
        self.events.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[SttEvent]:
        while (event := await self.events.get()) is not None:
            if isinstance(event, ProviderError):
                raise event
            yield event


@dataclass
class Recogniser:
    provider: str
    model: str = "m"
    dead: bool = False
    deaf: bool = False
    refuses: ErrorKind | None = None
    dies_after: int | None = None
    mute_after: int | None = None  # words
    connections: list[FakeConnection] = field(default_factory=list[FakeConnection])
    opened_at: list[float] = field(default_factory=list[float])
    told: int = 0

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[FakeConnection]:
        self.opened_at.append(clock.now())
        if self.dead:
            raise ProviderError(self.provider, self.refuses or ErrorKind.REFUSED)
        connection = FakeConnection(self)
        self.connections.append(connection)
        yield connection

    def break_off(self) -> None:
        """The connection is lost now."""
        self.connections[-1].events.put_nowait(ProviderError(self.provider, ErrorKind.DISCONNECTED))


@dataclass
class RecordedCall:
    """A caller on a chain: speaks in real time, and remembers what was heard."""

    stream: FallbackSttStream
    recorder: SttTimeline
    heard: list[SttEvent] = field(default_factory=list[SttEvent])
    error: ProviderError | None = None

    async def say(self, *parts: tuple[bytes, float]) -> None:
        for frame, seconds in parts:
            for _ in range(round(seconds / FRAME_S)):
                await self.stream.send(frame, voiced_s=FRAME_S if frame == LOUD else 0.0)
                await asyncio.sleep(FRAME_S)

    async def listen(self) -> None:
        try:
            async for heard in self.stream:
                self.note(heard)
        except ProviderError as error:
            self.error = error

    def note(self, heard: SttEvent) -> None:
        self.heard.append(heard)

    @property
    def turns(self) -> list[SttEvent]:
        return [heard for heard in self.heard if heard.kind is SttEventKind.ENDED]


def _step(recogniser: SpeechToText, breaker: Breaker | None = None) -> ChainStep[SpeechToText]:
    return ChainStep(recogniser.provider, recogniser, breaker)


def _call(
    scenario: Callable[[RecordedCall], Coroutine[Any, Any, None]],
    *steps: ChainStep[SpeechToText],
    last: str = "none",
    rules: ListeningRules | None = None,
    session: str = "s",
) -> RecordedCall:
    """Runs a scenario on a fresh chain and ends the stream as a listener does."""

    async def run() -> RecordedCall:
        recorder = SttTimeline()
        async with SttFallback(steps, last=last, rules=rules).open(session, recorder) as stream:
            call = RecordedCall(stream, recorder)
            listening = asyncio.create_task(call.listen())
            await scenario(call)
            await stream.finish()
            await listening
        return call

    return run_virtual(run())


def _breaker(provider: str) -> Breaker:
    return Breakers(RecordingRecorder(), lambda _: None).of(provider, "m", BreakerRules())


def test_a_healthy_recogniser_is_all_there_is() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 0.5), (QUIET, 1), (LOUD, 0.2), (QUIET, 1))

    first, second = Recogniser("deepgram"), Recogniser("whisper")
    call = _call(scenario, _step(first), _step(second))
    assert [len(turn.words) for turn in call.turns] == [5, 2]
    assert [turn.words[-1].end_s for turn in call.turns] == [pytest.approx(1.5), pytest.approx(2.7)]
    assert call.recorder.path == []
    assert call.error is None
    assert second.connections == []
    assert first.told == bytes_for(3.7)


def test_a_lost_connection_is_made_again_and_the_turn_is_told_from_its_beginning() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 0.5), (QUIET, 1))
        await call.say((LOUD, 0.6))
        first.break_off()
        await call.say((LOUD, 0.4), (QUIET, 1))

    first = Recogniser("deepgram")
    call = _call(scenario, _step(first, breaker := _breaker("deepgram")), _step(Recogniser("whisper")))
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
    call = _call(scenario, _step(first), _step(second))
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
    call = _call(scenario, _step(first), _step(Recogniser("whisper")))
    assert call.recorder.path == [("deepgram", "whisper", "disconnected")]
    assert len(first.opened_at) == 2
    assert len(call.turns[-1].words) == 15


@pytest.mark.parametrize(
    "kind", [ErrorKind.UNAUTHORIZED, ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED, ErrorKind.TIMEOUT]
)
def test_some_errors_are_not_tried_again(kind: ErrorKind) -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.5), (QUIET, 1))

    first = Recogniser("deepgram", dead=True, refuses=kind)
    call = _call(scenario, _step(first), _step(Recogniser("whisper")))
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
    call = _call(scenario, _step(first), _step(second))
    assert call.recorder.path == [("deepgram", "whisper", "refused"), ("whisper", "deepgram", "recovered")]
    assert [len(turn.words) for turn in call.turns] == [5, 200, 5]
    assert call.turns[-1].words[-1].end_s == pytest.approx(24.0)


def test_an_open_breaker_is_not_asked_and_asked_again_when_it_closes() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.5), (QUIET, 1))
        assert first.opened_at == []
        breaker.state = BreakerState.CLOSED
        await call.say((QUIET, 1), (LOUD, 0.5), (QUIET, 1))

    breaker = _breaker("deepgram")
    breaker.state = BreakerState.OPEN
    first = Recogniser("deepgram")
    call = _call(scenario, _step(first, breaker), _step(Recogniser("whisper")))
    assert call.recorder.path == [("deepgram", "whisper", "breaker_open"), ("whisper", "deepgram", "recovered")]
    assert len(call.turns) == 2


def test_when_nobody_is_left_the_stream_fails_and_says_who_is_next() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 2))
        assert call.error is not None

    call = _call(
        scenario, _step(Recogniser("deepgram", dead=True)), _step(Recogniser("whisper", dead=True)), last="browser"
    )
    assert call.error is not None
    assert (call.error.provider, call.error.kind) == ("whisper", ErrorKind.REFUSED)
    assert call.recorder.path == [("deepgram", "whisper", "refused"), ("whisper", "browser", "refused")]


def test_failures_are_counted_by_the_breaker_that_all_sessions_share() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 1))

    breaker = _breaker("deepgram")
    for _ in range(2):
        _call(scenario, _step(Recogniser("deepgram", dead=True), breaker), _step(Recogniser("whisper")))
    assert breaker.state is BreakerState.OPEN


# Deaf recognisers


def test_a_deaf_recogniser_is_left_and_our_own_recording_decides_whether_it_is_deaf_for_all() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 5), (QUIET, 1))

    for probe_hears, state in ((True, BreakerState.CLOSED), (False, BreakerState.OPEN)):
        breaker = _probed(probe_hears)
        for _ in range(3):
            call = _call(scenario, _step(Recogniser("deepgram", deaf=True), breaker), _step(Recogniser("whisper")))
            assert call.recorder.path[0][:2] == ("deepgram", "whisper")
            assert len(call.turns[-1].words) == 50  # also those that nobody had heard before
            run_virtual(_probe_if_due(breaker))
        assert breaker.state is state


def _probed(hears: bool) -> Breaker:
    async def probe(recorder: CallRecorder) -> None:
        if not hears:
            raise ProviderError("deepgram", ErrorKind.EMPTY)

    breaker = _breaker("deepgram")
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
    others = [_step(Recogniser("whisper"))] if steps == 2 else []
    call = _call(scenario, _step(first), *others)
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
    call = _call(scenario, _step(first))
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
    _call(scenario, _step(first))


class StallsOnce(Recogniser):
    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[FakeConnection]:
        self.opened_at.append(clock.now())
        yield FakeConnection(Recogniser("deepgram", mute_after=5) if len(self.opened_at) == 1 else self)


def test_a_stream_that_stalls_in_the_middle_of_a_turn_is_replaced_and_the_turn_told_again() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 1.5), (QUIET, 2.5))

    call = _call(scenario, _step(StallsOnce("deepgram")))
    assert [len(turn.words) for turn in call.turns] == [15]
    assert call.recorder.notes == [ListeningNote.RECONNECTED]


def test_words_that_are_taken_back_make_no_turn() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((QUIET, 1), (LOUD, 0.2))
        first.connections[-1].events.put_nowait(SttEvent(SttEventKind.PARTIAL))
        await call.say((QUIET, 0.1))
        first.connections[-1].words.clear()
        await call.say((QUIET, 3))

    first = Recogniser("deepgram")
    assert _call(scenario, _step(first)).turns == []


def test_the_patience_is_that_of_the_words() -> None:
    rules = ListeningRules(patience=lambda text: 2.5 if text.endswith("w1") else 1.0)

    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.3), (QUIET, 2.4))
        assert call.turns == []
        await call.say((QUIET, 0.6))
        assert len(call.turns) == 1

    _call(scenario, _step(Recogniser("deepgram", mute_after=2)), rules=rules)


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

    breaker = _breaker("deepgram")
    first = Recogniser("deepgram")
    call = _call(scenario, _step(first, breaker), _step(Recogniser("whisper")))
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

    breaker = _breaker("deepgram")
    for index in range(6):
        first = Recogniser("deepgram")
        _call(scenario, _step(first, breaker), _step(Recogniser("whisper")), session=f"s{index % sessions}")
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
    call = _call(scenario, _step(first, breaker), last="browser")
    assert call.recorder.path == [("deepgram", "browser", "empty")]


def test_a_stream_takes_a_slot_of_its_plan_and_gives_it_back() -> None:
    slots = PriorityLimiter(1)

    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.5), (QUIET, 1))
        assert slots.free == 0
        other = SttTimeline()
        async with SttFallback([first, _step(Recogniser("whisper"))]).open("other", other) as stream:
            await stream.send(LOUD, voiced_s=FRAME_S)
            await asyncio.sleep(0.1)
        assert other.path == [("deepgram", "whisper", "busy")]

    first: ChainStep[SpeechToText] = ChainStep("deepgram", Recogniser("deepgram"), None, slots)
    call = _call(scenario, first)
    assert call.error is None
    assert slots.free == 1


def test_noise_is_nobodys_fault() -> None:
    """A television: loud for minutes, and no words for anybody."""

    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 60), (QUIET, 5))
        first.deaf = second.deaf = False
        await call.say((QUIET, 30), (LOUD, 1), (QUIET, 1))

    breaker = _breaker("deepgram")
    first, second = Recogniser("deepgram", deaf=True), Recogniser("whisper", deaf=True)
    call = _call(scenario, _step(first, breaker), _step(second))
    assert breaker.state is BreakerState.CLOSED
    assert len(call.turns[-1].words) == 10
    assert call.recorder.path.count(("deepgram", "whisper", "empty")) <= 4  # the patience doubles
    assert call.recorder.path[-1] == ("whisper", "deepgram", "recovered")


def test_a_single_step_is_connected_to_anew_but_never_given_up_for_noise() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 60))

    first = Recogniser("deepgram", deaf=True)
    call = _call(scenario, _step(first))
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

    breaker = _breaker("whisper")
    for _ in range(3):
        mute = Recogniser("whisper", deaf=True)
        call = _call(scenario, _step(Recogniser("deepgram", dead=True)), _step(mute, breaker), last="browser")
        assert call.recorder.path == [("deepgram", "whisper", "refused"), ("whisper", "browser", "empty")]
    assert breaker.state is BreakerState.CLOSED  # nobody else has heard words there


def test_a_last_step_that_nobody_spoke_to_is_not_suspected() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 0.3), (QUIET, 10), (LOUD, 0.3), (QUIET, 10))

    call = _call(scenario, _step(Recogniser("deepgram", dead=True)), _step(Recogniser("whisper", deaf=True)))
    assert call.error is None


def test_a_last_step_that_is_still_spoken_to_is_not_suspected() -> None:
    """It takes segments: it can say nothing before the voice pauses."""

    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 12))
        second.deaf = False
        await call.say((LOUD, 1), (QUIET, 1))

    second = Recogniser("whisper", deaf=True)
    call = _call(scenario, _step(Recogniser("deepgram", dead=True)), _step(second))
    assert call.error is None
    assert len(call.turns) == 1


def test_a_recogniser_that_was_suspected_wrongly_is_asked_again_at_once() -> None:
    async def scenario(call: RecordedCall) -> None:
        await call.say((LOUD, 1.2), (QUIET, 15))

    call = _call(scenario, _step(Recogniser("deepgram", deaf=True)), _step(Recogniser("whisper", deaf=True)))
    assert call.recorder.path == [("deepgram", "whisper", "empty"), ("whisper", "deepgram", "recovered")]
    assert call.recorder.moves[1].at - call.recorder.moves[0].at == pytest.approx(ListeningRules().opinion_s, abs=0.3)


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

    breaker = _breaker("whisper")
    for _ in range(3):
        call = _call(
            scenario,
            _step(Recogniser("deepgram", dead=True)),
            _step(BusyRecogniser("whisper"), breaker),
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
    call = _call(scenario, _step(first), _step(Recogniser("whisper", dead=True)))
    assert call.error is None
    assert len(call.turns) == 1


def test_leaving_the_stream_stops_everything() -> None:
    async def run() -> None:
        chain = SttFallback([_step(Recogniser("deepgram"))])
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
        _call(scenario, _step(Broken("deepgram")))


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

    call = _call(scenario, _step(SlowRecogniser("deepgram")))
    assert len(call.turns[0].words) == 10
    assert call.turns[0].words[-1].end_s == pytest.approx(1.0)
