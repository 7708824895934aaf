from __future__ import annotations

import asyncio
import json
import os
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import click
import pytest
from click.testing import CliRunner

from agent.billing.prices import OWN, load_prices
from agent.cli.cost import cost, knobs_of, price_change
from agent.cli.decisions import decisions
from agent.cli.memory import memory
from agent.cli.policy import policy
from agent.cli.report import forget, ledger, report
from agent.core.calls import Unit
from agent.core.errors import ConfigurationError
from agent.policy.policies import SttModel, VoiceModel, load_policies
from agent.settings import Settings
from tests.support.ledger_day import a_day, told


def run(command: click.Command, *arguments: str) -> str:
    result = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A configured ledger that holds a day; returns its URL."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", url)

    async def fill() -> None:
        filled, _ = await told(url, a_day(), at=datetime.now(UTC) - timedelta(minutes=5))
        await filled.engine.dispose()

    asyncio.run(fill())
    return url


def rows_of(text: str) -> dict[str, Sequence[str]]:
    """First cell → the other cells of every line of a table."""
    cells = [[cell.strip() for cell in line.split("│")] for line in text.splitlines() if "│" in line]
    return {line[0]: line[1:] for line in cells if line[0]}


@pytest.mark.usefixtures("kept")
def test_the_report_is_two_tables() -> None:
    text = run(report, "--since", "1h")
    felt, spent = text.split("\nCost ")
    assert "Experience" in felt
    assert "$" not in felt
    assert rows_of(felt)["owed a reply"] == ["11", "30"]
    assert rows_of(spent)["sessions ended"] == ["1", "", "10", "", "0", ""]
    assert rows_of(spent)["elevenlabs eleven_secret_v9 characters"] == ["10", "", "–", "", "–", ""]
    assert rows_of(spent)["eleven_flash_v2_5"] == ["$0.0420", "62.1 %", "$0.1200", "63.7 %", "–", ""]
    assert rows_of(spent)["waste"] == ["$0.0021", "3.1 %", "$0.0000", "0.0 %", "$0.0000", "0.0 %"]


def test_what_ran_on_a_machine_of_ones_own_is_called_local_and_saved_nothing(kept: str) -> None:
    with sqlite3.connect(kept.removeprefix("sqlite:///")) as books:
        books.execute("UPDATE charges SET nano_usd = 0, price_version = ? WHERE service = 'tts'", (OWN,))
    spent = rows_of(run(report, "--since", "1h"))
    assert spent["eleven_flash_v2_5 · local"][:1] == ["$0.0000"]
    assert "eleven_flash_v2_5" not in spent
    assert {cell for cell in spent["saved"] if cell} == {"$0.0000"}
    made: dict[str, Any] = json.loads(run(report, "--json", "--tier", "premium"))
    assert "elevenlabs eleven_flash_v2_5" in made["spending"][0]["local"]


@pytest.mark.usefixtures("kept")
def test_the_report_as_json_and_by_tier() -> None:
    made: dict[str, Any] = json.loads(run(report, "--json", "--tier", "premium"))
    assert [part["tier"] for part in made["experience"]] == ["premium"]
    assert made["spending"][0]["sessions"] == 10
    assert made["experience"][0]["voice_to_voice"]["count"] == 30


