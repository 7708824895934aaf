from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.billing.prices import NANO, PriceBook, half_even, load_prices, usd
from agent.core.calls import Call, Service, Unit, Usage
from agent.core.errors import ConfigurationError

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BOOK = load_prices()


def a_call(
    service: Service, provider: str, model: str, quantities: Mapping[Unit, int], estimated: bool = False
) -> Call:
    return Call(service, provider, model, "ok", 0.0, 0.1, 0.2, Usage(quantities, estimated))


def nano(service: Service, provider: str, model: str, unit: Unit, quantity: int, at: datetime = NOW) -> int | None:
    [charge] = BOOK.charge(a_call(service, provider, model, {unit: quantity}), at)
    return charge.nano_usd


@pytest.mark.parametrize(
    ("service", "provider", "model", "unit", "quantity", "dollars"),
    [
        ("stt", "deepgram", "flux-general-en", Unit.AUDIO_SAMPLES, 960_000, "0.0065"),
        ("stt", "deepgram", "flux-general-multi", Unit.AUDIO_SAMPLES, 960_000, "0.0078"),
        ("stt", "deepgram", "nova-3", Unit.AUDIO_SAMPLES, 960_000, "0.0048"),
        ("stt", "openai_stt", "whisper-1", Unit.AUDIO_SAMPLES, 960_000, "0.006"),
        ("stt", "openai_stt", "gpt-transcribe", Unit.AUDIO_SAMPLES, 960_000, "0.0045"),
        ("llm", "anthropic", "claude-haiku-5-5", Unit.OUTPUT_TOKENS, 1_000_000, "0.50"),
        ("llm", "anthropic", "claude-sonnet-5-5", Unit.CACHE_WRITE_TOKENS, 1_000_000, "2.50"),
        ("llm", "anthropic", "claude-opus-5-5", Unit.INPUT_TOKENS, 1_000_000, "4"),
        ("llm", "anthropic", "claude-3-haiku", Unit.INPUT_TOKENS, 1_000_000, "0.25"),
        ("tts", "elevenlabs", "eleven_flash_v2_5", Unit.CHARACTERS, 1_000, "0.04"),
        ("tts", "elevenlabs", "eleven_multilingual_v2", Unit.CHARACTERS, 1_000, "0.08"),
        ("tts", "openai_tts", "tts-1", Unit.CHARACTERS, 1_000, "0.015"),
        ("tts", "browser", "whatever it has", Unit.CHARACTERS, 1_000, "0"),
        ("tts", "recorded", "clip", Unit.CHARACTERS, 1_000, "0"),
        ("tts", "cache", "eleven_flash_v2_5", Unit.CHARACTERS, 1_000, "0"),
    ],
)
def test_list_prices(service: Service, provider: str, model: str, unit: Unit, quantity: int, dollars: str) -> None:
    assert nano(service, provider, model, unit, quantity) == Fraction(dollars) * NANO


def test_a_price_holds_from_its_day_on() -> None:
    def read(at: datetime) -> int | None:
        return nano("llm", "anthropic", "claude-sonnet-5-5", Unit.CACHE_READ_TOKENS, 1_000_000, at)

    assert read(datetime(2026, 9, 27, 23, 59, 59, tzinfo=UTC)) is None
    assert read(datetime(2026, 9, 28, tzinfo=UTC)) == 200_000_000
    assert read(datetime(2026, 10, 6, 23, 59, 59, 999_999, tzinfo=UTC)) == 200_000_000
    assert read(datetime(2026, 10, 7, tzinfo=UTC)) == 100_000_000


