"""Topics, states, pointers and the event log, through the object that a session holds."""

from __future__ import annotations

import json

import pytest
from agent.memory.states import MAX_LOOSE, MAX_STATES
from agent.memory.summary import describe_state
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.memory import BadEventError, Conversation, OutOfTurnError, State, SummaryRequest
from agent.memory.conversation import FOLD_TO, MAX_QUESTIONS, MAX_TEXT

BOOKINGS = [
    ("I'd like a table at Sino for two people on Friday.", "Sure, what time would you like at Sino?"),
    ("7 pm, please.", "Your table at Sino is booked for two people on Friday at 7 pm. The reference is BK7Q2M."),
    ("How's the weather going to be?", "Mostly sunny, around 21 degrees."),
    ("I also need a table at Bella Napoli, three of us, on Sunday.", "What time would you like at Bella Napoli?"),
    ("noon please", "Your table at Bella Napoli is booked on Sunday at noon. The reference is ZX41-908."),
]


def call(turns: list[tuple[str, str]] | None = None) -> Conversation:
    conversation = Conversation()
    for caller, agent in BOOKINGS if turns is None else turns:
        conversation.heard(caller)
        conversation.answered(agent, interrupted=False)
    return conversation


def focus(conversation: Conversation) -> State:
    state = conversation.graph.state
    assert state is not None
    return state


def test_a_subject_that_comes_back_reopens_its_topic() -> None:
    conversation = call()
    assert [topic.subject for topic in conversation.graph.topics] == ["restaurant", "weather"]
    assert conversation.graph.topics[0].reopened == (3,)
    assert [topic.open for topic in conversation.graph.topics] == [True, False]


def test_rivals_of_one_kind_are_two_states_with_their_own_values() -> None:
    first, _, second = call().graph.states
    assert (first.value("name"), first.value("time"), first.value("code")) == ("Sino", "7 pm", "BK7Q2M")
    assert (second.value("name"), second.value("time"), second.value("code")) == ("Bella Napoli", "noon", "ZX41-908")
    assert first.state == second.state == "confirmed"
    assert first.transitions[-1].cue == "is booked"


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Wait, not that table, the earlier one.", "Sino"),
        ("About the first one, what did we say?", "Sino"),
        ("No, the other table.", "Sino"),
        ("And the table on Friday?", "Sino"),
        ("What did we say about Sino?", "Sino"),
        ("The last table, is it all set?", "Bella Napoli"),
        ("Back to the restaurant thing for a second.", "Bella Napoli"),
    ],
)
def test_pointers_find_the_thing_meant(said: str, name: str) -> None:
    conversation = call()
    update = conversation.heard(said)
    assert focus(conversation).value("name") == name
    assert update.refers_to == (focus(conversation).id,)


def test_a_correction_replaces_the_value_and_keeps_the_old_one_as_past() -> None:
    conversation = call()
    conversation.heard("About the first table, actually make it seven people.")
    state = focus(conversation)
    assert (state.value("name"), state.value("people")) == ("Sino", "seven")
    assert [slot.value for slot in state.past] == ["two"]


def test_small_talk_after_a_settled_thing_does_not_change_it() -> None:
    conversation = call(BOOKINGS[:2])
    before = focus(conversation)
    conversation.heard("What are your opening hours?")
    conversation.answered("We are open from 9 am to 6 pm, Monday to Saturday.", interrupted=False)
    assert conversation.graph.states[before.id].slots == before.slots


def test_a_cancelled_thing_says_so() -> None:
    conversation = call()
    conversation.heard("Cancel the first table please.")
    assert (focus(conversation).value("name"), focus(conversation).state) == ("Sino", "cancelled")


def test_a_greeting_may_come_first_and_an_answer_only_once() -> None:
    conversation = Conversation()
    conversation.answered("Hello, how can I help?", interrupted=False)
    with pytest.raises(OutOfTurnError):
        conversation.answered("Hello again", interrupted=False)
    assert conversation.heard("I need a taxi").turn == 1


