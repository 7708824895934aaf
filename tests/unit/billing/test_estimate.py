from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

import pytest

from agent.billing.estimate import PricedPolicy, bill, total
from agent.billing.prices import load_prices, usd
from agent.reports.published_figures import PLAIN_SHAPE

BOOK = load_prices()
NOW = datetime(2026, 11, 23, tzinfo=UTC)
HAIKU_FIRST = PricedPolicy(
    name="haiku_first",
    stt=("deepgram", "flux-general-en"),
    first=("anthropic", "claude-haiku-5-5"),
    escalated=("anthropic", "claude-sonnet-5-5"),
    voice=("elevenlabs", "eleven_flash_v2_5"),
    prompt_cache=True,
    audio_cache=True,
)


def test_a_plain_session_today() -> None:
    """By hand: 3 * 0.0065 + 1.35 * 0.04 and, for the model, per turn 167 fresh, 500 cached and 50 written tokens.

    Haiku, 9.84 turns: 1 * (16.7 + 62.5 + 25) + 8.84 * (16.7 + 5 + 25) µ$ = 517.03 µ$.
    Sonnet, 2.16 turns: 1 * (334 + 1250 + 500) + 1.16 * (334 + 50 + 500) µ$ = 3109.44 µ$.
    """
    made = bill(PLAIN_SHAPE, HAIKU_FIRST, BOOK, NOW)
    assert made.complete
    assert made.of("stt") == 19_500_000
    assert made.of("tts") == 54_000_000
    assert [line.nano_usd for line in made.lines if line.service == "llm"] == [517_028, 3_109_440]
    assert usd(made.nano_usd) == pytest.approx(0.0771, abs=0.0001)


def test_without_escalation_every_turn_is_the_first_model_s() -> None:
    made = bill(PLAIN_SHAPE, replace(HAIKU_FIRST, escalated=None), BOOK, NOW)
    [line] = [line for line in made.lines if line.service == "llm"]
    assert line.quantity.startswith("12 turns")


def test_caches_can_be_switched_off() -> None:
    shape = replace(PLAIN_SHAPE, repeated_share=Fraction(1, 5))
    cached = bill(shape, HAIKU_FIRST, BOOK, NOW)
    plain = bill(shape, replace(HAIKU_FIRST, audio_cache=False, prompt_cache=False), BOOK, NOW)
    assert (cached.of("tts"), plain.of("tts")) == (43_200_000, 54_000_000)
    haiku = 12 * Fraction(82, 100) * (667 * 100 + 50 * 500)
    assert plain.lines[1].nano_usd == round(haiku)


def test_a_component_without_a_price_is_not_free() -> None:
    made = bill(PLAIN_SHAPE, replace(HAIKU_FIRST, voice=("elevenlabs", "eleven_v99")), BOOK, NOW)
    assert not made.complete
    assert made.lines[-1].nano_usd is None
    assert made.of("tts") is None
    assert made.of("stt") == 19_500_000


def test_a_prompt_over_the_band_is_priced_turn_by_turn() -> None:
    shape = replace(PLAIN_SHAPE, prompt_tokens=60_000, cached_share=Fraction(0), escalated_share=Fraction(0))
    assert bill(shape, HAIKU_FIRST, BOOK, NOW).of("llm") == 12 * (60_000 * 100 + 50 * 500)


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    assert total([1, 2]) == 3
    assert total([1, None]) is None
    assert total([]) == 0
