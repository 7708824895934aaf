"""Whole calls: the official SDKs, the real socket, the sandbox's wire protocols."""

from __future__ import annotations

from statistics import median

import pytest

from tests.support.stack import BOOKING, DATA, clip, needs_speech_data, running_stack, sample
from voice_loadtest.audio import load_wav
from voice_loadtest.script import Interrupt, Noise, Speak, Type, Wait

TRANSCRIPTS = ["book a room", "mountain view", "today", "two thirty p m", "half an hour", "two people"]


def words(text: str | None) -> str:
    """A transcript without its punctuation and case."""
    return "".join(letter for letter in (text or "").lower() if letter.isalnum() or letter == " ")


@needs_speech_data
@pytest.mark.slow
@pytest.mark.parametrize(("stt", "word_times"), [("flux", True), ("flux", False), ("nova-3", True)])
async def test_six_recorded_utterances_are_understood_and_answered(stt: str, word_times: bool) -> None:
    async with running_stack(clips=[DATA / "speech"], word_times=word_times, stt_model=stt) as stack:
        record = await stack.call([Speak(load_wav(path)) for path in BOOKING])
        assert [words(turn.transcript) for turn in record.turns] == TRANSCRIPTS
        assert all(turn.answered and turn.outcome == "replied" for turn in record.turns), record.turns
        assert "mountain view" in words(record.turns[-1].reply)
        assert record.close_code == 1000
        assert record.errors == []


@pytest.mark.slow
async def test_typed_turns_are_answered_and_open_no_recogniser() -> None:
    async with running_stack() as stack:
        record = await stack.call([Type("I would like to book a room"), Type("the library, please")], premium=True)
        assert [turn.outcome for turn in record.turns] == ["typed", "typed"]
        assert all(turn.answered for turn in record.turns)
        assert all(turn.server_voice_to_voice_ms is None for turn in record.turns)
        assert record.tier == "premium"
        text = await stack.metrics()
        assert sample(text, "voice_agent_turns_total", outcome="typed", tier="premium") == 2
        assert sample(text, "voice_agent_turn_latency_seconds_count") == 0


@needs_speech_data
@pytest.mark.slow
@pytest.mark.timing
@pytest.mark.parametrize(
    ("profile", "network_ms"), [("instant", 0.0), ("instant", 70.0), ("measured", 0.0), ("measured", 70.0)]
)
async def test_the_caller_and_the_service_agree_on_voice_to_voice(profile: str, network_ms: float) -> None:
    async with running_stack(profile, clips=[DATA / "speech"]) as stack:
        script = [Wait(1.2), *(Speak(load_wav(path)) for path in BOOKING[:3])]
        record = await stack.call(script, network_ms=network_ms)
        await stack.quiet()
        heard = [turn.voice_to_voice_ms for turn in record.turns if turn.voice_to_voice_ms is not None]
        said = [turn.server_voice_to_voice_ms for turn in record.turns if turn.server_voice_to_voice_ms is not None]
        assert len(heard) == len(said) == 3
        assert abs(median(a - b for a, b in zip(heard, said, strict=True))) <= 20
        for turn in record.turns:
            total = sum(value for value in turn.stages.values() if value is not None)
            assert turn.server_voice_to_voice_ms == pytest.approx(total, abs=0.5)
        text = await stack.metrics()
        assert sample(text, "voice_agent_turn_latency_seconds_count") == 3
        histogram_ms = sample(text, "voice_agent_turn_latency_seconds_sum") * 1000
        assert histogram_ms / 3 == pytest.approx(sum(heard) / 3, abs=20)


@pytest.mark.slow
async def test_barge_in_stops_the_reply_and_the_next_prompt_holds_only_what_was_heard() -> None:
    async with running_stack() as stack:
        record = await stack.call(
            [Type("what rooms do you have"), Interrupt(clip("barge_02"), after_s=1.5), Speak(clip("smalltalk_02"))]
        )
        rooms, wait = record.turns[0], record.turns[1]
        assert rooms.outcome in ("interrupted", "typed")
        assert rooms.cleared
        assert rooms.heard is not None
        assert 0 < len(rooms.heard) < len(rooms.reply)
        assert rooms.reply.startswith(rooms.heard)
        assert wait.utterance is not None
        assert wait.utterance.barge_in_ms is not None
        prompts = [entry.body for entry in stack.sandbox.world.log.entries if entry.provider == "anthropic"]
        history = str(prompts[1]["messages"])
        assert rooms.heard.split(".")[0] in history
        assert rooms.reply[len(rooms.heard) :].strip() not in history


@pytest.mark.slow
async def test_a_cough_pauses_the_reply_and_costs_nothing() -> None:
    async with running_stack() as stack:
        record = await stack.call([Type("what rooms do you have"), Noise(clip("noise_cough"), after_s=1.0)])
        assert len(record.turns) == 1
        turn = record.turns[0]
        assert turn.outcome == "typed"
        assert not turn.cleared
        assert turn.finished
        assert turn.paused == turn.resumed


@pytest.mark.slow
async def test_many_callers_at_once_leave_nothing_behind() -> None:
    from voice_loadtest.caller import CallOptions
    from voice_loadtest.run import run_load

    async with running_stack() as stack:
        scripts = [[Speak(clip("smalltalk_01"))], [Type("hello")], [Speak(clip("room_01")), Speak(clip("room_03"))]]
        load = await run_load(9, lambda number: scripts[number % 3], CallOptions(url=stack.url, gap_s=0.1))
        assert all(turn.answered for turn in load.turns)
        assert len(load.turns) == 12
        await stack.quiet()
        text = await stack.metrics()
        assert sample(text, "voice_agent_sessions_total", outcome="completed") == 9
        assert sample(text, "voice_agent_active_sessions") == 0