def test_events_survive_json_and_give_the_same_graph() -> None:
    conversation = call()
    conversation.heard("No, the other table.")
    log = json.loads(json.dumps(conversation.events_since(0)))
    assert Conversation.restore(log).graph == conversation.graph


def test_stored_events_can_be_dropped() -> None:
    conversation = call()
    seen = conversation.event_count
    conversation.forget_events(seen)
    conversation.heard("hello")
    assert [event["text"] for event in conversation.events_since(seen)] == ["hello"]
    with pytest.raises(IndexError):
        conversation.events_since(0)


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "dreamt"},
        {"kind": "answered", "turn": 7, "text": "", "interrupted": False, "state": None},
        {"kind": "heard", "turn": 3, "topic": 0},
        {"kind": "heard", "turn": 0},
    ],
)
def test_events_that_do_not_fit_are_refused(event: dict[str, object]) -> None:
    with pytest.raises(BadEventError):
        Conversation.restore([event])


WORDS = st.sampled_from(
    "I need a table hotel taxi at Sino Harbour Grill on Friday for two people 7 pm actually the first other earlier "
    "one no cancel book it yes please BK7Q2M $45 what was that another by the way weather".split()
)
UTTERANCES = st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=80)
TURNS = st.lists(st.tuples(UTTERANCES, st.none() | UTTERANCES, st.booleans()), max_size=14)


@settings(max_examples=150, deadline=None)
@given(TURNS)
def test_any_call_is_restored_from_its_events(turns: list[tuple[str, str | None, bool]]) -> None:
    conversation = Conversation()
    for caller, agent, interrupted in turns:
        conversation.heard(caller)
        if agent is not None:
            conversation.answered(agent, interrupted=interrupted)
    restored = Conversation.restore(json.loads(json.dumps(conversation.events_since(0))))
    assert restored.graph == conversation.graph
    assert restored.heard("back to the first one") == conversation.heard("back to the first one")


def test_a_very_long_call_folds_and_keeps_every_value() -> None:
    conversation = call()
    values = {slot.value for state in conversation.graph.states for slot in state.slots}
    for number in range(MAX_QUESTIONS + 20):
        conversation.heard(f"By the way, is it warm on day {number}?")
        conversation.answered("It is mild.", interrupted=False)
    graph = conversation.graph
    assert FOLD_TO <= len(graph.questions) <= MAX_QUESTIONS
    assert len(conversation.index) == len(graph.questions)
    assert graph.folded + len(graph.questions) == graph.turns
    assert values <= {slot.value for state in graph.states for slot in state.slots}
    assert graph.topics[0].gist
    assert Conversation.restore(conversation.events_since(0)).graph == graph


LOCKERS = [
    ("I need a locker for 3 skis and an oak sledge until March 3rd.", "Locker QK771 is yours."),
    ("Can you hear me well?", "Very well, thank you."),
    ("I also need another locker, for a brass horn, until April 9th.", "Locker QK882 is yours."),
    ("My key ring is stuck in the gate, too.", "Somebody will free it, case 31-774."),
]
OTHERS = {0: ("QK882", "April 9th", "31-774"), 2: ("QK771", "March 3rd", "31-774"), 3: ("QK771", "QK882")}


@pytest.mark.parametrize(
    ("ask", "meant"),
    [
        ("Sorry, the first one, until when was it?", 0),
        ("The locker before that one, no, sorry, the last locker.", 2),
        ("Number one, is that settled?", 0),
        ("Back to the oak sledge, please.", 0),
        ("What did we say about the brass horn?", 2),
        ("And about my key ring, what was the case?", 3),
    ],
)
def test_things_of_no_declared_subject_are_told_apart(ask: str, meant: int) -> None:
    conversation = call(LOCKERS)
    conversation.heard(ask)
    assert focus(conversation).value("request") == LOCKERS[meant][0]
    assert not any(value in describe_state(focus(conversation)) for value in OTHERS[meant])


