"""The listener: what goes up, when speech ended, and recognisers that are slow, lost or not needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent.core import clock
from agent.core.audio import bytes_for
from agent.core.calls import Call, CallRecorder, ErrorKind, ListeningNote, ProviderError
from agent.providers.base import SttEvent, SttEventKind, Word
from agent.turn.listen import CallerListener, EndOfTurn, RecogniserLost, Words
from agent.turn.vad import VoiceStarted, VoiceStopped
from tests.support.stack import CLIPS
from tests.support.virtual_time import run_virtual
from voice_loadtest.audio import load_wav

FRAME = bytes_for(0.02)
SPEECH = load_wav(CLIPS / "room_01.wav").pcm


class Script:
    """A recogniser that a test plays: it takes audio and says what it is told to say."""

    provider = "script"
    model = "test"

    def __init__(self) -> None:
        self.heard: asyncio.Queue[SttEvent | ProviderError | None] = asyncio.Queue()
        self.sent: list[bytes] = []
        self.opened = 0
        self.takes = asyncio.Event()
        self.takes.set()

    @asynccontextmanager
    async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[Script]:
        self.opened += 1
        yield self

    async def send(self, pcm: bytes, *, voiced_s: float = 0.0) -> None:
        await self.takes.wait()
        self.sent.append(pcm)

    async def finish(self) -> None:
        self.heard.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[SttEvent]:
        while (heard := await self.heard.get()) is not None:
            if isinstance(heard, ProviderError):
                raise heard
            yield heard


class Counted:
    def __init__(self) -> None:
        self.frames = 0
        self.notes: list[ListeningNote] = []

    def noted(self, note: ListeningNote) -> None:
        self.notes.append(note)

    def record(self, call: Call) -> None: ...

    def dropped(self, frames: int) -> None:
        self.frames += frames


async def speak(listener: CallerListener, pcm: bytes) -> None:
    """Feeds audio in real (virtual) time."""
    for start in range(0, len(pcm) - FRAME + 1, FRAME):
        await asyncio.sleep(0.02)
        listener.feed(pcm[start : start + FRAME], clock.now())


@asynccontextmanager
async def listening(script: Script, counted: Counted, idle_s: float = 30.0) -> AsyncGenerator[CallerListener]:
    listener = CallerListener(script, "s", counted, idle_s=idle_s)
    task = asyncio.create_task(listener.run())
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.wait({task})


def events(listener: CallerListener) -> list[object]:
    found: list[object] = []
    while not listener.events.empty():
        found.append(listener.events.get_nowait())
    return found


def test_the_end_of_speech_is_where_the_last_word_s_audio_arrived() -> None:
    async def scenario() -> EndOfTurn:
        script = Script()
        async with listening(script, Counted()) as listener:
            await speak(listener, bytes(bytes_for(1.0)) + SPEECH + bytes(bytes_for(1.0)))
            script.heard.put_nowait(SttEvent(SttEventKind.ENDED, "book a room", (Word("room", 1.2, 2.0),)))
            await asyncio.sleep(0.1)
            return next(event for event in events(listener) if isinstance(event, EndOfTurn))

    ended = run_virtual(scenario())
    assert ended.speech_ended == pytest.approx(2.0, abs=0.021)
    assert ended.ready_at > 4.0


def test_without_word_times_it_is_the_last_voiced_frame() -> None:
    async def scenario() -> tuple[EndOfTurn, float]:
        script = Script()
        async with listening(script, Counted()) as listener:
            await speak(listener, bytes(bytes_for(1.0)) + SPEECH + bytes(bytes_for(1.0)))
            script.heard.put_nowait(SttEvent(SttEventKind.ENDED, "book a room", (Word("room"),)))
            await asyncio.sleep(0.1)
            found = events(listener)
            stopped = next(event for event in found if isinstance(event, VoiceStopped))
            return next(event for event in found if isinstance(event, EndOfTurn)), stopped.at

    ended, stopped = run_virtual(scenario())
    assert ended.speech_ended == pytest.approx(stopped)
    assert ended.speech_ended == pytest.approx(1.0 + len(SPEECH) / 32_000, abs=0.3)


def test_tentative_words_are_not_sure_until_the_turn_has_started() -> None:
    async def scenario() -> list[object]:
        script = Script()
        async with listening(script, Counted()) as listener:
            await speak(listener, bytes(bytes_for(0.2)))
            for heard in (
                SttEvent(SttEventKind.PARTIAL, "the"),
                SttEvent(SttEventKind.PARTIAL, ""),
                SttEvent(SttEventKind.STARTED, "the other"),
                SttEvent(SttEventKind.PARTIAL, "the other one"),
                SttEvent(SttEventKind.ENDED, "the other one"),
                SttEvent(SttEventKind.ENDED, "   "),
                SttEvent(SttEventKind.STARTED, "\u200b"),
                SttEvent(SttEventKind.ENDED, "!!!???"),
                SttEvent(SttEventKind.PARTIAL, "uh"),
            ):
                script.heard.put_nowait(heard)
            await asyncio.sleep(0.1)
            return events(listener)

    found = run_virtual(scenario())
    assert [event.sure for event in found if isinstance(event, Words)] == [False, True, True, False]
    assert sum(isinstance(event, EndOfTurn) for event in found) == 1


def test_frames_go_up_together_and_none_is_lost() -> None:
    async def scenario() -> tuple[int, list[bytes]]:
        script = Script()
        audio = bytes(bytes_for(0.5)) + SPEECH
        async with listening(script, Counted()) as listener:
            await speak(listener, audio)
            await asyncio.sleep(0.3)
            return len(audio) - len(audio) % FRAME, script.sent

    expected, sent = run_virtual(scenario())
    assert sum(map(len, sent)) == expected
    assert len(sent) < expected / FRAME / 1.5


def test_typing_opens_no_stream_and_silence_closes_it() -> None:
    async def scenario() -> tuple[int, int, bytes]:
        script = Script()
        async with listening(script, Counted(), idle_s=2.0) as listener:
            await asyncio.sleep(5.0)
            before = script.opened
            await speak(listener, bytes(bytes_for(4.0)))
            closed_after = sum(map(len, script.sent))
            script.sent.clear()
            await speak(listener, SPEECH + bytes(bytes_for(0.5)))
            return before, closed_after, b"".join(script.sent)

    before, closed_after, again = run_virtual(scenario())
    assert before == 0
    assert closed_after < bytes_for(3.0)
    assert len(again) >= len(SPEECH)  # with the audio just before the voice


def test_a_recogniser_that_does_not_take_audio_costs_bounded_memory() -> None:
    async def scenario() -> int:
        script, counted = Script(), Counted()
        script.takes.clear()
        async with listening(script, counted) as listener:
            await speak(listener, SPEECH * 6)
        return counted.frames

    assert run_virtual(scenario()) > 100


def test_a_lost_recogniser_is_told_and_opened_again() -> None:
    async def scenario() -> tuple[list[object], int]:
        script = Script()
        async with listening(script, Counted()) as listener:
            await speak(listener, bytes(bytes_for(0.2)))
            script.heard.put_nowait(ProviderError("script", ErrorKind.DISCONNECTED))
            await speak(listener, bytes(bytes_for(0.2)) + SPEECH)
            await asyncio.sleep(1.0)
            return events(listener), script.opened

    found, opened = run_virtual(scenario())
    lost = [event for event in found if isinstance(event, RecogniserLost)]
    assert [event.error.kind for event in lost] == [ErrorKind.DISCONNECTED]
    assert opened == 2
    assert any(isinstance(event, VoiceStarted) for event in found)


def test_when_frames_stop_silence_goes_up_for_some_seconds_and_the_stream_is_finished() -> None:
    async def scenario() -> tuple[list[object], float, int, list[ListeningNote]]:
        script, counted = Script(), Counted()
        async with listening(script, counted) as listener:
            await speak(listener, bytes(bytes_for(0.5)) + SPEECH[: bytes_for(1.0)])  # in the middle of a word
            spoken = sum(map(len, script.sent))
            await asyncio.sleep(30)
            silent = sum(map(len, script.sent)) - spoken
            found = events(listener)
            await speak(listener, SPEECH)
            return found, silent / 32_000, script.opened, counted.notes

    found, silent_s, opened, notes = run_virtual(scenario())
    assert isinstance(found[-1], VoiceStopped)  # nobody speaks for ever because the line is gone
    assert silent_s == pytest.approx(6.0, abs=0.3)
    assert opened == 2
    assert notes == [ListeningNote.FRAMES_STOPPED, ListeningNote.NO_WORDS]  # a voice, and nobody heard a word


def test_a_line_that_holds_frames_back_for_less_gets_no_silence_between_them() -> None:
    async def scenario() -> tuple[int, list[ListeningNote]]:
        script, counted = Script(), Counted()
        clump = 25 * FRAME
        async with listening(script, counted) as listener:
            for start in range(0, len(SPEECH) - clump, clump):
                await asyncio.sleep(0.5)
                for frame in range(start, start + clump, FRAME):
                    listener.feed(SPEECH[frame : frame + FRAME], clock.now())
            await asyncio.sleep(0.3)
            return sum(map(len, script.sent)) - (len(SPEECH) - clump) // clump * clump, counted.notes

    extra, notes = run_virtual(scenario())
    assert abs(extra) <= 25 * FRAME
    assert notes == []


def test_a_recogniser_that_refuses_for_good_is_told_once_and_asked_ever_more_rarely() -> None:
    class Refuses(Script):
        @asynccontextmanager
        async def open(self, session: str, recorder: CallRecorder) -> AsyncGenerator[Script]:
            self.opened += 1
            raise ProviderError("script", ErrorKind.MISCONFIGURED)
            yield self

    async def scenario() -> tuple[list[object], int]:
        script = Refuses()
        async with listening(script, Counted(), idle_s=1000.0) as listener:
            await speak(listener, SPEECH)
            await asyncio.sleep(5)
            for _ in range(55):
                listener.feed(bytes(FRAME), clock.now())
                await asyncio.sleep(1)
            return events(listener), script.opened

    found, opened = run_virtual(scenario())
    assert sum(isinstance(event, RecogniserLost) for event in found) == 1
    assert opened <= 9


def test_a_number_in_groups_is_one_turn() -> None:
    async def scenario() -> tuple[list[object], list[ListeningNote]]:
        script, counted = Script(), Counted()
        async with listening(script, counted) as listener:
            for text in ("my number is oh one seven", "six five five", "nine one two three"):
                await speak(listener, SPEECH[: bytes_for(1.0)] + bytes(bytes_for(0.4)))
                script.heard.put_nowait(SttEvent(SttEventKind.ENDED, text))  # the recogniser cuts after 300 ms
                await speak(listener, bytes(bytes_for(0.4)))
            await speak(listener, bytes(bytes_for(3.0)))
            return events(listener), counted.notes

    found, notes = run_virtual(scenario())
    turns = [event for event in found if isinstance(event, EndOfTurn)]
    assert [turn.text for turn in turns] == ["my number is oh one seven six five five nine one two three"]
    assert turns[0].ready_at - turns[0].speech_ended < 1.0  # ten digits are a whole number
    assert notes == [ListeningNote.HELD_FOR_DICTATION] * 2


def test_the_first_part_of_a_number_is_told_when_nothing_more_comes() -> None:
    async def scenario() -> EndOfTurn:
        script = Script()
        async with listening(script, Counted()) as listener:
            await speak(listener, SPEECH[: bytes_for(1.0)] + bytes(bytes_for(0.4)))
            script.heard.put_nowait(SttEvent(SttEventKind.ENDED, "my number is four one five"))
            await speak(listener, bytes(bytes_for(3.0)))
            return next(event for event in events(listener) if isinstance(event, EndOfTurn))

    ended = run_virtual(scenario())
    assert ended.ready_at - ended.speech_ended == pytest.approx(1.5, abs=0.15)


class Confirms:
    def __init__(self, probability: float, *, none_free: bool = False) -> None:
        self.probability = probability
        self.none_free = none_free

    def feed(self, pcm: bytes, *, asked: bool) -> float:
        return self.probability if asked else 0.0

    def close(self) -> None: ...


@pytest.mark.parametrize(("probability", "plays", "heard"), [(0.1, True, 0), (0.9, True, 1), (0.1, False, 1)])
def test_an_onset_over_a_reply_needs_to_sound_like_a_voice(probability: float, plays: bool, heard: int) -> None:
    async def scenario() -> int:
        listener = CallerListener(
            Script(), "s", Counted(), idle_s=30, confirmation=Confirms(probability), reply_plays=lambda: plays
        )
        await speak(listener, bytes(bytes_for(0.5)) + SPEECH[: bytes_for(1.0)])
        return sum(isinstance(event, VoiceStarted) for event in events(listener))

    assert run_virtual(scenario()) == heard


@pytest.mark.parametrize(("plays", "counted"), [(True, 1), (False, 0)])
def test_an_onset_over_a_reply_that_no_network_was_free_for_is_counted_once(plays: bool, counted: int) -> None:
    async def scenario() -> list[ListeningNote]:
        recorder = Counted()
        busy = Confirms(1.0, none_free=True)
        listener = CallerListener(Script(), "s", recorder, idle_s=30, confirmation=busy, reply_plays=lambda: plays)
        await speak(listener, bytes(bytes_for(0.5)) + SPEECH[: bytes_for(1.0)])
        return recorder.notes

    assert run_virtual(scenario()).count(ListeningNote.VOICE_UNCONFIRMED) == counted
