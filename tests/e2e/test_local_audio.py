"""Ears and a voice of one's own over OpenAI's protocol (docs/local-models.md): whole calls, through the real SDK."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from agent.billing.prices import OWN
from agent.policy.policies import DEFAULT_PATH
from tests.support.local_audio import SERVERS, AudioServer, local_audio
from tests.support.stack import clip, running_stack
from voice_loadtest.script import Speak
from voice_loadtest.stack.policies import uncached

SECRET = "b6f1e0a94c7d25831f9e62d0a8c5741be3907d6fa218c4b5"
WORDS = ("I'd like to book a meeting room.", "Tomorrow at two thirty, please.")


def own_policies(folder: Path) -> Path:
    """The policies that are shipped, with the chains of the recipe."""
    file = folder / "policies.toml"
    text = uncached(DEFAULT_PATH.read_text())
    lines = (_chain(line) for line in text.splitlines())
    file.write_text("\n".join(lines))
    return file


def _chain(line: str) -> str:
    if line.startswith("stt = ["):
        return 'stt = ["whisper"]'
    return 'tts = ["openai_tts"]' if line.startswith("tts = [") else line


@pytest.mark.slow
@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
async def test_a_whole_call_uses_them_for_nothing_and_calls_them_local(server: AudioServer, tmp_path: Path) -> None:
    database = tmp_path / "ledger.db"
    async with (
        local_audio(server, WORDS) as heard,
        running_stack(
            policies_file=own_policies(tmp_path),
            database_url=f"sqlite+aiosqlite:///{database}",
            token_secret=SECRET,
            openai_base_url=heard.url,
            openai_api_key="none",
            openai_stt_model=server.stt_model,
            openai_tts_model=server.tts_model,
            openai_voice=server.voice,
        ) as stack,
    ):
        record = await stack.call([Speak(clip("room_01")), Speak(clip("room_02"))])
        await stack.quiet()
    assert [turn.transcript for turn in record.turns] == list(WORDS)
    assert all(turn.answered for turn in record.turns)
    assert (record.simulated, sorted(record.local)) == (("llm",), ["stt", "tts"])
    assert record.degraded == []
    assert heard.models == [server.stt_model] * len(WORDS)
    assert heard.keys == {"Bearer none"}
    for asked in heard.spoken:
        assert (asked["model"], asked["voice"], asked["response_format"]) == (server.tts_model, server.voice, "pcm")
    with sqlite3.connect(database) as books:
        charges = books.execute("SELECT service, provider, price_version, nano_usd FROM charges").fetchall()
    own = {(service, provider, version, cost) for service, provider, version, cost in charges if service != "llm"}
    assert own == {("stt", "openai_stt", OWN, 0), ("tts", "openai_tts", OWN, 0)}
