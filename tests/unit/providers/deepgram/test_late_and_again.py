"""What a recogniser tells again, or when it is over: no word is heard twice, and none that is new is lost."""

from __future__ import annotations

from typing import Any, Final

import pytest

from agent.providers.base import SttEvent, SttEventKind
from agent.providers.deepgram.flux import FluxReader, TurnInfo, TurnInfoWord
from agent.providers.deepgram.nova import NovaReader

ENDED: Final = SttEventKind.ENDED


class _Part:
    """A message of Nova, or a part of one."""

    def __init__(self, **fields: Any) -> None:
        vars(self).update(fields)


def _segment(text: str, start: float, duration: float = 1.0, *, final: bool = True, ends: bool = False) -> _Part:
    """A Results message whose words are half a second long."""
    words = [
        _Part(word=word, punctuated_word=word, start=start + 0.5 * i, end=start + 0.5 * i + 0.4, confidence=1.0)
        for i, word in enumerate(text.split())
    ]
    best = _Part(transcript=text, words=words, confidence=1.0)
    return _Part(
        type="Results", channel=_Part(alternatives=[best]), start=start, duration=duration, is_final=final,
        speech_final=ends, from_finalize=False,
    )  # fmt: skip


def _late(text: str, start: float, duration: float = 1.0) -> _Part:
    return _segment(text, start, duration, final=False)


OVER: Final = _Part(type="UtteranceEnd", last_word_end=1.0)


def _heard(reader: NovaReader | FluxReader, messages: list[Any]) -> list[SttEvent]:
    return [*(event for message in messages for event in reader.read(message)), *reader.rest()]


def _turns(reader: NovaReader | FluxReader, messages: list[Any]) -> list[str]:
    return [event.text for event in _heard(reader, messages) if event.kind is ENDED]


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        ([_segment("I would", 0), _segment("I would", 0), _segment("like it.", 1, ends=True)], ["I would like it."]),
        ([_segment("one two", 0), _segment("three four", 1), _segment("one two", 0), OVER], ["one two three four"]),
        ([_segment("I would like", 0, 1.5), _late("I would", 0), OVER], ["I would like"]),
        ([_segment("I would like", 0, 1.5), _late("I'd like", 0), OVER], ["I would like"]),
        ([_segment("I would", 0), _segment("I would like", 0, 1.5), OVER], ["I would like"]),
        ([_segment("I would", 0), _segment("I would.", 0, ends=True)], ["I would"]),
        ([_segment("Yes please.", 0, ends=True)] * 3, ["Yes please."]),
        ([_segment("Yes please.", 0, ends=True), _late("Yes please", 0), OVER], ["Yes please."]),
        ([_segment("Yes please.", 0, ends=True), _late("Yes", 0, 0.5), OVER, OVER], ["Yes please."]),
        ([_segment("Yes.", 0, ends=True), _late("Now", 3), _segment("Yes.", 0, ends=True), _segment("Now this.", 3),
          OVER], ["Yes.", "Now this."]),
        ([_segment("", 0), _segment("Hello.", 0, ends=True)], ["Hello."]),
        ([_segment("Hello.", 0, ends=True), _segment("", 0, ends=True), _segment("Bye.", 1, ends=True)],
         ["Hello.", "Bye."]),
        ([_segment("Yes.", 0, ends=True), _segment("Yes.", 2, ends=True)], ["Yes.", "Yes."]),
        ([_segment("first", 0, 7), _segment("second", 0, 3), OVER, _segment("third", 3), OVER],
         ["first second", "third"]),
    ],
)  # fmt: skip
def test_nova_repeats_no_word_and_loses_none(messages: list[Any], turns: list[str]) -> None:
    assert _turns(NovaReader(), messages) == turns


def test_what_nova_remembers_of_settled_segments_is_bounded() -> None:
    reader = NovaReader()
    messages = [_segment(f"word{number}", number) for number in range(200)]
    assert _turns(reader, [*messages, _segment("word199", 199), OVER])[0].count("word199") == 1
    assert len(vars(reader)["_settled"]) <= 16


def _turn(event: str, text: str, index: int = 0, *, at: float | None = None) -> TurnInfo:
    """A message of Flux; with `at` its words are half a second long."""
    starts = [None if at is None else at + 0.5 * i for i in range(len(text.split()))]
    words = [
        TurnInfoWord(word, 0.9, start, None if start is None else start + 0.4)
        for word, start in zip(text.split(), starts, strict=True)
    ]
    return TurnInfo("TurnInfo", event, index, text, words)


@pytest.mark.parametrize("at", [None, 1.0])
@pytest.mark.parametrize("late", ["Update", "EagerEndOfTurn"])
def test_what_was_on_its_way_when_flux_ended_a_turn_is_no_turn(late: str, at: float | None) -> None:
    turn = [_turn("EndOfTurn", "Yes please book it.", at=at), _turn(late, "Yes please", at=at)]
    assert _turns(FluxReader(), turn) == ["Yes please book it."]
    following = [_turn("StartOfTurn", "And", 1, at=4.0), _turn(late, "Yes", at=at), _turn("EndOfTurn", "And you?", 1)]
    assert _turns(FluxReader(), [*turn, *following]) == ["Yes please book it.", "And you?"]


def test_other_words_of_the_same_moment_are_no_new_turn_unless_they_end_one() -> None:
    ended = _turn("EndOfTurn", "Yes please.", at=1.0)
    assert _turns(FluxReader(), [ended, _turn("Update", "Yes police", at=1.0)]) == ["Yes please."]
    assert _turns(FluxReader(), [ended, _turn("EndOfTurn", "No.", at=1.0)]) == ["Yes please.", "No."]


def test_a_next_turn_that_begins_with_the_same_words_is_one() -> None:
    """`turn_index` may stand still, and StartOfTurn may be left out."""
    messages = [_turn("EndOfTurn", "Yes please."), _turn("Update", "Yes"), _turn("Update", "Yes book")]
    assert _turns(FluxReader(), [*messages, _turn("EndOfTurn", "Yes book it.")]) == ["Yes please.", "Yes book it."]
