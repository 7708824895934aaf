"""What a live call sends, where every token is paid for at every turn: recall by what words tell, notes by need."""

from __future__ import annotations

import pytest

from agent.memory import Conversation, MemoryContext, context
from agent.memory.context import RECALL_TOKENS, WHOLE_CALL_TOKENS, WHOLE_TOKENS, WHOLE_TURNS
from agent.memory.index import Index
from agent.memory.nodes import Question
from agent.memory.recall import LEAST_ROOM, recall_room
from agent.memory.words import tokens_of

FILLING = (
    ("Is it raining over there?", "A little, but it clears up in the afternoon."),
    ("That works out nicely, I can leave early.", "Good, leaving early is wise."),
    ("Do you sell umbrellas?", "We have some small ones near the door."),
    ("How long is the drive?", "About half an hour, if the road is clear."),
    ("Does the lift work again?", "It does, it works since Monday."),
)


def said(turns: int, *parts: tuple[int, tuple[tuple[str, str], ...]]) -> Conversation:
    """A call of small talk, with other exchanges from the turns that are given on."""
    conversation = Conversation()
    talk = [FILLING[number % len(FILLING)] for number in range(turns)]
    for first, exchanges in parts:
        talk[first : first + len(exchanges)] = exchanges
    for caller, agent in talk:
        conversation.heard(caller)
        conversation.answered(agent, interrupted=False)
    return conversation


def live(conversation: Conversation, utterance: str) -> MemoryContext:
    conversation.heard(utterance)
    return context(
        conversation,
        system="You are brief.",
        utterance=utterance,
        budget_tokens=6_000,
        recall_tokens=RECALL_TOKENS,
        cache_from_tokens=4_096,
        without=("whole",),
    )


INVOICE = tuple(
    (f"And line {number} of the invoice?", f"Line {number} of that invoice is for paint.") for number in range(4)
)
BOOKED = tuple((f"Book the {name}.", f"The {name} is booked.") for name in ("sauna", "boat", "piano", "tent", "canoe"))


@pytest.mark.parametrize("utterance", ["That works for me.", "Great, leave it.", "Yes, please.", "Um, okay then."])
def test_words_that_are_all_over_the_call_recall_nothing(utterance: str) -> None:
    conversation = said(60)
    for number in range(6):
        conversation.heard(f"Count to {number}.")
        conversation.answered("Done counting.", interrupted=False)
    assert live(conversation, utterance).tokens["recalled"] == 0


@pytest.mark.parametrize("turns", [20, 60, 200])
def test_one_word_that_stood_in_one_stretch_of_talk_is_enough(turns: int) -> None:
    made = live(said(turns, (4, INVOICE)), "What about the invoice?")
    assert set(made.turns) & {4, 5, 6, 7}
    assert 0 < made.tokens["recalled"] <= LEAST_ROOM


def test_a_word_in_many_neighbouring_turns_tells_more_than_one_strewn_over_as_many() -> None:
    def index(places: set[int]) -> Index:
        made = Index()
        for turn in range(100):
            text = "the harbour" if turn in places else "some talk"
            made.put(Question(id=turn, topic=0, text=text, intent="tell", answer="fine"))
        return made

    together, strewn = index(set(range(20, 32))), index(set(range(2, 92, 8)))
    asked = {"utterance": "the harbour", "upto": 94, "told": 100, "most": 1_000}
    assert recall_room(together, **asked) > 0  # pyright: ignore[reportArgumentType]
    assert recall_room(strewn, **asked) == 0  # pyright: ignore[reportArgumentType]


def test_the_more_the_words_tell_the_more_is_recalled() -> None:
    conversation = said(200, (10, INVOICE), (30, BOOKED))
    rooms = [
        recall_room(conversation.index, text, upto=194, told=200, most=1_000)
        for text in ("Hm, well.", "the invoice", "invoice, paint, sauna", "invoice, paint, sauna, boat, canoe, tent")
    ]
    assert rooms == sorted(rooms) and len(set(rooms)) == 4
    assert rooms[0] == 0 and rooms[-1] <= 1_000


TRIP = (
    ("A seat to Fresno for Ms Okafor, leaving in spring.", "The seat to Fresno for Ms Okafor is booked."),
    ("Is spring nice in Fresno?", "Spring in Fresno is mild."),
)
WHERE = (("A taxi, please.", "Where do you leave from?"),)


