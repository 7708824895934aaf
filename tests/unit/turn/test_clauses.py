"""The reply is cut into clauses: the first one early, the later ones at sentence ends, and nothing torn apart."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.providers.base import TextDelta
from agent.text_normalization.normalizer import Speakable
from agent.turn.clauses import (
    FIRST_LIMIT,
    LATER_LENGTH,
    LATER_LIMIT,
    Clause,
    ClauseCut,
    ClauseCutter,
    FirstWords,
    speakable_clauses,
)

WORDS = [
    "hello ", "we have rooms, ", "Dr. Smith ", "2.5 ", "at 5 p.m. ", "Yes. ", "Is that right? ", "call 555-123-4567 ",
    "$12.50 ", "**now** ", "— ", "- item\n", "\n\n", "😀 ", "... ", "extraordinarily ", "e.g. this; ",
    "你好。", "```x``` ",
]  # fmt: skip
REPLIES = st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=60).map("".join)


def clauses_of(*deltas: str) -> list[Clause]:
    cutter = ClauseCutter()
    return [*(clause for delta in deltas for clause in cutter.feed(delta)), *cutter.finish()]


def spoken(*deltas: str) -> list[str]:
    return [clause.spoken for clause in clauses_of(*deltas)]


@settings(max_examples=300, deadline=None)
@given(REPLIES, st.integers(1, 12))
def test_the_cuts_of_the_stream_make_no_difference(reply: str, size: int) -> None:
    deltas = [reply[at : at + size] for at in range(0, len(reply), size)]
    assert clauses_of(*deltas) == clauses_of(reply)


@settings(max_examples=300, deadline=None)
@given(REPLIES)
def test_every_clause_can_be_heard_and_nothing_is_lost(reply: str) -> None:
    clauses = clauses_of(reply)
    assert [clause.index for clause in clauses] == list(range(len(clauses)))
    for clause in clauses:
        assert any(char.isalnum() for char in clause.spoken)
        assert clause.spoken == clause.spoken.strip()
    written = "".join(clause.written for clause in clauses)
    assert reply.startswith(written)
    speakable = Speakable()
    whole = "".join(piece.spoken for piece in [*speakable.feed(reply), *speakable.finish()])
    said = "".join("".join(clause.spoken.split()) for clause in clauses)
    whole = "".join(whole.split())
    assert whole.startswith(said)
    assert not any(char.isalnum() for char in whole[len(said) :])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from([word for word in WORDS if len(word) < 25]), max_size=120).map("".join))
def test_no_clause_grows_past_its_limit(reply: str) -> None:
    for clause in clauses_of(reply):
        assert len(clause.spoken) <= (LATER_LIMIT if clause.index else FIRST_LIMIT)


def test_the_first_sentence_leaves_at_its_end() -> None:
    cutter = ClauseCutter()
    assert cutter.feed("Yes, we do") == []
    assert cutter.feed("!") == [Clause(0, "Yes, we do!", "Yes, we do!")]


def test_a_sentence_that_ends_with_a_period_leaves_with_the_space_after_it() -> None:
    cutter = ClauseCutter()
    assert cutter.feed("We do.") == []
    assert [clause.spoken for clause in cutter.feed(" ")] == ["We do."]


@pytest.mark.parametrize("mark", [",", ";", ":", " —", " -"])
def test_the_first_clause_ends_at_a_pause_once_it_is_long_enough(mark: str) -> None:
    assert spoken(f"Sure{mark} we go")[0] == f"Sure{',' if '-' in mark or '—' in mark else mark} we go"
    first = spoken(f"Let me look that up for you{mark} one moment please")[0]
    assert first.startswith("Let me look that up for you")
    assert len(first) == 28


def test_later_clauses_hold_whole_sentences() -> None:
    reply = (
        "Sure. We have two rooms. One is small, with a view of the sea. The other one is large. It costs more. Which?"
    )
    assert spoken(reply) == [
        "Sure.",
        "We have two rooms. One is small, with a view of the sea. The other one is large.",
        "It costs more. Which?",
    ]
    assert len(spoken(reply)[1]) >= LATER_LENGTH


def test_a_full_clause_ends_at_its_last_sentence_then_pause_then_word() -> None:
    long = " ".join(["word"] * 35)  # 174 characters
    assert spoken(f"Hi. It is so. {long}. Bye now.")[:2] == ["Hi.", "It is so."]
    assert spoken(f"Hi. {long}, {long}.")[1] == f"{long},"
    first, second, *_ = spoken(" ".join(["word"] * 60))
    assert first == " ".join(["word"] * 24)
    assert len(second) <= LATER_LIMIT


@pytest.mark.parametrize("name", ["Dr. Smith", "2.5 rooms", "5 p.m. today", "555-123-4567", "$1,250.75", "example.com"])
def test_a_unit_is_never_split(name: str) -> None:
    for padding in range(100, 125):
        reply = "a " * (padding // 2) + "b" * (padding % 2) + f" {name} and so on"
        assert sum(clause.written.count(name.split(" ")[0]) for clause in clauses_of(reply)) == 1
    assert len(clauses_of(f"See {name} now")) == 1


def test_what_cannot_be_heard_makes_no_clause() -> None:
    assert clauses_of("😀 ... ```code``` ** **") == []
    assert clauses_of("😀 Hi! 👋") == [Clause(0, "😀 Hi!", "Hi!")]


async def test_clauses_of_a_stream_come_as_they_are_complete() -> None:
    given_out: list[str] = []

    async def deltas() -> AsyncGenerator[TextDelta]:
        for delta in ("We have ", "rooms. Do ", "you want", " one?"):
            given_out.append(delta)
            yield TextDelta(delta)

    async with aclosing(speakable_clauses(deltas())) as clauses:
        first = await anext(clauses)
        assert first.spoken == "We have rooms."
        assert len(given_out) == 2
        assert [clause.spoken async for clause in clauses] == ["Do you want one?"]


async def test_closing_the_clauses_closes_the_model() -> None:
    closed: list[bool] = []

    async def deltas() -> AsyncGenerator[TextDelta]:
        try:
            while True:
                yield TextDelta("Yes. ")
        finally:
            closed.append(True)

    async with aclosing(speakable_clauses(deltas())) as clauses:
        await anext(clauses)
    assert closed == [True]


async def test_an_error_of_the_model_passes_through_and_drops_what_was_held_back() -> None:
    async def deltas() -> AsyncGenerator[TextDelta]:
        yield TextDelta("We are open. And tomo")
        raise RuntimeError("cut")

    heard: list[str] = []

    async def listen() -> None:
        async with aclosing(speakable_clauses(deltas())) as clauses:
            async for clause in clauses:
                heard.append(clause.spoken)  # noqa: PERF401  a comprehension would lose what came before the error

    with pytest.raises(RuntimeError, match="cut"):
        await listen()
    assert heard == ["We are open."]


async def _spoken(*texts: str, cut: bool) -> list[str]:
    async def deltas() -> AsyncGenerator[TextDelta]:
        for text in texts:
            yield TextDelta(text)
        if cut:
            yield TextDelta("", cut=True)

    async with aclosing(speakable_clauses(deltas())) as clauses:
        return [clause.spoken async for clause in clauses]


async def test_a_reply_that_was_cut_ends_at_its_last_sentence() -> None:
    texts = ("Of course. The garden room seats six. The library ", "costs one hundred and")
    assert await _spoken(*texts, cut=True) == ["Of course.", "The garden room seats six."]
    assert (await _spoken(*texts, cut=False))[-1].endswith("one hundred and")


async def test_a_cut_reply_without_a_whole_sentence_is_better_than_none() -> None:
    assert await _spoken("the large one costs one hundred and", cut=True) == ["the large one costs one hundred and"]


HASTY = FirstWords(lambda said: "Of course." if said.lower().rstrip(".,!") == "of course" else None, 24)


@pytest.mark.parametrize(
    ("reply", "first", "cut"),
    [
        ("Of course, we have two rooms.", "Of course.", ClauseCut.OPENING),
        ("Of course!", "Of course.", ClauseCut.OPENING),
        ("Of course we have two rooms. Which one?", "Of course we have two rooms.", ClauseCut.SENTENCE),
        ("We have a large garden room for six people on the terrace.", "We have a large garden room", ClauseCut.PHRASE),
        ("We have it for six people on the large terrace.", "We have it for six people", ClauseCut.PHRASE),
        ("You may come in at any time that suits you.", "You may come in at any time", ClauseCut.PHRASE),
        ("No, I do not. Sorry.", "No, I do not.", ClauseCut.SENTENCE),
        ("Nothing more to say", "Nothing more to say", ClauseCut.REST),
    ],
)
def test_a_hasty_reply_begins_with_what_is_recorded_or_ends_before_a_phrase(
    reply: str, first: str, cut: ClauseCut
) -> None:
    cutter = ClauseCutter(first=HASTY)
    clauses = [*cutter.feed(reply), *cutter.finish()]
    assert clauses[0].spoken == first
    assert "".join(clause.written for clause in clauses) == reply
    assert clauses[0].cut is cut


def test_only_the_first_clause_is_in_haste() -> None:
    cutter = ClauseCutter(first=HASTY)
    reply = "We have a large garden room for six people and a small one with a view of the sea at the top of the house."
    assert [clause.cut for clause in [*cutter.feed(reply), *cutter.finish()]] == [ClauseCut.PHRASE, ClauseCut.SENTENCE]


@settings(max_examples=200, deadline=None)
@given(REPLIES, st.integers(1, 12))
def test_the_cuts_of_the_stream_make_no_difference_to_haste(reply: str, size: int) -> None:
    whole, parts = ClauseCutter(first=HASTY), ClauseCutter(first=HASTY)
    deltas = [reply[at : at + size] for at in range(0, len(reply), size)]
    expected = [*whole.feed(reply), *whole.finish()]
    assert [*(clause for delta in deltas for clause in parts.feed(delta)), *parts.finish()] == expected
