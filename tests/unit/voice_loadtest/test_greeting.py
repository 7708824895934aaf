"""A call whose agent speaks first, of a free caller of real providers, who is not told which policy serves it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.calls import play
from tests.support.scripted_service import Talk, clip
from voice_loadtest.script import Interrupt, Speak, Step, Type


async def greets(talk: Talk) -> None:
    """Greets when the caller has typed already, and answers after that."""
    await talk.ready(tier="free", policy=None)
    await talk.get("text")
    await talk.reply(0, "Good day.")
    await talk.metrics(0, outcome="greeting", spoken=False, model=None, rule=None, voice_to_voice_ms=None)
    await talk.send("transcript.final", turn=1, text="hello", spoken=False)
    await talk.reply(1)
    await talk.metrics(1, outcome="typed", spoken=False, voice_to_voice_ms=None)
    await talk.goodbye()


GREETED: dict[str, Any] = {
    "outcome": "greeting",
    "spoken": False,
    "model": None,
    "rule": None,
    "voice_to_voice_ms": None,
}


async def says_it_will_greet(talk: Talk) -> None:
    """Says that it will greet, does so, and answers what comes then."""
    await talk.ready(greets=True)
    await talk.reply(0, "Good day, how can I help you?", seconds=0.5)
    await talk.metrics(0, **GREETED)
    await talk.get("playback", turn=0, event="finished")
    await talk.get("text")
    await talk.send("transcript.final", turn=1, text="hello", spoken=False)
    await talk.reply(1)
    await talk.metrics(1, outcome="typed", spoken=False, voice_to_voice_ms=None)
    await talk.goodbye()


async def test_what_is_typed_waits_until_the_greeting_was_heard_to_its_end() -> None:
    record, service = await play(says_it_will_greet, [Type("hello")])
    assert record.errors == []
    greeting, answer = record.turns
    assert (greeting.finished, greeting.cleared, greeting.heard) == (True, False, "Good day, how can I help you?")
    assert answer.answered
    (talk,) = service.talks
    order = [(message["type"], message.get("event")) for message in talk.messages]
    assert order.index(("playback", "finished")) < order.index(("text", None))


async def test_a_greeting_that_never_comes_is_given_up_and_the_call_goes_on() -> None:
    async def promises(talk: Talk) -> None:
        await talk.ready(greets=True)
        await talk.get("text")
        await talk.send("transcript.final", turn=1, text="hello", spoken=False)
        await talk.reply(1)
        await talk.metrics(1, outcome="typed", spoken=False, voice_to_voice_ms=None)
        await talk.goodbye()

    record, _ = await play(promises, [Type("hello")], reply_timeout_s=0.3)
    assert [fault.code for fault in record.errors] == ["no_reply"]
    assert record.all_answered


@pytest.mark.parametrize("begun", [False, True])
async def test_a_greeting_that_the_line_cut_off_is_not_waited_for_by_who_comes_back(begun: bool) -> None:
    lines = 0

    async def cuts(talk: Talk) -> None:
        nonlocal lines
        lines += 1
        await talk.ready(greets=lines == 1, resume_token="a-resume-token", resumed=lines > 1)
        if lines == 1:
            if begun:
                await talk.reply(0, "Good day.", seconds=5.0, end=False)
            talk.socket.transport.abort()
            return
        await talk.get("text")
        await talk.send("transcript.final", turn=1, text="hello", spoken=False)
        await talk.reply(1)
        await talk.metrics(1, outcome="typed", spoken=False, voice_to_voice_ms=None)
        await talk.goodbye()

    record, _ = await play(cuts, [Type("hello")], come_back_s=5.0, reply_timeout_s=2.0)
    assert lines == 2
    assert record.errors == []
    assert record.all_answered


@pytest.mark.parametrize(("step", "cleared"), [(Speak, False), (Interrupt, True)])
async def test_a_clip_waits_for_the_greeting_unless_it_is_to_interrupt_it(step: type[Step], cleared: bool) -> None:
    async def greets_at_length(talk: Talk) -> None:
        await talk.ready(greets=True)
        await talk.reply(0, "Good day.", seconds=0.6)
        if not cleared:
            await talk.metrics(0, **GREETED)
        await talk.voice()
        over = bool(talk.all("playback", turn=0, event="finished"))
        assert over is not cleared
        if cleared:
            await talk.send("audio.clear", turn=0, heard="Good")
            await talk.metrics(0, **GREETED)
        await talk.answer(1, "book a room")
        await talk.goodbye()

    said = clip(voice_s=0.2)
    record, _ = await play(greets_at_length, [Speak(said) if step is Speak else Interrupt(said, 0.1)])
    assert record.errors == []
    assert record.turns[0].cleared is cleared
    assert record.all_answered


async def test_a_greeting_answers_nothing_that_was_said() -> None:
    record, _ = await play(greets, [Type("hello")])

    assert record.errors == []
    assert record.policy is None
    greeting, answer = record.turns
    assert (greeting.greets, greeting.spoken, greeting.utterance, greeting.reply) == (True, False, None, "Good day.")
    assert (answer.greets, answer.transcript, answer.reply) == (False, "hello", "Of course.")
    assert record.utterances[0].turns == [1]
    assert record.all_answered
