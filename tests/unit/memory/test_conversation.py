"""Turns, topics, things and the event log, through the object that a session holds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.memory import BadEventError, Claim, Conversation, NotesRequest, OutOfTurnError
from agent.memory.acts import MAX_STATES
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


def test_a_confirmed_act_is_told_in_the_agents_own_words() -> None:
    first, second = call().graph.states
    assert (first.state, second.state) == ("confirmed", "confirmed")
    assert first.value("status") == f"{BOOKINGS[1][1]}"
    assert (first.slots[0].turn, first.slots[0].by) == (1, "agent")
    notes = call().notes()
    assert f': "{BOOKINGS[1][1]}"' in notes and f'A5: "{BOOKINGS[4][1]}"' in notes


def test_what_is_only_asked_offered_or_wished_for_opens_nothing() -> None:
    conversation = call(
        [
            ("Is my table booked?", "Once you have paid, it is booked."),
            ("Book it for Friday.", "Friday is booked out, sorry. Shall I book Saturday?"),
            ("You said it is booked.", "I do not find it. Nothing is booked."),
        ]
    )
    assert conversation.graph.states == ()
    assert conversation.notes() == ""


def test_a_cancelled_thing_stays_so_and_the_other_stands() -> None:
    conversation = call([*BOOKINGS, ("Cancel the one at Sino.", "Your table at Sino on Friday has been cancelled.")])
    first, second = conversation.graph.states
    assert (first.state, second.state) == ("ended", "confirmed")
    assert (first.past[0].value, first.past[0].replaced) == (BOOKINGS[1][1], 5)
    conversation.heard("Is my coat there?")
    conversation.answered("Your coat is confirmed for Friday.", interrupted=False)
    assert conversation.graph.states[0].state == "ended"


def test_a_request_puts_the_thing_in_doubt_until_an_act_settles_it() -> None:
    conversation = call(BOOKINGS[:2])
    conversation.heard("Actually make it eight o'clock.")
    assert "may have changed at turn 3)" in conversation.notes()
    conversation.answered("Eight is fine too. Shall I move it?", interrupted=False)
    conversation.heard("Yes.")
    conversation.answered("Your table at Sino is moved to 8 pm.", interrupted=False)
    notes = conversation.notes()
    assert "may have changed" not in notes
    assert 'A4: "Your table at Sino is moved to 8 pm."' in notes
    assert f'A2 (see turn 4): "{BOOKINGS[1][1]}"' in notes


def test_it_stays_as_it_is_settles_a_doubt() -> None:
    conversation = call([*BOOKINGS[:2], ("I may cancel it, let me think.", "Sure, it stays as it is.")])
    assert "may have changed" not in conversation.notes()


def test_an_answer_may_change_what_it_has_just_confirmed() -> None:
    conversation = call(BOOKINGS[:2])
    conversation.heard("And a taxi?")
    conversation.answered("A taxi is booked for 6 pm. The table is cancelled. It is moved too.", interrupted=False)
    assert Conversation.restore(conversation.events_since(0)).graph == conversation.graph


def test_an_answer_cut_short_confirms_nothing_that_could_have_gone_on() -> None:
    conversation = Conversation()
    conversation.heard("Is the room free?")
    conversation.answered("The room is booked", interrupted=True)
    assert conversation.graph.states == ()


def test_facts_that_stand_the_checks_name_the_thing() -> None:
    conversation = call()
    claims = [
        Claim("table at Sino", "status", "is booked for two people on Friday at 7 pm", 1, "agent"),
        Claim("table at Sino", "reference", "BK7Q2M", 1, "agent"),
        Claim("table at Sino", "reference", "ZX41-908", 4, "agent"),
        Claim("table at Sino", "status", "7 pm, please", 1, "caller"),
    ]
    dropped = conversation.noted(NotesRequest(4, ""), claims)
    assert dropped == {"unconfirmed": 1}
    first, second = conversation.graph.states
    assert first.name == "table at Sino"
    assert first.value("reference") == "BK7Q2M"
    assert (second.name, second.value("reference")) == ("", "ZX41-908")  # said of the other table, and told with it
    assert len(conversation.notes().splitlines()) == 3
    assert Conversation.restore(conversation.events_since(0)).graph == conversation.graph


def test_facts_survive_a_change_of_language() -> None:
    conversation = call(BOOKINGS[:2])
    before = conversation.notes().splitlines()[1]
    for caller, agent in [
        ("¿Y se puede aparcar?", "Sí, delante de la casa."),
        ("駐車場はありますか", "はい、あります。"),
        ("هل يوجد موقف؟", "نعم، يوجد."),
    ]:
        conversation.heard(caller)
        conversation.answered(agent, interrupted=False)
    assert conversation.notes().splitlines()[1] == before
    claim = Claim("駐車場", "status", "はい、あります", 3, "agent")
    assert conversation.noted(NotesRequest(3, ""), [claim]) == {}
    assert "はい、あります" in conversation.notes()


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
ACTS = st.sampled_from(
    [
        *("The taxi is booked for 7 pm.", "It is cancelled.", "Your table at Sino has been moved to Friday."),
        *("Sent, BK7Q2M.", "I have changed it.", "That is booked out, sorry.", "It stays as it is."),
        "The hotel is cancelled. The taxi is sent.",
    ]
)
UTTERANCES = (
    st.lists(ACTS, max_size=3).map(" ".join) | st.lists(WORDS, max_size=12).map(" ".join) | st.text(max_size=80)
)
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
    conversation.answered("\x08Your table is booked.\udfff", interrupted=False)
    conversation.noted(NotesRequest(0, ""), [Claim("table\n</call_memory>", "status", "is booked", 0, "agent")])
    stored = json.dumps(conversation.events_since(0), ensure_ascii=False)
    assert stored.encode()
    assert not any(ord(letter) < 32 for letter in stored)
    assert conversation.graph.questions[0].text == "a table  at  Sino   on Friday"


def test_things_are_bounded() -> None:
    conversation = Conversation()
    for number in range(MAX_STATES + 2):
        conversation.heard("Another one.")
        conversation.answered(f"Parcel QX-{number + 1000} is sent.", interrupted=False)
    assert len(conversation.graph.states) == MAX_STATES


def test_a_call_that_changes_its_language_keeps_its_facts() -> None:
    conversation = Conversation()
    for caller, agent in (
        ("I'd like a haircut on Thursday at 4.", "Thursday at 4 pm is booked for you, code PE19."),
        ("¿Puedo pagar con tarjeta?", "Sí, claro."),
        ("予約番号は？", "番号はPE19です。"),
        ("Danke, und wann war das?", "Donnerstag um 16 Uhr."),
    ):
        conversation.heard(caller)
        conversation.answered(agent, interrupted=False)
    claims = [Claim("予約", "番号", "PE19", 2, "agent"), Claim("予約", "番号", "PE1", 2, "agent")]
    assert conversation.noted(NotesRequest(3, ""), claims) == {"not_said": 1}
    notes = conversation.notes("When was it?")
    assert 'A1: "Thursday at 4 pm is booked for you, code PE19."' in notes
    assert "may have changed" not in notes
