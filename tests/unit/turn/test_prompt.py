"""The voice prompt: one stable prefix, the business, the operator's text, and the marker that asks for escalation."""

from __future__ import annotations

import pytest

from agent.text_normalization.normalizer import Speakable
from agent.turn.prompt import BUSINESS_LIMIT, EXTRA_LIMIT, VOICE_RULES, build_prompt


def test_the_rules_come_first_and_are_the_same_for_every_business() -> None:
    one, other = build_prompt("Bay Hotel", "Breakfast is at 8."), build_prompt("Corner Clinic")
    assert one.text.startswith(VOICE_RULES + "\n\n")
    assert other.text.startswith(VOICE_RULES + "\n\n")
    assert build_prompt("Bay Hotel", "Breakfast is at 8.") == one


def test_the_business_and_the_operators_text_follow() -> None:
    text = build_prompt("  Bay Hotel ", "\n\nBreakfast is at 8.  \nParking is free.\n").text
    assert text.removeprefix(VOICE_RULES) == (
        "\n\nYou answer the telephone of Bay Hotel.\n\nBreakfast is at 8.\nParking is free."
    )


@pytest.mark.parametrize("rule", ["20 words", "markdown", "emoji", "three items", "do not know", "warm and prof"])
def test_the_rules_say_what_a_voice_needs(rule: str) -> None:
    assert rule in VOICE_RULES


@pytest.mark.parametrize("line", ["[[escalate]]", "  [[Escalate]]  ", "[[ESCALATE]]\r"])
def test_the_marker_line_escalates_and_is_not_sent(line: str) -> None:
    prompt = build_prompt("Bay Hotel", f"We sell servers.\n{line}\nAsk for the model number.")
    assert prompt.escalates
    assert prompt.text.endswith("We sell servers.\nAsk for the model number.")
    assert "escalate" not in prompt.text.lower()


@pytest.mark.parametrize("extra", ["", "Never [[escalate]] within a line.", "escalate", "[escalate]"])
def test_without_a_marker_line_nothing_escalates(extra: str) -> None:
    prompt = build_prompt("Bay Hotel", extra)
    assert not prompt.escalates
    assert prompt.text.endswith(extra)


@pytest.mark.parametrize("business", ["", "  ", "two\nlines", "x" * (BUSINESS_LIMIT + 1)])
def test_a_business_name_that_is_none_is_refused(business: str) -> None:
    with pytest.raises(ValueError, match=r"^business name: takes one line"):
        build_prompt(business)


def test_an_extra_text_has_a_limit() -> None:
    with pytest.raises(
        ValueError, match=f"^extra prompt: takes at most {EXTRA_LIMIT} characters, has {EXTRA_LIMIT + 1}$"
    ):
        build_prompt("Bay Hotel", "x" * (EXTRA_LIMIT + 1))


def test_the_prompts_own_sentences_can_be_read_aloud() -> None:
    speakable = Speakable()
    said = "".join(piece.spoken for piece in [*speakable.feed(VOICE_RULES), *speakable.finish()])
    assert "How you speak: Use short sentences of fewer than 20 words." in said
