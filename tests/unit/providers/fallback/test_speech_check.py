"""Is this speech what was asked for? In virtual time, with a scripted voice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from agent.core.audio import bytes_for, duration_s
from agent.core.calls import CallRecorder, ErrorKind, ProviderError, Unit
from agent.providers.base import Audio, ClientSpeech
from agent.providers.call import Failure, ProviderCall
from agent.providers.fallback.llm_tts import TtsFallback
from agent.providers.fallback.speech_check import LEAD_S, SpeakingPace
from tests.support.scripted_llm_tts import ReplyTimeline, pcm_of, run_scenario, tts_chain

TEXT = "The garden room seats six people and opens onto the terrace."  # 60 characters: four seconds
LOUD = b"\x00\x20"


def _broken(_error: Exception, _call: ProviderCall) -> Failure:
    return Failure(ErrorKind.MALFORMED)


class Voice:
    """Says every text for `seconds`, in pieces of 100 ms that come at `speed` times their own, after a silence."""

    model = "m"

    def __init__(self, provider: str, seconds: float, *, speed: float = 5.0, silence_s: float = 0.0) -> None:
        self.provider = provider
        self.asked = 0
        self._seconds = seconds
        self._speed = speed
        self._silence_s = silence_s

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        self.asked += 1
        sound = bytes(bytes_for(self._silence_s)) + LOUD * (bytes_for(self._seconds) // 2)
        with ProviderCall("tts", self.provider, self.model, recorder, _broken) as call:
            call.quantities[Unit.CHARACTERS] = len(text)
            for at in range(0, len(sound), bytes_for(0.1)):
                call.first_output()
                yield Audio(sound[at : at + bytes_for(0.1)], self.provider)
                await asyncio.sleep(0.1 / self._speed)


async def _say(chain: TtsFallback, recorder: ReplyTimeline, text: str = TEXT) -> float:
    """Seconds of speech."""
    async with aclosing(chain.speak("s", text, recorder)) as speech:
        return duration_s(len(pcm_of([piece async for piece in speech])))


def test_leading_silence_goes_but_for_a_breath() -> None:
    async def scenario() -> None:
        chain = tts_chain(Voice("eleven", 4.0, silence_s=0.83))
        assert await _say(chain, ReplyTimeline()) == pytest.approx(4.0 + LEAD_S)

    run_scenario(scenario())


def test_a_clean_end_at_half_of_the_words_is_said_again_by_the_next() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        assert await _say(tts_chain(Voice("eleven", 2.0), Voice("aura", 4.0)), recorder) == pytest.approx(6.0)
        assert recorder.path == [("eleven", "aura", "incomplete")]
        assert recorder.outcomes == [("eleven", "incomplete"), ("aura", "ok")]

    run_scenario(scenario())


def test_half_of_the_words_and_nobody_else_is_an_error_that_delivered_something() -> None:
    async def scenario() -> None:
        with pytest.raises(ProviderError) as caught:
            await _say(tts_chain(Voice("eleven", 2.0)), ReplyTimeline())
        assert (caught.value.kind, caught.value.delivered) == (ErrorKind.INCOMPLETE, True)
        assert caught.value.service == "tts"

    run_scenario(scenario())


@pytest.mark.parametrize("seconds", [3.0, 4.0, 6.0, 9.0])
def test_voices_may_be_quick_or_slow_of_speech(seconds: float) -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        assert await _say(tts_chain(Voice("eleven", seconds), Voice("aura", 4.0)), recorder) == pytest.approx(seconds)
        assert recorder.path == []

    run_scenario(scenario())


def test_a_quick_voice_is_learnt() -> None:
    pace = SpeakingPace()
    for _ in range(48):
        pace.learn(TEXT, 2.2)
    assert pace.expected_s(TEXT) == pytest.approx(2.2)


def test_a_short_text_is_never_too_short() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        await _say(tts_chain(Voice("eleven", 0.3), Voice("aura", 4.0)), recorder, "Yes, of course.")
        assert recorder.path == []

    run_scenario(scenario())


def test_babble_ends() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        assert await _say(tts_chain(Voice("eleven", 60.0), Voice("aura", 4.0)), recorder) < 13.0
        assert recorder.path == []  # the text was said
        assert recorder.outcomes == [("eleven", "malformed")]

    run_scenario(scenario())


def test_a_voice_that_cannot_keep_up_is_changed_at_the_next_clause() -> None:
    async def scenario() -> None:
        recorder = ReplyTimeline()
        slow, other = Voice("eleven", 4.0, speed=0.6), Voice("aura", 4.0)
        chain = tts_chain(slow, other)
        for _ in range(3):
            assert await _say(chain, recorder) == pytest.approx(4.0)
        assert (slow.asked, other.asked) == (1, 2)
        assert recorder.path == [("eleven", "aura", "resting")] * 2

    run_scenario(scenario())
