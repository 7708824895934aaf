"""What is kept beside a call so that a turn need not work it out again is what working it out gives."""

from __future__ import annotations

import random
from dataclasses import replace

from agent.memory import Conversation
from agent.memory.conversation import FOLD_TO, MAX_QUESTIONS
from agent.memory.features import stems_in
from agent.memory.index import MOST_TIMES
from agent.memory.nodes import ENDED
from tools.bench.bench_memory import one_turn

BUDGET = 4_000


def call_of(turns: int) -> Conversation:
    chance, conversation = random.Random(3), Conversation()
    for number in range(turns):
        one_turn(conversation, number, chance, BUDGET)
    return conversation


def test_a_topic_is_as_long_as_its_words_also_after_folding() -> None:
    conversation = call_of(MAX_QUESTIONS + 2)
    assert conversation.graph.folded >= MAX_QUESTIONS - FOLD_TO
    index = conversation.index
    assert len(index.topic_words) > 1
    for topic, words in index.topic_words.items():
        assert index.topic_squares[topic] == sum(min(count, MOST_TIMES) ** 2 for count in words.values())


def test_a_thing_that_shares_a_word_with_a_text_is_among_those_known_by_its_stems() -> None:
    conversation = call_of(120)
    states = conversation.graph.states
    assert len(states) > 40
    for text in ("Your hotel at Sino is booked for Friday at 7 pm.", "What about the first taxi?", states[0].told):
        stems = stems_in(text)
        sharing = {state.id for state in states if stems & stems_in(state.told)}
        assert sharing
        assert sharing <= conversation.index.sharing(stems)


def test_a_thing_tells_what_its_slots_do() -> None:
    for state in call_of(60).graph.states:
        assert state.touched == max(slot.turn for slot in state.slots)
        assert state.told.split() == [word for slot in state.slots for word in slot.value.split()]
        assert state.live is (state.state != ENDED)


def test_other_doubts_change_nothing_else() -> None:
    for state in call_of(60).graph.states:
        assert state.with_doubts((7,)) == replace(state, doubts=(7,))
        assert state.with_doubts((7,)).told == state.told