@pytest.mark.usefixtures("kept")
def test_a_session_s_waterfall_and_bill() -> None:
    text = run(report, "session", "p3")
    assert "premium · standard v3" in text
    assert "turn 3  replied, 1,800 ms voice to voice" in text
    assert "over: stt, llm, voice_to_voice" in text
    assert text.count("█") > 20
    assert "$0.018845" in text
    assert [cell.strip() for cell in rows_of(text)["flux-general-en"]] == [
        "served",
        "60.0 s of audio",
        "$0.006500",
        "2026-11-04",
    ]
    assert [line.split("│")[2].strip() for line in text.splitlines() if line.startswith("claude-haiku")] == [
        "1,500 tokens in",
        "12,000 cache read",
        "150 tokens out",
    ]
    assert json.loads(run(report, "session", "p3", "--json"))["usd"] == pytest.approx(0.018845)


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (report, ["--since", "1h"]),
        (report, ["session", "p3"]),
        (report, ["session", "f1"]),
        (cost, ["explain"]),
        (cost, ["explain", "--policy", "economy"]),
        (cost, ["article"]),
    ],
)
def test_every_table_fits_a_small_terminal(
    command: click.Command, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.cli.console.PIPE_WIDTH", 80)
    text = run(command, *arguments)
    lines = [line for line in text.splitlines() if not line.endswith(".db")]  # a path is as long as it is
    assert max(map(len, lines)) <= 80
    assert "…" not in text
    shown = re.findall(r"(?:eleven_flash|claude-|flux-gen)\S+", text)
    assert set(shown) <= {
        "eleven_flash_v2_5",
        "claude-haiku-5-5",
        "claude-haiku-5-5,",
        "claude-sonnet-5-5",
        "claude-sonnet-5-5,",
        "flux-general-en",
    }  # none is broken in two


@pytest.mark.usefixtures("kept")
def test_a_turn_without_a_reply_is_said_to_have_none() -> None:
    text = run(report, "session", "f1")
    [line] = [line for line in text.splitlines() if line.startswith("turn 11 ")]
    assert "apology, no reply," in line
    assert "over: voice_to_voice" in line
    rows = rows_of(run(report, "--since", "1h"))
    assert rows["voice to voice p95"][0] == "no reply"  # one of eleven owed turns
    assert rows["voice to voice p50"][0] == "950 ms"


@pytest.mark.usefixtures("kept")
def test_a_session_that_is_not_there() -> None:
    result = CliRunner().invoke(report, ["session", "p99"])
    assert result.exit_code == 1
    assert "the ledger has no session p99" in result.output


@pytest.mark.usefixtures("kept")
def test_forget_and_prune() -> None:
    before = json.loads(run(report, "--json"))["spending"]
    assert "sessions              11" in run(forget, "ada")
    after = json.loads(run(report, "--json"))
    assert after["experience"] == []
    assert [part["total_usd"] for part in after["spending"]] == [part["total_usd"] for part in before]
    assert "charges                0" in run(ledger, "prune", "--days", "1")
    assert "revision 0008" in run(ledger, "migrate")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (report, []),
        (report, ["session", "p3"]),
        (memory, ["show", "p3"]),
        (forget, ["ada"]),
        (ledger, ["prune"]),
        (ledger, ["revoke", "p3"]),
        (policy, ["list"]),
        (decisions, []),
    ],
)
def test_a_command_of_another_folder_makes_no_empty_database(
    command: click.Command, arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VOICE_AGENT_DATABASE_URL", raising=False)
    with pytest.raises(ConfigurationError, match=re.escape(f"no database {tmp_path}/var/voice-agent.db")):
        CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []


def test_the_report_of_an_empty_database_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    run(ledger, "migrate")
    text = run(report)
    assert "nothing happened in this time" in text
    assert str(tmp_path / "ledger.db") in text


@pytest.mark.parametrize("period", ["24", "1w", "-1h", ""])
def test_a_period_that_is_none(period: str) -> None:
    result = CliRunner().invoke(report, ["--since", period])
    assert result.exit_code == 2
    assert "30m, 24h, 7d" in result.output


def test_a_database_that_is_down_is_one_line_without_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", "postgresql://someone:hunter2@127.0.0.1:9/nowhere")
    with pytest.raises(ConfigurationError, match="cannot be used") as caught:
        CliRunner().invoke(ledger, ["migrate"], catch_exceptions=False)
    assert "hunter2" not in str(caught.value)


def test_explain_puts_two_policies_side_by_side() -> None:
    text = run(cost, "explain", "--minutes", "3", "--chars", "1350", "--turns", "12")
    assert "sonnet_first" in text and "haiku_first" in text
    bills = json.loads(run(cost, "explain", "--json", "--against", "economy"))
    assert [bill["name"] for bill in bills] == ["sonnet_first", "economy"]
    assert bills[1]["lines"][0]["model"] == "nova-3"


def test_a_component_without_a_price_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(
        '[[price]]\nprovider = "deepgram"\nmodels = ["nova-3"]\neffective_from = 2126-01-01\n'
        'usd_per_audio_minute = 0.004\nsource = "a contract to come"\n'
    )
    monkeypatch.setenv("VOICE_AGENT_PRICES_FILE", str(file))
    rows = rows_of(run(cost, "explain", "--against", "economy"))
    assert rows["speech to text"] == ["17 %  $0.0195", "unpriced", "–"]
    assert rows["session"] == ["$0.1143", "unpriced + $0.0427", "–"]


def test_a_recogniser_that_overrides_the_policies_is_the_one_that_is_priced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_STT_MODEL", "nova-3")
    assert rows_of(run(cost, "explain"))["nova-3"] == ["3 min  $0.0144", "3 min  $0.0144", ""]


def test_a_model_of_ones_own_costs_nothing_and_is_called_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_TOKEN_SECRET", os.urandom(16).hex())
    monkeypatch.setenv("ANTHROPIC_API_KEY", "none")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:11434")
    for name in ("HAIKU", "SONNET"):
        monkeypatch.setenv(f"VOICE_AGENT_{name}_MODEL", "qwen3:8b")
    text = run(cost, "explain")
    rows = rows_of(text)
    assert rows["qwen3:8b · local"] == ["12 turns  $0.0000", "9.84 turns  $0.0000", ""]
    assert "unpriced" not in text
    assert "what is local costs nothing" in " ".join(text.split())
    (left, _) = json.loads(run(cost, "explain", "--json"))
    assert {line["provider"]: line["local"] for line in left["lines"]} == {
        "deepgram": False, "anthropic": True, "elevenlabs": False,
    }  # fmt: skip
    told = price_change({"haiku_first": 100}, {"sonnet_first": 100})
    assert told.endswith("(+0%); at no cost: qwen3:8b · local")
    monkeypatch.setenv("VOICE_AGENT_BILLED_HOSTS", "127.0.0.1")
    assert "cannot be calculated" in price_change({"haiku_first": 100}, {"sonnet_first": 100})
    assert "local" not in run(cost, "explain")


def test_what_asks_twice_or_guesses_is_not_priced_as_if_it_were_free() -> None:
    said = "without the second calls and guesses of fast: with every knob of speed they were measured at about 5 %"
    assert price_change({"haiku_first": 100}, {"fast": 100}).partition("; ")[2].startswith(said)
    assert said in run(cost, "explain", "--policy", "fast")
    assert "guesses" not in price_change({"haiku_first": 100}, {"sonnet_first": 100})
    assert "guesses" not in run(cost, "explain")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--policy", "dearest"], "there is no policy dearest"),
        (["--minutes", "-1"], "-1.0 is not in the range"),
        (["--minutes", "nan"], "nan is not a number of anything"),
        (["--sonnet", "1.5"], "1.5 is not in the range"),
    ],
)
def test_what_cannot_be_calculated_is_said(arguments: list[str], why: str) -> None:
    result = CliRunner().invoke(cost, ["explain", *arguments])
    assert result.exit_code == 2
    assert why in result.output