def test_a_long_prompt_is_dearer_as_a_whole() -> None:
    def bill(fresh: int) -> dict[Unit, int | None]:
        quantities = {
            Unit.INPUT_TOKENS: fresh,
            Unit.CACHE_READ_TOKENS: 90_000,
            Unit.CACHE_WRITE_TOKENS: 5_000,
            Unit.OUTPUT_TOKENS: 100,
        }
        charges = BOOK.charge(a_call("llm", "anthropic", "claude-haiku-5-5", quantities), NOW)
        return {charge.unit: charge.nano_usd for charge in charges}

    assert bill(5_000)[Unit.OUTPUT_TOKENS] == 50_000  # 100,000 tokens: not over it
    over = bill(5_001)
    assert over[Unit.OUTPUT_TOKENS] == 250_000
    assert over[Unit.CACHE_READ_TOKENS] == 4_500_000
    assert over[Unit.CACHE_WRITE_TOKENS] == 3_125_000
    assert over[Unit.INPUT_TOKENS] == 2_500_500


def test_a_dated_model_costs_what_its_family_does() -> None:
    assert nano("llm", "anthropic", "claude-haiku-4-5-20251001", Unit.INPUT_TOKENS, 1_000_000) == NANO
    assert nano("llm", "anthropic", "claude-haiku-4-5-fast", Unit.INPUT_TOKENS, 1_000_000) is None


def test_what_has_no_price_is_unpriced_and_never_free() -> None:
    quantities = {Unit.INPUT_TOKENS: 10, Unit.OUTPUT_TOKENS: 20}
    charges = BOOK.charge(a_call("llm", "anthropic", "claude-haiku-9", quantities), NOW)
    assert [(charge.quantity, charge.nano_usd, charge.price_version) for charge in charges] == [
        (10, None, None),
        (20, None, None),
    ]
    # a known model, but a unit that it is not billed in
    assert nano("tts", "elevenlabs", "eleven_flash_v2_5", Unit.OUTPUT_TOKENS, 5) is None


def test_estimates_are_marked_and_nothing_used_costs_nothing() -> None:
    [charge] = BOOK.charge(a_call("tts", "openai_tts", "tts-1", {Unit.CHARACTERS: 10}, estimated=True), NOW)
    assert charge.estimated
    assert BOOK.charge(a_call("tts", "openai_tts", "tts-1", {Unit.CHARACTERS: 0}), NOW) == ()
    assert BOOK.charge(a_call("llm", "anthropic", "claude-haiku-5-5", {}), NOW) == ()


@given(st.integers(-(10**15), 10**15), st.integers(1, 10**9))
def test_halves_go_to_the_even_number(numerator: int, denominator: int) -> None:
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(st.sampled_from(sorted(BOOK.models)), st.sampled_from(list(Unit)), st.integers(1, 10**12))
def test_a_charge_is_the_exact_price_rounded_once(name: tuple[str, str], unit: Unit, quantity: int) -> None:
    rate = BOOK.rate(*name, unit, NOW)
    [charge] = BOOK.charge(a_call("stt", *name, {unit: quantity}), NOW)
    exact = None if rate is None else Fraction(rate.numerator, rate.denominator) * quantity
    assert charge.nano_usd == (None if exact is None else round(exact))
    assert (charge.price_version is None) == (rate is None)


def test_dollars_for_display() -> None:
    assert usd(15_000_000) == 0.015


# The file


def loaded(tmp_path: Path, text: str) -> PriceBook:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    return load_prices(file)


def entry(**fields: str) -> str:
    shown = {
        "provider": '"deepgram"',
        "models": '["nova-3"]',
        "effective_from": "2026-01-01",
        "source": '"our contract"',
        "usd_per_audio_minute": "0.004",
    } | fields
    return "[[price]]\n" + "".join(f"{name} = {value}\n" for name, value in shown.items() if value)


