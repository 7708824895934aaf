from __future__ import annotations

import pytest

from tests.support.calls import answers, play
from tests.support.scripted_service import Talk, clip, service
from voice_loadtest.audio import FRAME_BYTES
from voice_loadtest.caller import CallOptions, call
from voice_loadtest.pacing import now
from voice_loadtest.protocol import CallRefusedError, ConnectError
from voice_loadtest.script import Drop, HangUp, Listen, Speak, Type, Wait


async def test_a_call_of_two_utterances() -> None:
    record, running = await play(answers, [Speak(clip("one")), Speak(clip("two"))])

    assert [turn.transcript for turn in record.turns] == ["utterance 1", "utterance 2"]
    assert [turn.utterance.name for turn in record.turns if turn.utterance] == ["one", "two"]
    assert [turn.reply for turn in record.turns] == ["Of course.", "Of course."]
    assert [turn.heard for turn in record.turns] == ["Of course.", "Of course."]
    assert [round(turn.played_ms) for turn in record.turns] == [200, 200]
    assert record.all_answered
    assert (record.end_reason, record.close_code, record.errors) == ("hangup", 1000, [])
    talk = running.talks[0]
    assert talk.protocols == ["voice-agent.v1", "bearer.t0ken"]
    assert talk.messages[0]["type"] == "start"
    assert talk.frame_sizes == {FRAME_BYTES}


async def test_voice_to_voice_agrees_with_the_servers_clock() -> None:
    record, _ = await play(answers, [Speak(clip())] * 3)

    for turn in record.turns:
        assert turn.voice_to_voice_ms is not None
        assert turn.server_voice_to_voice_ms is not None
        # both clocks are the same process's: sending and receiving only add to what the server measured
        assert turn.voice_to_voice_ms >= turn.server_voice_to_voice_ms - 1
        assert turn.voice_to_voice_ms >= 190  # the silence by which the service knows the end


async def test_the_network_is_delayed_both_ways_and_keeps_its_order() -> None:
    trips: list[float] = []
    layer: list[float] = []

    async def measures(talk: Talk) -> None:
        await talk.ready()
        layer.append(await (await talk.socket.ping()))  # of the WebSocket layer, which answers by itself
        for number in range(5):
            began = now()
            await talk.send("ping", id=number)
            trips.append((await talk.get("pong", id=number))["at"] - began)
        await talk.answer(1)
        await talk.goodbye()

    record, running = await play(measures, [Speak(clip())], network_ms=120)

    assert min(trips) >= 0.12
    assert 0.12 <= layer[0] < 1.0
    assert [message["id"] for message in running.talks[0].all("pong")] == [0, 1, 2, 3, 4]
    turn = record.turns[0]
    assert turn.voice_to_voice_ms is not None
    assert turn.server_voice_to_voice_ms is not None
    assert turn.voice_to_voice_ms >= turn.server_voice_to_voice_ms + 119
    assert record.all_answered


async def test_the_microphone_is_paced_by_the_clock_between_clips_too() -> None:
    async def listens(talk: Talk) -> None:
        await talk.ready()
        await talk.until(lambda: talk.frames >= 50)
        await talk.goodbye()

    _, running = await play(listens, [Wait(1.2), HangUp()])

    arrivals = running.talks[0].arrivals
    # frame n is never before its time: n frames take n x 20 ms, whatever the machine is busy with
    assert arrivals[49] - arrivals[0] >= 49 * 0.02 - 0.021
    assert len(arrivals) <= 1.2 / 0.02 + 2


async def test_a_typed_turn_is_answered_in_words() -> None:
    async def writes(talk: Talk) -> None:
        await talk.ready()
        await talk.get("text", text="two rooms")
        await talk.send("transcript.final", turn=1, text="two rooms", spoken=False)
        await talk.reply(1, "Noted.")
        await talk.metrics(1, outcome="typed", spoken=False, voice_to_voice_ms=None)
        await talk.goodbye()

    record, _ = await play(writes, [Type("two rooms")])

    (turn,) = record.turns
    assert (turn.spoken, turn.reply, turn.voice_to_voice_ms) == (False, "Noted.", None)
    assert turn.response_ms is not None
    assert record.all_answered


