"""A call whose agent speaks first, of a free caller of real providers, who is not told which policy serves it."""

from __future__ import annotations

from tests.support.calls import play
from tests.support.scripted_service import Talk
from voice_loadtest.script import Type


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


async def test_a_greeting_answers_nothing_that_was_said() -> None:
    record, _ = await play(greets, [Type("hello")])

    assert record.errors == []
    assert record.policy is None
    greeting, answer = record.turns
    assert (greeting.greets, greeting.spoken, greeting.utterance, greeting.reply) == (True, False, None, "Good day.")
    assert (answer.greets, answer.transcript, answer.reply) == (False, "hello", "Of course.")
    assert record.utterances[0].turns == [1]
    assert record.all_answered
