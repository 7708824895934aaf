"""Recorded sentences: made with the configured voice, played where they are configured."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.main import cli
from agent.core.errors import ConfigurationError
from agent.ledger.database import create_engine
from agent.providers.recorded import SHIPPED, TEXTS, Sentence, load_clips
from tests.support.billing import read_books
from tests.support.stack import running_stack
from voice_loadtest.script import Wait
from voice_sandbox.server import run_sandbox
from voice_sandbox.state import SandboxOptions


async def test_the_sentences_are_recorded_with_the_configured_voice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run_sandbox(SandboxOptions(port=0, profile="instant")) as sandbox:
        monkeypatch.setenv("VOICE_AGENT_SANDBOX_URL", sandbox.url)
        monkeypatch.setenv("VOICE_AGENT_CLIPS_DIR", str(tmp_path))
        monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", database := f"sqlite:///{tmp_path / 'ledger.db'}")
        result = await asyncio.to_thread(CliRunner().invoke, cli, ["clips", "make"])
        spoken = sandbox.world.counters.total("elevenlabs", "characters")
    assert result.exit_code == 0, result.output
    assert f"{spoken:g} characters" in result.output
    books = await read_books(engine := create_engine(database))
    await engine.dispose()
    assert {(row.cause, row.session_id, row.provider) for row in books.charges} == {("clip", None, "elevenlabs")}
    assert len(books.charges) == len(TEXTS)
    assert books.total == spoken * 40_000  # $0.04 for 1,000 characters
    recorded, shipped = load_clips(tmp_path), load_clips()
    for sentence in Sentence:
        assert len(recorded[sentence].pcm) > 16_000
        assert recorded[sentence].pcm != shipped[sentence].pcm


async def test_an_agent_of_its_own_language_is_recorded_beside_it_and_its_callers_hear_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = tmp_path / "agents"
    agents.mkdir()
    (agents / "hotel.toml").write_text(
        'name = "hotel"\nversion = 1\nprompt = "You answer."\nlanguage = "de"\nsentences = { goodbye = "Bis bald." }\n'
    )
    async with run_sandbox(SandboxOptions(port=0, profile="instant")) as sandbox:
        monkeypatch.setenv("VOICE_AGENT_SANDBOX_URL", sandbox.url)
        monkeypatch.setenv("VOICE_AGENT_AGENTS_DIR", str(agents))
        monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", f"sqlite:///{tmp_path / 'ledger.db'}")
        clips = tmp_path / "clips"
        result = await asyncio.to_thread(CliRunner().invoke, cli, ["clips", "make", "--folder", str(clips)])
    assert result.exit_code == 0, result.output
    assert f"{2 * len(TEXTS)} sentences" in result.output
    own = {Sentence.GOODBYE: "Bis bald."}
    recorded = load_clips(clips / "hotel", "de", own)
    assert recorded[Sentence.GOODBYE].text == "Bis bald."
    async with running_stack(clips_dir=clips, agents_dir=agents, agent="hotel", max_session_s=1.0) as stack:
        call = await stack.call([Wait(3.0)])
        assert call.turns[-1].reply == "Bis bald."


async def test_the_service_plays_the_recordings_of_the_configured_folder(tmp_path: Path) -> None:
    (tmp_path / "apology.wav").write_bytes((SHIPPED / "goodbye.wav").read_bytes())
    async with running_stack(clips_dir=tmp_path) as stack:
        shipped = load_clips()
        assert stack.wiring.clips[Sentence.APOLOGY].pcm == shipped[Sentence.GOODBYE].pcm
        assert stack.wiring.clips[Sentence.GOODBYE].pcm == shipped[Sentence.GOODBYE].pcm


async def test_a_ledger_that_cannot_be_written_stops_no_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run_sandbox(SandboxOptions(port=0, profile="instant")) as sandbox:
        monkeypatch.setenv("VOICE_AGENT_SANDBOX_URL", sandbox.url)
        monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", "postgresql://someone@127.0.0.1:9/nowhere")
        result = await asyncio.to_thread(CliRunner().invoke, cli, ["clips", "make", "--folder", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "what this cost is missing there" in result.output
    assert len(load_clips(tmp_path)) == len(TEXTS)


def test_without_a_folder_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VOICE_AGENT_SANDBOX_URL", "http://127.0.0.1:1")
    monkeypatch.delenv("VOICE_AGENT_CLIPS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["clips", "make"])
    assert isinstance(result.exception, ConfigurationError)
    assert "VOICE_AGENT_CLIPS_DIR" in str(result.exception)
