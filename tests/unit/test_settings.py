"""A wrong setting is one clear line that names it and says what it takes."""

from __future__ import annotations

import base64
import random
from pathlib import Path

import pytest
from pydantic import SecretStr

from agent.budgets import load_budgets
from agent.core.errors import ConfigurationError
from agent.core.secrets import weakness
from agent.settings import SANDBOX_SECRET, load_settings, variables
from tests.support.paths import ROOT


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DEEPGRAM_API_KEY", "ANTHROPIC_API_KEY", "ELEVENLABS_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("VOICE_AGENT_PORT", "eighty", "valid integer"),
        ("VOICE_AGENT_PORT", "70000", "less than or equal to 65535"),
        ("VOICE_AGENT_PROT", "80", "did you mean VOICE_AGENT_PORT"),
        ("VOICE_AGENT_BUDGT", "b", "did you mean VOICE_AGENT_BUDGETS_FILE"),
        ("VOICE_AGENT_XYZZY", "b", "is not a setting"),
        ("ANTHROPIC_API_KYE", "k", "did you mean ANTHROPIC_API_KEY"),
        ("DEEPGRAM_APIKEY", "k", "did you mean DEEPGRAM_API_KEY"),
        ("OPENAI_BASEURL", "k", "did you mean OPENAI_BASE_URL"),
        ("VOICE_AGENT_TOKEN_SECRET", "short", "32 characters"),
        ("VOICE_AGENT_API_KEYS", "abc,def", "16 characters"),
        ("VOICE_AGENT_SANDBOX_URL", "localhost:8100", "http://"),
        ("DEEPGRAM_BASE_URL", "wss://x", "http://"),
        ("VOICE_AGENT_STT_MODEL", "whale", "'flux' or 'nova-3'"),
        ("VOICE_AGENT_LOG_FORMAT", "xml", "'console' or 'json'"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert str(caught.value).startswith(name)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    if "SECRET" in name or "KEY" in name:
        assert value not in str(caught.value)


def test_a_misspelt_name_in_the_file_is_refused_as_in_the_environment(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("VOICE_AGENT_PROT=80\n")
    with pytest.raises(ConfigurationError, match=r"^VOICE_AGENT_PROT is not a setting; did you mean VOICE_AGENT_PORT"):
        load_settings()
    file.write_text("voice_agent_port=8123\nSOMEBODY_ELSES=1\n")
    assert load_settings().port == 8123


def test_only_a_near_miss_of_a_provider_s_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for other in ("ANTHROPIC_AUTH_TOKEN", "AZURE_OPENAI_API_KEY", "OPENAI_API_BASE", "OPENAI_ORG_ID"):
        monkeypatch.setenv(other, "of another program")
    load_settings()
    monkeypatch.setenv("ANTHROPIC_API_KEY", "the right one")
    monkeypatch.setenv("ANTHROPIC_API_KEY2", "another one")
    load_settings()
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(ConfigurationError, match=r"^ANTHROPIC_API_KEY2 is not a setting"):
        load_settings()


def test_what_is_set_counts_from_either_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("DEEPGRAM_API_KEY=of-the-file\nANTHROPIC_API_KEY=of-the-file\nELEVENLABS_API_KEY=\n")
    monkeypatch.setenv("DEEPGRAM_API_KEY", "")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "of-the-environment")
    found = variables()
    assert (found["DEEPGRAM_API_KEY"], found["ANTHROPIC_API_KEY"]) == ("of-the-file", "of-the-environment")
    assert "ELEVENLABS_API_KEY" not in found


def test_an_empty_variable_means_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_SANDBOX_URL", "")
    monkeypatch.setenv("DEEPGRAM_API_KEY", "")
    settings = load_settings()
    assert settings.sandbox_url is None
    assert settings.deepgram_api_key is None


def test_no_provider_without_a_key_or_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="DEEPGRAM_API_KEY is not set"):
        load_settings().provider("deepgram")
    monkeypatch.setenv("VOICE_AGENT_SANDBOX_URL", "http://127.0.0.1:8100")
    assert load_settings().provider("deepgram").simulated
    monkeypatch.setenv("DEEPGRAM_API_KEY", "real")
    end = load_settings().provider("deepgram")
    assert (end.simulated, end.base_url) == (False, None)


def test_there_is_no_default_secret_outside_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="TOKEN_SECRET is not set"):
        load_settings().session_secret()
    monkeypatch.setenv("VOICE_AGENT_SANDBOX_URL", "http://127.0.0.1:8100")
    assert load_settings().session_secret()
    assert load_settings().all_simulated
    monkeypatch.setenv("ANTHROPIC_API_KEY", "real")  # one real provider: real callers can cost real money
    assert not load_settings().all_simulated
    with pytest.raises(ConfigurationError, match="TOKEN_SECRET is not set"):
        load_settings().session_secret()


