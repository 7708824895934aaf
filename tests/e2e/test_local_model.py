"""A language model of one's own (docs/local-models.md), from the caller's screen to the ledger: local, and $0."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from agent.cli.report import report
from tests.support.stack import running_stack, sample
from voice_loadtest.script import Type

pytestmark = pytest.mark.slow  # replies are played at their own speed
SAID = "I would like to book a room"


@pytest.mark.parametrize("billed", [False, True])
async def test_a_model_at_an_address_of_ones_own_is_called_local_and_costs_nothing_anywhere(
    billed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = tmp_path / "ledger.db"
    async with running_stack(
        prepare=lambda url: {"anthropic_api_key": "none", "anthropic_base_url": url},
        database_url=f"sqlite+aiosqlite:///{database}",
        token_secret="2f1b8c0d5e7a9463b1c2d3e4f5061728",
        billed_hosts=("127.0.0.1",) if billed else (),
    ) as stack:
        record = await stack.call([Type(SAID), Type("tomorrow at two thirty")])
        assert record.all_answered
        assert ("llm" in record.local) is not billed
        assert "llm" not in record.simulated
        await stack.quiet()
        metrics = await stack.metrics()
        async with httpx.AsyncClient() as client:
            page = (await client.get(f"{stack.url}/sample-calls.json")).json()
            chosen = await client.post(f"{stack.url}/v1/sessions", json={"policy": "fast"})
            told = (await client.get(f"{stack.ops_url}/health/ready")).json()
    assert (page["local"], told["local"]) == (([], []) if billed else (["llm"], ["llm"]))
    assert chosen.status_code == 403, "with a key policies are assigned"
    assert "policies" not in {call["name"] for call in page["calls"]}
    paid = sample(metrics, "voice_agent_cost_usd_total", provider="anthropic")
    spent = sample(metrics, "voice_agent_session_cost_usd_sum")
    with sqlite3.connect(database) as books:
        charges = books.execute("SELECT nano_usd, price_version FROM charges WHERE service = 'llm'").fetchall()
        (others,) = books.execute("SELECT sum(nano_usd) FROM charges WHERE service <> 'llm'").fetchone()
    assert charges
    if billed:
        assert paid > 0
        return
    assert paid == 0
    assert {(amount, version) for amount, version in charges} == {(0, "own machine")}
    assert spent == pytest.approx(others / 1e9, abs=1e-7), "what budgets, caps and alerts see is what is paid"
    monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", f"sqlite:///{database}")
    shown = await asyncio.to_thread(CliRunner().invoke, report, ["--since", "1h"], catch_exceptions=False)
    assert "· local" in shown.output
