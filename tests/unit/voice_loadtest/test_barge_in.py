from __future__ import annotations

import pytest

from tests.support.calls import play
from tests.support.scripted_service import Talk, clip
from voice_loadtest.audio import CallerRecording
from voice_loadtest.script import Interrupt, Noise, Speak, Step

COUGH = clip("cough", voice_s=0.08, tail_s=0.0)


async def test_an_interruption_stops_the_reply_and_is_measured() -> None:
    async def yields(talk: Talk) -> None:
        await talk.ready()
        await talk.answer(1, seconds=5.0)
        await talk.voice()
        await talk.send("audio.pause", turn=1)
        await talk.send("audio.clear", turn=1, heard="Of")
        await talk.answer(2, "stop")
        await talk.goodbye()

    record, running = await play(yields, [Speak(clip("long question")), Interrupt(clip("stop"), after_s=0.3)])

    first, second = record.turns
    assert (first.cleared, first.heard, first.finished, first.paused) == (True, "Of", False, 1)
    assert 280 <= first.played_ms < 3000
    assert second.utterance is not None
    assert second.utterance.over_reply == 1
    assert second.utterance.barge_in_ms is not None
    assert second.utterance.barge_in_ms >= 0
    assert record.all_answered
    events = [message["event"] for message in running.talks[0].all("playback", turn=1)]
    assert events[0] == "started"
    assert events[-2:] == ["paused", "cleared"]
    assert set(events[1:-2]) <= {"progress"}


async def test_a_cough_does_not_end_the_reply() -> None:
    async def forgives(talk: Talk) -> None:
        await talk.ready()
        await talk.answer(1, seconds=0.8)
        await talk.voice()
        await talk.send("audio.pause", turn=1)
        await talk.hear()
        await talk.send("audio.resume", turn=1)
        await talk.goodbye()

    record, running = await play(forgives, [Speak(clip()), Noise(COUGH, after_s=0.2)])

    (turn,) = record.turns
    assert (turn.paused, turn.resumed, turn.cleared, turn.finished) == (1, 1, False, True)
    assert round(turn.played_ms) == 800
    noise = record.utterances[1]
    assert (noise.kind, noise.turns) == ("noise", [])
    assert noise.barge_in_ms is not None
    assert record.all_answered
    events = [message["event"] for message in running.talks[0].all("playback") if message["event"] != "progress"]
    assert events == ["started", "paused", "resumed", "finished"]
    # 800 ms of audio, and 200 ms of cough and silence in which it was paused
    reports = running.talks[0].all("playback")
    assert reports[-1]["at"] - reports[0]["at"] >= 0.98


async def test_the_heard_part_of_the_audio_is_kept_when_asked_for() -> None:
    async def yields(talk: Talk) -> None:
        await talk.ready()
        await talk.answer(1, seconds=5.0)
        await talk.voice()
        await talk.send("audio.clear", turn=1, heard="Of")
        await talk.answer(2, seconds=0.3)
        await talk.goodbye()

    script: list[Step] = [Speak(clip()), Interrupt(clip(), after_s=0.2)]
    record, _ = await play(yields, script, keep_audio=True)

    heard = [CallerRecording.of("heard", pcm).seconds for pcm in record.audio]
    assert heard[0] == pytest.approx(record.turns[0].played_ms / 1000, abs=0.001)
    assert heard[1] == pytest.approx(0.3, abs=0.001)
