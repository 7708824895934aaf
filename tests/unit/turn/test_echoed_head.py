"""A transcript that begins with the reply's own words: what of it the caller has said."""

from __future__ import annotations

import pytest

from agent.turn.overheard import after, begun_before_s, echoed_head
from agent.turn.playback import Playback

SAID = "Refunds take five working days. Would you like the garden room?"


@pytest.mark.parametrize(
    ("text", "heard", "head"),
    [
        ("Refunds take No, I meant Thursday", "", 2),
        ("take five working no", "Refunds", 3),
        ("Refunds take", "", 2),  # nothing but an echo: others judge that
        ("Refunds, please", "", 0),  # one word may be chance
        ("Refunds take too long", "Refunds take", 0),  # repeated
        ("take five working days off", "Refunds take five", 0),  # begins with what was heard two words ago
        ("the garden room please", "Refunds take five working days. Would you like the", 3),
        ("the garden room please", "Refunds take five working days. Would you like the garden", 0),  # one word guessed
        ("", "", 0),
        ("5 days", "", 0),
    ],
)
def test_words_that_were_still_to_come_are_an_echo(text: str, heard: str, head: int) -> None:
    assert len(echoed_head(text, SAID, heard)) == head


def test_the_head_is_taken_off_where_others_follow() -> None:
    assert after(("refunds", "take"), "Refunds take: No, I meant Thursday.") == "No, I meant Thursday."
    assert after(("refunds", "take"), "Refunds take.") == "Refunds take."
    assert after(("refunds", "take"), "Refunds, no") == "Refunds, no"
    assert after((), "No.") == "No."


def test_a_caller_began_at_least_so_long_ago() -> None:
    assert begun_before_s("one two three") == pytest.approx(0.7)


def test_what_was_heard_some_time_ago_counts_no_pause_twice() -> None:
    playback = Playback(reports=False)
    playback.clause("one two three four")
    playback.audio(4 * 32_000, 10.0)  # four seconds: a word each
    assert playback.heard_before(13.5, 0.0) == "one two three"
    assert playback.heard_before(13.5, 2.0) == "one"
    playback.pause(13.5)
    playback.pause(14.0)
    assert playback.heard_before(15.5, 2.0) == "one two three"  # it has stood still since then
    assert playback.heard_before(15.5, 4.0) == "one"
    assert playback.heard_before(15.5, 60.0) == ""