@pytest.mark.parametrize(
    ("ask", "place"),
    [
        ("The second table, no, sorry, the first one.", 0),
        ("Not the first table, the second one.", 1),
        ("The last but one, what was it?", 1),
        ("Number three please, can you repeat it?", 2),
        ("And for the Sunday one?", 1),
        ("The Kyoto one, when was that?", 1),
        ("The latter, when was it?", 2),
    ],
)
def test_spoken_choices_between_tables(ask: str, place: int) -> None:
    names = ("Nonna's", "Kyoto Garden", "Taj Palace")
    conversation = call(
        [
            ("I'd like a table at Nonna's for four on Saturday at eight thirty.", "It is booked, reference NN4411."),
            ("Another table, at Kyoto Garden for two on Sunday at noon.", "It is booked, reference KG7750."),
            (
                "And another table, at Taj Palace for five on Monday at ten past nine.",
                "It is booked, reference TP1204.",
            ),
            ("How's the weather?", "It is sunny."),
        ]
    )
    conversation.heard(ask)
    assert focus(conversation).value("name") == names[place]


def test_a_request_is_kept_without_what_was_taken_back() -> None:
    conversation = call([("My heating fails since Monday, no sorry, Tuesday.", "I have opened ticket HH9041.")])
    assert focus(conversation).value("request") == "My heating fails since Tuesday."


def test_an_amount_in_a_longer_sentence_is_corrected() -> None:
    conversation = call([("A table at Nonna's for four on Friday at noon.", "It is booked, reference NN4411.")])
    conversation.heard("About that table at Nonna's, could you actually make it seven please?")
    assert focus(conversation).value("people") == "seven"
    assert [slot.value for slot in focus(conversation).past] == ["four"]


def test_texts_are_bounded() -> None:
    conversation = Conversation()
    conversation.heard("x" * 10 * MAX_TEXT)
    conversation.answered("y" * 10 * MAX_TEXT, interrupted=False)
    question = conversation.graph.questions[0]
    assert len(question.text) == len(question.answer or "") == MAX_TEXT


def test_what_no_voice_says_is_not_kept() -> None:
    """NUL is refused by PostgreSQL, a lone surrogate by UTF-8, both by XML."""
    conversation = Conversation()
    conversation.heard("a table\x00 at\x1b Sino \ud800 on Friday\ufffe")
    conversation.answered("\x08Booked.\udfff", interrupted=False)
    request = SummaryRequest(0, 0, "", ("Friday",))
    conversation.summarised(request, "They\x00want a table.\n</call_memory>")
    stored = json.dumps(conversation.events_since(0), ensure_ascii=False)
    assert stored.encode()
    assert not any(ord(letter) < 32 for letter in stored)
    assert conversation.graph.questions[0].text == "a table  at  Sino   on Friday"
    assert "\n" not in conversation.graph.topics[0].summary


def test_small_talk_of_two_hours_leaves_room_for_things() -> None:
    conversation = call(BOOKINGS[:2])
    for number in range(480):
        conversation.heard(f"I paid ${number} for it on Tuesday I guess")
        conversation.answered(f"Yes, ${number}.", interrupted=False)
    assert len(conversation.graph.states) <= 1 + MAX_LOOSE
    assert focus(conversation).value("name") == "Sino"
    conversation.heard("I need a hotel at the Allenbell for 3 nights on Sunday")
    assert (focus(conversation).flow, focus(conversation).value("nights")) == ("booking", "3")


def test_more_things_than_memory_tells_apart_keep_their_values_in_the_last() -> None:
    conversation = Conversation()
    for number in range(MAX_STATES + 2):
        conversation.heard(f"I also need a table at Sino for {number} people on Friday at 7 pm.")
        conversation.answered(f"Your table is booked, the reference is BK{number + 1000}.", interrupted=False)
    assert len(conversation.graph.states) == MAX_STATES
    conversation.heard("The first one, please.")
    first = focus(conversation)
    conversation.heard("Another table for 999 people on Monday.")
    assert conversation.graph.states[first.id] == first
    assert conversation.graph.states[-1].value("people") == "999"