@pytest.mark.parametrize(
    ("asked", "utterance", "recalls"),
    [
        (WHERE, "I want to leave in spring.", False),
        (WHERE, "I want to leave from Fresno in spring.", True),
        (WHERE, "From the place of the spring trip.", True),
        (WHERE, "I leave the same spring.", True),
        (WHERE, "Ich will im spring los.", True),
        (WHERE, "Het is om te spring, want we zijn te laat.", True),
        (WHERE, "I would leave in spring, that is what I want.", False),
        (WHERE, "Like I told you, and spring is fine.", True),
        (WHERE, "In spring, as agreed, please.", True),
        (WHERE, "Yes, where I leave in spring, please.", True),
        (WHERE, "Spring would be hers, please.", True),
        (WHERE, "You have it, thanks, with spring.", True),
        (WHERE, "It hasn't changed, please, spring stays.", True),
        (WHERE, "In spring, and a taxi from it, please.", True),
        (WHERE, "Both in spring, please.", True),
        (WHERE, "Use your suggestion for spring, please.", True),
        (WHERE, "It's on file, thanks, with spring.", True),
        (WHERE, "Need samad, spring nagu eelmine kord.", True),
        ((), "I need a seat leaving in spring.", False),
        ((), "I need a taxi to it in spring.", True),
        ((), "What was it with spring?", True),
        ((), "I need to go back to spring.", True),
    ],
)
def test_an_answer_or_a_new_request_recalls_nothing_but_what_it_names_or_points_at(
    asked: tuple[tuple[str, str], ...], utterance: str, recalls: bool
) -> None:
    made = live(said(60, (8, TRIP), (60 - len(asked), asked)), utterance)
    assert bool(set(made.turns) & {8, 9}) is recalls


def test_words_that_stand_by_themselves_are_told_of_one_thing() -> None:
    made = live(said(60, (50, BOOKED), (59, WHERE)), "I would leave in spring.")
    assert [name for name in ("sauna", "boat", "piano", "tent") if name in made.parts["notes"]] == ["tent"]


@pytest.mark.parametrize("utterance", ["Cancel everything, please.", "Actually I would change all of it."])
def test_a_change_is_told_of_many_things_also_where_it_answers_a_question(utterance: str) -> None:
    made = live(said(60, (50, BOOKED), (59, WHERE)), utterance)
    assert all(name in made.parts["notes"] for name in ("boat", "piano", "tent"))


def test_an_agreement_is_told_of_the_newest_things_and_a_question_of_more() -> None:
    names = ("sauna", "boat", "piano", "tent", "canoe")
    told = {}
    for utterance in ("Yes, sure.", "Which of these do I have?"):
        notes = live(said(40, (4, BOOKED[:2]), (30, BOOKED[2:])), utterance).parts["notes"]
        told[utterance] = [name for name in names if name in notes]
    assert told["Yes, sure."] == ["piano", "tent", "canoe"]
    assert told["Which of these do I have?"][-3:] == ["piano", "tent", "canoe"]
    assert "The sauna is booked." in live(said(40, (4, BOOKED)), "Yes, the sauna.").memory


def test_notes_do_not_repeat_what_the_transcript_beside_them_says() -> None:
    made = live(said(40, (36, BOOKED[:1])), "And is it warm?")
    assert "The sauna is booked." in "\n".join(message.text for message in made.messages)
    assert "The sauna is booked." not in made.parts["notes"]


@pytest.mark.parametrize(
    ("ending", "told"),
    [
        ("The sauna has been cancelled.", "may have changed"),
        ("Your sauna on Friday has been cancelled.", "see turn 38"),
    ],
)
def test_notes_tell_what_was_replaced_or_is_in_doubt_also_beside_the_transcript(ending: str, told: str) -> None:
    booked = ("Book the sauna.", "Your sauna on Friday is booked.")
    notes = live(said(40, (36, (booked, ("Cancel the sauna.", ending)))), "And the sauna?").parts["notes"]
    assert told in notes and booked[1] in notes


def test_an_ordinary_call_is_sent_whole_and_a_longer_one_once_it_costs_more_than_its_parts() -> None:
    conversation = Conversation()
    sent: list[tuple[int, int, bool]] = []
    for number in range(3 * WHOLE_TURNS):
        asked = f"Is the room with number {number} free on the weekend after the next one?"
        conversation.heard(asked)
        history = sum(tokens_of(q.text) + tokens_of(q.answer or "") for q in conversation.graph.questions[:-1])
        made = context(conversation, system="", utterance=asked, budget_tokens=6_000, recall_tokens=RECALL_TOKENS)
        sent.append((number, history, made.whole))
        conversation.answered(f"Room {number} is free, and it has a view. " * 4, interrupted=False)
    for number, history, whole in sent:
        assert whole == (history <= WHOLE_TOKENS or (number <= WHOLE_TURNS and history <= WHOLE_CALL_TOKENS))
    assert {whole for _, history, whole in sent if history > WHOLE_TOKENS} == {True, False}
