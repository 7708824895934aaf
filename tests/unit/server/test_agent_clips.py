"""Callers hear recorded sentences in the language, the words and the voice of their agent."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli.main import cli
from agent.core.errors import ConfigurationError
from agent.definitions.definition import AgentDefinition, DefinitionError, read_definition
from agent.providers.recorded import SHIPPED, Sentence, load_clips
from agent.server.agent_clips import AgentClips, needs_own

USUAL = load_clips()


def agent(folder: Path, more: str = "") -> AgentDefinition:
    path = folder / "hotel.toml"
    path.write_text(f'name = "hotel"\nversion = 1\nprompt = "You answer."\n{more}', encoding="utf-8")
    return read_definition(path)


def clips(folder: Path | None, *agents: AgentDefinition, language: str = "en") -> AgentClips:
    return AgentClips(folder, language, USUAL, agents)


@pytest.mark.parametrize(
    ("more", "own"),
    [
        ("", False), ('keyterms = ["a"]', False), ('language = "de"', True), ("speed = 1.1", True),
        ('voices = { openai_tts = "nova" }', True), ('sentences = { apology = "Hm?" }', True),
    ],
)  # fmt: skip
def test_what_sounds_differently_has_recordings_of_its_own(tmp_path: Path, more: str, own: bool) -> None:
    assert needs_own(agent(tmp_path, more)) is own


def test_an_agent_of_another_language_apologises_in_it(tmp_path: Path) -> None:
    assert clips(None).of(agent(tmp_path)) is USUAL
    german = clips(None).of(agent(tmp_path, 'language = "de"'))
    assert german == load_clips(None, "de")
    assert german[Sentence.GOODBYE].text == "Vielen Dank für Ihren Anruf. Auf Wiederhören."
    assert clips(None).of(agent(tmp_path, 'language = "pl"')) == USUAL


def test_an_agent_with_a_voice_has_its_folder_and_else_the_services(tmp_path: Path) -> None:
    made = agent(tmp_path, 'voices = { openai_tts = "nova" }')
    assert clips(tmp_path, made).of(made) is USUAL
    (tmp_path / "hotel").mkdir()
    shutil.copy(SHIPPED / "goodbye.wav", tmp_path / "hotel" / "apology.wav")
    own = clips(tmp_path, made).of(made)
    assert own[Sentence.APOLOGY].pcm == USUAL[Sentence.GOODBYE].pcm
    assert own[Sentence.GOODBYE] == USUAL[Sentence.GOODBYE]


def test_a_broken_recording_stops_the_start_and_no_call_later(tmp_path: Path) -> None:
    made = agent(tmp_path, 'language = "de"')
    (tmp_path / "hotel").mkdir()
    (tmp_path / "hotel" / "apology.wav").write_bytes(b"RIFF")
    with pytest.raises(ConfigurationError, match=r"hotel/apology\.wav"):
        clips(tmp_path, made)
    assert clips(tmp_path).of(made) is USUAL


def test_memory_for_recordings_is_bounded(tmp_path: Path) -> None:
    many = clips(None)
    for number in range(40):
        many.of(agent(tmp_path, f'sentences = {{ apology = "{number}?" }}'))
    assert len(many._read) == 32  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("more", ['sentences = { hello = "Hm?" }', 'sentences = { apology = "" }'])
def test_a_sentence_that_there_is_not_is_told_with_its_line(tmp_path: Path, more: str) -> None:
    with pytest.raises(DefinitionError, match=r"hotel\.toml:4: sentences"):
        agent(tmp_path, more)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", ""),
        ('language = "de"', ""),
        ('language = "pl"', "hotel.toml:4: language: nothing is recorded in Polish: callers hear English"),
        ('sentences = { apology = "Hm?" }', "hotel.toml:4: sentences: not recorded: apology"),
    ],
)
def test_the_check_warns_of_what_will_not_be_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, words: str
) -> None:
    agent(tmp_path, more)
    monkeypatch.setenv("VOICE_AGENT_SANDBOX_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("VOICE_AGENT_CLIPS_DIR", str(tmp_path / "clips"))
    found = CliRunner().invoke(cli, ["agent", "check", str(tmp_path / "hotel.toml")])
    assert found.exit_code == 0, found.output
    assert "1 definitions are fine" in found.output
    assert ("warning: " in found.output) is bool(words)
    assert words in found.output
