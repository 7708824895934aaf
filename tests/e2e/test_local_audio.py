"""Ears and a voice of one's own over OpenAI's protocol (docs/local-models.md): whole calls, through the real SDK."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from agent.billing.prices import OWN
from tests.support.local_audio import SERVERS, AudioServer, local_audio, own_policies
from tests.support.stack import clip, running_stack
from voice_loadtest.script import Speak

SECRET = "b6f1e0a94c7d25831f9e62d0a8c5741be3907d6fa218c4b5"
WORDS = ("I'd like to book a meeting room.", "Tomorrow at two thirty, please.")


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