def test_the_article_is_checked() -> None:
    text = run(cost, "article")
    for figure in ("1.79", "54 spoken characters", "$0.449", "$0.154", "$0.0129", "90 %", "87 %"):
        assert figure in text
    rows = rows_of(text)
    assert rows["Whisper, then Nova-2: a minute"] == ["$0.0060", "$0.0043"]
    assert rows["model: a million tokens"] == ["$3.0000", "$0.2500"]
    assert rows["with 18 % still at $3"] == ["", "$0.7450"]
    assert rows["voice: 1,000 characters"] == ["$0.3000", "$0.1000"]
    assert rows["a session"] == ["$0.0240", "$0.0110"]


def test_everything_that_a_policy_or_a_default_can_name_has_a_price() -> None:
    settings = Settings(_env_file=None)  # pyright: ignore[reportCallIssue]  pydantic-settings' own parameter
    book, now = load_prices(), datetime.now(UTC)
    [policy] = [policy for policy in load_policies().policies.values() if policy.name == "haiku_first"]
    for recogniser in get_args(SttModel):
        knobs = knobs_of(replace(policy, stt_model=recogniser), settings)
        assert book.rate(*knobs.stt, Unit.AUDIO_SAMPLES, now), recogniser
    for voice in get_args(VoiceModel):
        assert book.rate("elevenlabs", voice, Unit.CHARACTERS, now), voice
    for model in (settings.haiku_model, settings.sonnet_model):
        assert book.rate("anthropic", model, Unit.OUTPUT_TOKENS, now), model
    assert book.rate("openai_stt", settings.openai_stt_model, Unit.AUDIO_SAMPLES, now)
    assert book.rate("openai_tts", settings.openai_tts_model, Unit.CHARACTERS, now)