async def test_an_apology_is_not_an_answer() -> None:
    async def apologises(talk: Talk) -> None:
        await talk.ready()
        await talk.hear()
        await talk.send("transcript.final", turn=1, text="hello", spoken=True)
        await talk.reply(1, "Sorry, could you say that again?")
        await talk.metrics(1, outcome="apology")
        await talk.goodbye()

    record, _ = await play(apologises, [Speak(clip())])

    assert not record.all_answered
    assert record.turns[0].voice_to_voice_ms is None, "its wait has no end"


@pytest.mark.parametrize("silence", [b"", bytes(640)])
async def test_success_without_sound_is_not_an_answer(silence: bytes) -> None:
    async def mute(talk: Talk) -> None:
        await talk.ready()
        await talk.hear()
        await talk.send("transcript.final", turn=1, text="hello", spoken=True)
        await talk.send("reply.text", turn=1, clause=0, text="Hello.")
        await talk.send("audio.start", turn=1)
        await talk.socket.send(silence)
        await talk.send("audio.end", turn=1, audio_ms=len(silence) / 32)
        await talk.metrics(1)
        await talk.goodbye()

    record, _ = await play(mute, [Speak(clip())])

    assert not record.all_answered


async def test_a_filler_is_no_answer_and_the_answer_is_heard_behind_it() -> None:
    async def late(talk: Talk) -> None:
        await talk.ready()
        await talk.hear()
        await talk.send("transcript.final", turn=1, text="hello", spoken=True)
        await talk.send("audio.start", turn=1)
        await talk.send("filler", turn=1, text="One moment, please.", audio_ms=1_000.0)
        await talk.socket.send(b"\x01" * 32_000)
        await talk.send("reply.text", turn=1, clause=0, text="Hello.")
        await talk.socket.send(b"\x01" * 3_200)
        await talk.send("audio.end", turn=1, audio_ms=1_100.0)
        await talk.metrics(1)
        await talk.goodbye()

    record, _ = await play(late, [Speak(clip())])

    (turn,) = record.turns
    assert turn.answered
    assert turn.voice_to_voice_ms is not None
    assert turn.voice_to_voice_ms > 900


async def test_an_utterance_that_nobody_answers_is_a_turn_without_number() -> None:
    async def deaf(talk: Talk) -> None:
        await talk.ready()
        await talk.goodbye()

    record, _ = await play(deaf, [Speak(clip("hello"))], reply_timeout_s=0.4)

    (turn,) = record.turns
    assert (turn.turn, turn.outcome, turn.answered) == (None, None, False)
    assert [said.name for said in record.unanswered] == ["hello"]
    assert [fault.code for fault in record.errors] == ["no_reply"]


async def test_an_utterance_that_the_server_cut_in_two_waits_for_the_second_turn() -> None:
    async def hasty(talk: Talk) -> None:
        await talk.ready()
        await talk.voice()
        await talk.send("transcript.final", turn=1, text="two", spoken=True)
        await talk.metrics(1, outcome="superseded", voice_to_voice_ms=None)
        await talk.answer(2, "two people")
        await talk.goodbye()

    record, _ = await play(hasty, [Speak(clip("two people"))])

    assert [(turn.transcript, turn.answered) for turn in record.turns] == [("two", False), ("two people", True)]
    assert record.all_answered


async def test_own_speech_is_pretended_at_fifteen_characters_a_second_and_reported() -> None:
    async def sends_text(talk: Talk) -> None:
        start = await talk.ready()
        assert start["capabilities"] == {
            "browser_speech": True,
            "browser_recogniser": False,
            "playback_reports": True,
        }
        await talk.hear()
        await talk.send("transcript.final", turn=1, text="hello", spoken=True)
        for clause, text in enumerate(("Hi.", "Good day.")):
            await talk.send("reply.text", turn=1, clause=clause, text=text)
            await talk.send("speech.browser", turn=1, clause=clause, text=text)
        await talk.get("playback", event="finished", clause=1)
        await talk.metrics(1)
        await talk.goodbye()

    record, running = await play(sends_text, [Speak(clip())], browser_speech=True)

    reports = [m for m in running.talks[0].all("playback") if m["event"] != "progress"]
    assert [(m["event"], m["clause"]) for m in reports] == [
        ("started", 0),
        ("finished", 0),
        ("started", 1),
        ("finished", 1),
    ]
    assert reports[-1]["played_ms"] == pytest.approx(12 / 15 * 1000, abs=1)
    assert record.all_answered


