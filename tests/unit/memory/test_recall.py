"""Which old turns come first, and how many of them a budget takes."""

from __future__ import annotations

import pytest

from agent.memory import Conversation, MemoryContext, context
from agent.memory.recall import recall_order
from agent.memory.words import definite_stems, tokens_of

TALK = (
    ("Is it raining over there?", "A little, but it clears up in the afternoon."),
    ("How long is the drive?", "About half an hour, if the road is clear."),
    ("Do you sell umbrellas?", "We have some small ones near the door."),
)


def call_of(turns: int, *parts: tuple[int, tuple[str, str]]) -> Conversation:
    """A call of small talk with other exchanges at the turns that are given."""
    conversation = Conversation()
    talk = [TALK[number % len(TALK)] for number in range(turns)]
    for turn, exchange in parts:
        talk[turn] = exchange
    for caller, agent in talk:
        conversation.heard(caller)
        conversation.answered(agent, interrupted=False)
    return conversation


def filled(conversation: Conversation, utterance: str, budget: int) -> MemoryContext:
    conversation.heard(utterance)
    return context(conversation, system="", utterance=utterance, budget_tokens=budget, without=("notes",))


def order(conversation: Conversation, utterance: str, *, matching: bool = False) -> list[int]:
    count = len(conversation.index)
    return recall_order(
        conversation.index, utterance, topic=None, sources=(), upto=count - 6, told=count, matching=matching
    )


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Buy tickets for the first show that you found.", {"first", "show"}),
        ("Can we book that car from earlier?", {"car"}),
        ("That's fine, take my aunt's flight.", {"aunt", "flight"}),
        ("I like the hotel. Book a taxi.", {"hotel"}),
        ("What is in the double-decker’s upper part?", {"doubl", "deck", "upp", "part"}),
        ("Is it that, Boston?", set[str]()),
        ("I need a bus to Fresno.", set[str]()),
        ("Wann fährt der Bus?", set[str]()),
        ("", set[str]()),
    ],
)
def test_a_definite_name_goes_up_to_the_next_stop_word_or_mark(text: str, named: set[str]) -> None:
    assert definite_stems(text) == named


@pytest.mark.parametrize("matching", [False, True])
def test_what_is_named_as_known_counts_more_than_the_words_that_point_back(matching: bool) -> None:
    """ "Earlier" is as rare as the name, and stands in another turn that points back."""
    conversation = call_of(
        120,
        (20, ("Anything on at the weekend?", "This show is at the Fillmore on March 13th.")),
        (70, ("Could we meet earlier?", "Earlier is fine.")),
    )
    named = order(conversation, "About the show from earlier.", matching=matching)
    assert abs(named[0] - 20) <= 1  # where a budget is filled a shorter neighbour may come first
    assert 70 not in named or named.index(20) < named.index(70)
    other = order(conversation, "Show me something earlier.", matching=matching)
    assert other[0] == 70


TOLD = tuple((turn, ("About the budget.", f"The budget line {turn} is paint.")) for turn in (50, 52, 54))


def test_turns_with_the_words_come_before_those_between_them() -> None:
    assert set(order(call_of(200, *TOLD), "What was in the budget?")[:3]) == {50, 52, 54}


def test_where_a_budget_is_filled_the_turns_around_the_best_ones_come_before_newer_ones() -> None:
    assert set(order(call_of(200, *TOLD), "What was in the budget?")[:80]) <= set(range(50 - 40, 55 + 40))


@pytest.mark.parametrize("budget", [1_000, 2_000, 4_000])
def test_a_budget_is_filled_but_for_less_than_a_turn(budget: int) -> None:
    conversation = call_of(400)
    made = filled(conversation, "How long is the drive, and is it raining?", budget)
    left = budget - made.tokens["utterance"] - made.tokens["recent"] - tokens_of(made.memory)
    smallest = min(conversation.index.tokens[:-1])
    assert 0 <= left <= smallest


def test_a_transcript_of_single_turns_and_runs_stays_within_its_room() -> None:
    """A turn that closes a gap takes a turn number away, one that stands alone brings one."""
    parts = [(turn, ("And the piano?", f"The piano number {turn} is tuned.")) for turn in range(0, 300, 2)]
    made = filled(call_of(400, *parts), "Which piano is tuned?", 1_000)
    assert made.tokens["recent"] + made.tokens["utterance"] + tokens_of(made.memory) <= 1_000
    assert made.memory.count("[turn ") >= 5
    for turn in made.turns[:-6]:
        assert f"[turn {turn + 1}]" in made.memory or turn - 1 in made.turns
