"""Whoever interrupts a call hangs up: what was cut off by it is nobody's fault."""

from __future__ import annotations

from tests.support.scripted_service import Talk, clip, service
from voice_loadtest.caller import Caller, CallOptions, call
from voice_loadtest.script import Speak, Type


async def test_a_call_that_is_interrupted_hangs_up_and_returns_what_there_was() -> None:
    callers: list[Caller] = []

    async def answers_once(talk: Talk) -> None:
        await talk.ready()
        await talk.answer(1)
        await talk.voice()
        callers[0].interrupt()
        await talk.goodbye()

    async with service(answers_once) as running:
        options = CallOptions(running.url, gap_s=0.05)
        record = await call(options, [Speak(clip("one")), Speak(clip("two", voice_s=20))], on_caller=callers.append)
    assert running.talks[0].all("hangup")
    assert [turn.transcript for turn in record.turns] == ["hello"]  # what was cut off nobody failed to hear
    assert [(said.name, said.cut, said.whole) for said in record.utterances] == [
        ("one", False, True),
        ("two", True, False),
    ]
    assert record.hung_up
    assert (record.end_reason, record.close_code, record.errors) == ("hangup", 1000, [])


async def test_what_was_said_and_waits_for_its_answer_at_the_hang_up_is_no_fault_either() -> None:
    callers: list[Caller] = []

    async def hears(talk: Talk) -> None:
        await talk.ready()
        await talk.hear()
        await talk.send("transcript.final", turn=1, text="hello", spoken=True)
        callers[0].interrupt()
        await talk.goodbye()

    async with service(hears) as running:
        record = await call(CallOptions(running.url), [Speak(clip("one", tail_s=0.3))], on_caller=callers.append)
    assert [(said.name, said.cut) for said in record.utterances] == [("one", True)]
    assert (record.awaited, record.unanswered, record.all_answered) == ([], [], False)


async def test_a_call_that_is_interrupted_before_it_began_says_nothing() -> None:
    async def waits(talk: Talk) -> None:
        await talk.ready()
        await talk.goodbye()

    async with service(waits) as running:
        record = await call(CallOptions(running.url), [Type("hello")], on_caller=lambda caller: caller.interrupt())
    assert (record.utterances, record.close_code) == ([], 1000)