async def test_reports_stay_away_when_they_are_not_declared() -> None:
    record, running = await play(answers, [Speak(clip())], playback_reports=False)

    talk = running.talks[0]
    assert talk.messages[0]["capabilities"]["playback_reports"] is False
    assert talk.all("playback") == []
    assert record.all_answered


async def test_playback_reports_say_what_was_audible_and_when() -> None:
    _, running = await play(answers, [Speak(clip())])

    started, finished = (running.talks[0].all("playback", event=event)[0] for event in ("started", "finished"))
    assert started["ear_ms"] >= 190
    assert started["played_ms"] == 0
    assert finished["played_ms"] == 200


async def test_a_dropped_line_says_nothing_and_a_hang_up_mid_reply_says_hangup() -> None:
    async def long_reply(talk: Talk) -> None:
        await talk.ready()
        await talk.answer(1, seconds=10.0)
        await talk.goodbye()

    dropped, there = await play(long_reply, [Speak(clip()), Drop()])
    assert there.talks[0].all("hangup") == []
    assert dropped.close_code == 1006
    assert not dropped.all_answered

    hung_up, there = await play(long_reply, [Speak(clip()), Wait(0.5), HangUp()])
    assert len(there.talks[0].all("hangup")) == 1
    assert (hung_up.close_code, hung_up.turns[0].finished) == (1000, False)


async def test_listen_comes_before_a_drop_to_hear_the_reply_out() -> None:
    record, _ = await play(answers, [Speak(clip()), Listen(), Drop()])

    assert record.turns[0].finished


async def test_a_server_that_closes_ends_the_call_with_its_reason() -> None:
    async def full(talk: Talk) -> None:
        await talk.get("start")
        await talk.send("error", code="overloaded", message="no capacity, try again in 5 s", fatal=True)
        await talk.socket.close(4429)

    record, _ = await play(full, [Speak(clip())])

    assert record.close_code == 4429
    assert record.as_dict()["session"]["close_meaning"] == "the server has no capacity: try later"
    assert [(fault.code, fault.fatal) for fault in record.errors] == [("overloaded", True)]
    assert not record.all_answered


async def test_faults_of_the_server_are_written_down_and_the_call_goes_on() -> None:
    async def odd(talk: Talk) -> None:
        await talk.ready()
        await talk.socket.send("not json")
        await talk.socket.send(b"\1\2")
        await talk.send("weather", sky="blue")
        await talk.send("degraded", service="tts", tier=2, reason="timeout", message="simplified")
        await talk.answer(1)
        await talk.goodbye()

    record, _ = await play(odd, [Speak(clip())])

    assert [fault.code for fault in record.errors] == ["not_a_message", "stray_audio"]
    assert record.degraded == [{"service": "tts", "tier": 2, "reason": "timeout"}]
    assert record.all_answered


async def test_a_service_that_is_not_there_says_what_to_start() -> None:
    async with service(answers) as running:
        url = running.url
    with pytest.raises(ConnectError, match="make run"):
        await call(CallOptions(url=url), [Speak(clip())])


async def test_a_refusal_carries_the_problem_and_never_the_key() -> None:
    problem = {"title": "Unauthorized", "detail": "the API key is not known", "status": 401}
    async with service(answers, status=401, body=problem) as running:
        with pytest.raises(CallRefusedError, match="the API key is not known") as caught:
            await call(CallOptions(url=running.url, api_key="s3cret"), [Speak(clip())])
    assert caught.value.status == 401
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(CallOptions(api_key="s3cret", token="s3cret"))
    assert running.asked[0]["authorization"] == "Bearer s3cret"


async def test_a_token_leaves_the_session_request_out() -> None:
    async with service(answers) as running:
        options = CallOptions(url=running.ws_url, token="made elsewhere".replace(" ", "-"), gap_s=0.0)
        record = await call(options, [Speak(clip())])
    assert running.asked == []
    assert running.talks[0].protocols[1] == "bearer.made-elsewhere"
    assert record.all_answered
