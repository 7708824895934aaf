from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from agent.core.audio import bytes_for, duration_s
from agent.core.calls import CallRecorder, ErrorKind, ProviderError
from agent.providers.base import SttEvent, SttEventKind
from agent.providers.openai.segmented_stt import SegmentedSpeech, Segmenter
from agent.providers.output_check import audible
from tests.support.providers import RecordingRecorder

LOUD = b"\x00\x20" * (bytes_for(0.02) // 2)
SILENCE = bytes(bytes_for(0.02))


@dataclass
class At:
    at: float


class Loudness:
    """The simplest detector: loud is voice, 300 ms of silence end it."""

    def __init__(self) -> None:
        self.speaking = False
        self._last = 0.0

    def feed(self, pcm: bytes, at: float) -> Sequence[At]:
        if audible(pcm):
            self._last = at
            if not self.speaking:
                self.speaking = True
                return [At(at)]
        elif self.speaking and at - self._last > 0.3:
            self.speaking = False
            return [At(self._last)]
        return []


def _audio(*parts: tuple[bytes, float]) -> bytes:
    return b"".join(piece * round(seconds / 0.02) for piece, seconds in parts)


def test_a_pause_ends_a_segment() -> None:
    segments = Segmenter(Loudness()).feed(_audio((SILENCE, 2), (LOUD, 1), (SILENCE, 2), (LOUD, 0.5), (SILENCE, 1)))
    assert [(round(one.voice_start_s, 2), round(one.voice_end_s, 2)) for one in segments] == [(2.02, 3.0), (5.02, 5.5)]
    assert duration_s(len(segments[0].pcm)) == pytest.approx(0.3 + 1 + 0.6, abs=0.05)


def test_a_short_pause_does_not() -> None:
    segments = Segmenter(Loudness()).feed(_audio((LOUD, 1), (SILENCE, 0.5), (LOUD, 1), (SILENCE, 1)))
    assert len(segments) == 1
    assert segments[0].voice_end_s == pytest.approx(2.5)


def test_the_size_of_the_pieces_changes_nothing() -> None:
    audio = _audio((SILENCE, 1), (LOUD, 1), (SILENCE, 1), (LOUD, 1), (SILENCE, 1))
    whole = Segmenter(Loudness()).feed(audio)
    segmenter = Segmenter(Loudness())
    pieces = [
        segment for start in range(0, len(audio), 1234) for segment in segmenter.feed(audio[start : start + 1234])
    ]
    assert pieces == whole


def test_a_voice_without_pause_is_cut_after_twenty_seconds_and_goes_on() -> None:
    segmenter = Segmenter(Loudness())
    segments = segmenter.feed(_audio((LOUD, 30)))
    assert [duration_s(len(one.pcm)) for one in segments] == [pytest.approx(20.0)]
    (rest,) = segmenter.flush()
    assert duration_s(len(rest.pcm)) == pytest.approx(10.0, abs=0.05)


def test_silence_is_no_segment() -> None:
    segmenter = Segmenter(Loudness())
    assert segmenter.feed(_audio((SILENCE, 30))) == []
    assert segmenter.flush() == []


class Transcripts:
    """A transcriber with prepared answers."""

    provider = "openai_stt"
    model = "m"

    def __init__(self, *answers: str | ErrorKind) -> None:
        self._answers = list(answers)
        self.asked: list[float] = []

    async def transcribe(self, session: str, pcm: bytes, recorder: CallRecorder) -> str:
        self.asked.append(duration_s(len(pcm)))
        answer = self._answers.pop(0)
        if isinstance(answer, ErrorKind):
            raise ProviderError(self.provider, answer)
        return answer


async def _hear(transcripts: Transcripts, audio: bytes) -> list[SttEvent]:
    async with SegmentedSpeech(transcripts, Loudness).open("s", RecordingRecorder()) as stream:
        await stream.send(audio)
        await stream.finish()
        return [heard async for heard in stream]


UTTERANCE = _audio((LOUD, 1.2), (SILENCE, 1))


async def test_a_segment_becomes_a_turn() -> None:
    transcripts = Transcripts("Book a room.", "Yes.")
    heard = await _hear(transcripts, UTTERANCE + _audio((LOUD, 0.5)))
    assert [(one.kind, one.text) for one in heard] == [
        (SttEventKind.STARTED, "Book a room."),
        (SttEventKind.ENDED, "Book a room."),
        (SttEventKind.STARTED, "Yes."),
        (SttEventKind.ENDED, "Yes."),
    ]
    words = heard[1].words
    assert [word.text for word in words] == ["Book", "a", "room."]
    assert [word.end_s for word in words] == [None, None, pytest.approx(1.2)]


async def test_a_cough_is_passed_over() -> None:
    heard = await _hear(Transcripts(ErrorKind.EMPTY, "Yes."), _audio((LOUD, 0.2), (SILENCE, 1)) + UTTERANCE)
    assert [one.text for one in heard] == ["Yes.", "Yes."]


async def test_a_transcriber_that_hears_nothing_in_long_speech_lies() -> None:
    with pytest.raises(ProviderError) as caught:
        await _hear(Transcripts(*[ErrorKind.EMPTY] * 3), UTTERANCE * 3)
    assert caught.value.kind is ErrorKind.EMPTY


async def test_other_errors_end_the_stream() -> None:
    with pytest.raises(ProviderError) as caught:
        await _hear(Transcripts(ErrorKind.OVERLOADED), UTTERANCE)
    assert caught.value.kind is ErrorKind.OVERLOADED


async def test_segments_that_wait_are_bounded() -> None:
    transcripts = Transcripts(*"abcdefgh")
    await _hear(transcripts, UTTERANCE * 8)
    assert len(transcripts.asked) == 4
