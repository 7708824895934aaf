"""What runs on machines of one's own is called local, and costs nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from agent.billing.prices import OWN, load_prices
from agent.core.calls import Call, Unit, Usage
from agent.providers.first_places import USUAL
from agent.settings import Settings

KEY = "sk-0123456789abcdef"


def settings(**variables: Any) -> Settings:
    return Settings(_env_file=None, **variables)  # pyright: ignore[reportCallIssue]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEEPGRAM", "ANTHROPIC", "ELEVENLABS", "OPENAI"):
        monkeypatch.delenv(f"{name}_API_KEY", raising=False)
        monkeypatch.delenv(f"{name}_BASE_URL", raising=False)


def test_a_sandbox_that_hears_and_speaks_for_real_simulates_the_model_alone() -> None:
    own = settings(sandbox_url="http://127.0.0.1:8100", sandbox_local="stt,tts")
    kinds = {service: own.provider(name).local for service, name in USUAL.items()}
    assert kinds == {"stt": True, "llm": False, "tts": True}
    assert own.unpaid() == {"deepgram", "deepgram_tts", "elevenlabs", "openai_stt", "openai_tts"}


def test_a_sandbox_that_simulates_is_not_local() -> None:
    assert settings(sandbox_url="http://127.0.0.1:8100").unpaid() == frozenset()


def test_a_model_on_ones_own_host_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:11434")
    own = settings(sandbox_url="http://127.0.0.1:8100")
    assert own.provider("anthropic").local
    assert own.unpaid() == {"anthropic"}
    assert settings(sandbox_url="http://127.0.0.1:8100", billed_hosts="127.0.0.1").unpaid() == frozenset()


def test_a_vendor_is_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    assert "anthropic" not in settings(sandbox_url="http://127.0.0.1:8100").unpaid()
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://gateway.example.com")
    assert "anthropic" not in settings(sandbox_url="http://127.0.0.1:8100").unpaid()


def test_what_is_not_paid_for_costs_nothing_and_says_why() -> None:
    book, now = load_prices(), datetime.now(UTC)
    usage = Usage({Unit.INPUT_TOKENS: 1000, Unit.OUTPUT_TOKENS: 50})
    call = Call("llm", "anthropic", "gpt-oss:20b", "ok", 0.0, 0.1, 0.2, usage)
    assert {charge.nano_usd for charge in book.charge(call, now)} == {None}
    own = book.without_paying(frozenset({"anthropic"}))
    assert {(charge.nano_usd, charge.price_version) for charge in own.charge(call, now)} == {(0, OWN)}
    assert own.rate("deepgram", "nova-3", Unit.AUDIO_SAMPLES, now) == book.rate(
        "deepgram", "nova-3", Unit.AUDIO_SAMPLES, now
    )