def test_an_override_replaces_all_that_is_said_about_a_model(tmp_path: Path) -> None:
    book = loaded(tmp_path, entry(effective_from="2026-11-23"))
    [charge] = book.charge(a_call("stt", "deepgram", "nova-3", {Unit.AUDIO_SAMPLES: 960_000}), NOW)
    assert charge.nano_usd == 4_000_000
    assert (
        charge.price_version
        != BOOK.charge(a_call("stt", "deepgram", "nova-3", {Unit.AUDIO_SAMPLES: 1}), NOW)[0].price_version
    )
    before = datetime(2026, 11, 22, tzinfo=UTC)
    assert book.rate("deepgram", "nova-3", Unit.AUDIO_SAMPLES, before) is None
    assert book.rate("deepgram", "nova-2", Unit.AUDIO_SAMPLES, NOW) == BOOK.rate(
        "deepgram", "nova-2", Unit.AUDIO_SAMPLES, NOW
    )


def test_a_price_can_end(tmp_path: Path) -> None:
    book = loaded(tmp_path, entry(effective_until="2026-02-01") + entry(effective_from="2026-03-01"))
    dates = {
        month: book.rate("deepgram", "nova-3", Unit.AUDIO_SAMPLES, datetime(2026, month, 1, tzinfo=UTC))
        for month in (1, 2, 3)
    }
    assert dates[1] is not None and dates[2] is None and dates[3] is not None


TOKENS = "{ input = 1, cache_write = 1, cache_read = 1, output = 1 }"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (entry() + entry(), "two prices of audio_samples overlap on 2026-01-01"),
        (entry(effective_until="2026-06-01") + entry(effective_from="2026-05-31"), "overlap on 2026-05-31"),
        (entry(usd_per_audio_minute=""), "takes exactly one unit"),
        (entry(usd_per_1000_characters="1"), "takes exactly one unit"),
        (entry(usd_per_audio_minute="-0.1"), "not negative"),
        (entry(usd_per_audio_minute="10000.01"), "at most 10,000"),
        (entry(usd_per_audio_minute="1e400"), "at most 10,000"),
        (entry(usd_per_audio_minute="nan"), "not negative"),
        (entry(usd_per_audio_minute="inf"), "not negative"),
        (entry(usd_per_audio_minute='"cheap"'), "usd_per_audio_minute"),
        (entry(source=""), "source"),
        (entry(source='" "'), "takes a source"),
        (entry(effective_from=""), "effective_from"),
        (entry(effective_until="2025-01-01"), "effective_until after effective_from"),
        (entry(models="[]"), "at least one model"),
        (entry(usd_per_minute="1"), "usd_per_minute"),
        (entry(usd_per_audio_minute="", usd_per_million_tokens="{ input = 1, output = 1 }"), "cache_write"),
        (
            entry(long_prompt="{ over_tokens = 9, input = 1, cache_write = 1, cache_read = 1, output = 1 }"),
            "long_prompt",
        ),
        (
            entry(
                usd_per_audio_minute="",
                usd_per_million_tokens=TOKENS,
                long_prompt=TOKENS.replace("{", "{ over_tokens = 0,"),
            ),
            "over_tokens above 0",
        ),
        ("price = 3", "price"),
        ("[[price", "prices.toml"),
    ],
)
def test_a_wrong_file_stops_the_start_with_one_clear_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, text)
    message = str(caught.value)
    assert complaint in message
    assert "prices.toml" in message
    assert "\n" not in message


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_prices(tmp_path / "none.toml")


def test_every_price_has_a_source_and_a_unit_and_every_line_is_complete() -> None:
    per_model: dict[tuple[str, str], set[Unit]] = {}
    for (provider, model, unit), rate in BOOK.rates():
        assert len(rate.source) > 10
        per_model.setdefault((provider, model), set()).add(unit)
    complete = [
        {Unit.AUDIO_SAMPLES},
        {Unit.CHARACTERS},
        {Unit.AUDIO_SAMPLES, Unit.CHARACTERS},
        {Unit.INPUT_TOKENS, Unit.CACHE_WRITE_TOKENS, Unit.CACHE_READ_TOKENS, Unit.OUTPUT_TOKENS},
    ]
    assert all(units in complete for units in per_model.values())
