"""Second calls on the whole stack: through the official SDKs, and what the ledger says that they cost."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from agent.ledger.tables import charges
from tests.support.stack import running_stack, sample
from tools.bench.latency_scenes import LatencyScene, policies
from voice_loadtest.script import Type
from voice_sandbox.faults import FaultKind, FaultRule

CALLS, LEARNT, TURNS = 6, 24, 4


@pytest.mark.slow
async def test_a_model_that_stalls_is_asked_again_and_each_call_is_charged_once(tmp_path: Path) -> None:
    file = policies(tmp_path, LatencyScene("", "hedging = { model_percent = 20, voice_percent = 0 }"))
    async with running_stack(policies_file=file) as stack:
        learning = (stack.call([Type("thank you")] * (LEARNT // CALLS)) for _ in range(CALLS))
        await asyncio.gather(*learning)  # the latency of the model is learnt
        stack.sandbox.world.faults.add(FaultRule(provider="anthropic", kind=FaultKind.STALL, count=1))
        record = await stack.call([Type("thank you")] * TURNS)
        await stack.quiet()
        assert await stack.wiring.ledger.flush(timeout_s=10)
        text = await stack.metrics()
        async with stack.wiring.ledger.engine.connect() as connection:
            rows = (await connection.execute(select(charges).where(charges.c.service == "llm"))).all()
        counters = stack.sandbox.world.counters
    assert [turn.outcome for turn in record.turns] == ["typed"] * TURNS
    won = sample(text, "voice_agent_hedges_total", service="llm", outcome="won")
    made = won + sum(
        sample(text, "voice_agent_hedges_total", service="llm", outcome=outcome)
        for outcome in ("lost", "failed", "cancelled")
    )
    assert 1 <= won <= made <= 0.2 * (LEARNT + TURNS)
    causes = Counter(row.cause for row in rows if row.unit == "input_tokens")
    assert causes["hedge"] == made
    output = sum(row.quantity for row in rows if row.unit == "output_tokens" and not row.estimated)
    assert output <= counters.total("anthropic", "output_tokens")