def test_secrets_are_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_TOKEN_SECRET", "very-secret-7d0c55a1f0e94b2c8a3e6b1d")
    monkeypatch.setenv("VOICE_AGENT_API_KEYS", "first-secret-key-1,second-secret-key")
    settings = load_settings()
    assert "secret-" not in repr(settings)
    assert settings.api_keys == (SecretStr("first-secret-key-1"), SecretStr("second-secret-key"))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("stt = 600", "stt = -1", "latency_ms.stt"),
        ("stt = 600", 'stt = "fast"', "latency_ms"),
        ("stt = 600", "sst = 600", "sst"),
        ("[tiers.free]", "[tiers.gold]", "exactly free, premium"),
        ("slow_turn_share = 0.05", "slow_turn_share = 5", "slow_turn_share"),
        ("session_usd = 0.015", "session_usd = 9.0", "session_usd"),
        ("[latency_ms]", "[latency_ms", ""),
    ],
)
def test_a_wrong_budget_is_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    shipped = ROOT / "agent" / "budgets.toml"
    file = tmp_path / "budgets.toml"
    file.write_text(shipped.read_text().replace(old, new, 1))
    with pytest.raises(ConfigurationError) as caught:
        load_budgets(file)
    assert str(file) in str(caught.value)
    assert says in str(caught.value)


def test_a_missing_budgets_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.toml: cannot be read"):
        load_budgets(tmp_path / "none.toml")


STRONG = "7d0c55a1f0e94b2c8a3e6b1d9f4472ce"
OTHER = "1b9e0f3a7c5d4e82b6f1a0d9c3e75f48"


@pytest.mark.parametrize(
    "weak",
    [
        "a" * 32,
        "abcdefgh" * 4,
        "0123456789abcdef0123456789abcdef",
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "01" * 30,
        "your-256-bit-secret-your-256-bit-hmac",
        "please-changeme-before-you-go-live-now",
    ],
)
@pytest.mark.parametrize(
    "name", ["TOKEN_SECRET", "MEMBERSHIP_SECRET", "OPERATOR_TOKEN", "ALERTS_TOKEN", "TOKEN_SECRET_PREVIOUS"]
)
def test_a_weak_secret_stops_the_start(monkeypatch: pytest.MonkeyPatch, name: str, weak: str) -> None:
    monkeypatch.setenv(f"VOICE_AGENT_{name}", weak)
    with pytest.raises(ConfigurationError, match="openssl rand") as caught:
        load_settings()
    assert str(caught.value).startswith(f"VOICE_AGENT_{name}")
    assert weak not in str(caught.value)


@pytest.mark.parametrize("names", [("TOKEN_SECRET", "MEMBERSHIP_SECRET"), ("OPERATOR_TOKEN", "ALERTS_TOKEN")])
def test_two_equal_secrets_stop_the_start(monkeypatch: pytest.MonkeyPatch, names: tuple[str, str]) -> None:
    for name in names:
        monkeypatch.setenv(f"VOICE_AGENT_{name}", STRONG)
    with pytest.raises(ConfigurationError, match="each takes its own") as caught:
        load_settings()
    assert all(name in str(caught.value) for name in names)
    monkeypatch.setenv(f"VOICE_AGENT_{names[1]}", OTHER)
    assert load_settings()
    monkeypatch.setenv("VOICE_AGENT_API_KEYS", f"some-other-api-key,{STRONG}")
    with pytest.raises(ConfigurationError, match="API_KEYS"):
        load_settings()


def test_the_published_secret_is_taken_with_the_sandbox_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_TOKEN_SECRET", SANDBOX_SECRET)
    with pytest.raises(ConfigurationError, match="everybody knows"):
        load_settings()
    monkeypatch.setenv("VOICE_AGENT_SANDBOX_URL", "http://127.0.0.1:8100")
    assert load_settings().session_secret() == SANDBOX_SECRET
    monkeypatch.setenv("DEEPGRAM_API_KEY", "real")
    with pytest.raises(ConfigurationError, match="everybody knows"):
        load_settings()
    monkeypatch.delenv("DEEPGRAM_API_KEY")
    monkeypatch.setenv("VOICE_AGENT_TOKEN_SECRET", STRONG)
    monkeypatch.setenv("VOICE_AGENT_MEMBERSHIP_SECRET", SANDBOX_SECRET)
    with pytest.raises(ConfigurationError, match="everybody knows"):
        load_settings()


def test_random_secrets_are_taken() -> None:
    assert weakness("45634cd7832ccbbc123989f1f58ec87e") is None  # random, and refused before: a third of it counts
    generator = random.Random(1)
    for _ in range(5_000):
        octets = generator.randbytes(32)
        assert weakness(octets[:16].hex()) is None
        assert weakness(base64.urlsafe_b64encode(octets).decode()) is None


@pytest.mark.parametrize("name", ["TRUSTED_PROXIES", "UNLIMITED_ADDRESSES"])
def test_networks_are_checked(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"VOICE_AGENT_{name}", "10.0.0.0/8, ::1")
    assert getattr(load_settings(), name.lower()) == ("10.0.0.0/8", "::1")
    monkeypatch.setenv(f"VOICE_AGENT_{name}", "my-proxy")
    with pytest.raises(ConfigurationError, match="addresses or networks"):
        load_settings()
