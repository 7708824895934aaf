"""Early replies on the whole stack: Flux' own early ends, through the official SDKs, and what they are charged."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

from agent.ledger.tables import charges
from tests.support.stack import clip, running_stack, sample
from tools.bench.latency_scenes import LatencyScene, policies
from voice_loadtest.script import Speak, Wait

SAID = ("room_01", "room_02", "room_03", "smalltalk_01", "order_01", "order_04")


@pytest.mark.slow
async def test_early_replies_are_taken_and_every_call_is_charged_once(tmp_path: Path) -> None:
    async with running_stack(
        "measured", policies_file=policies(tmp_path, LatencyScene("", "early_replies = { threshold_percent = 40 }"))
    ) as stack:
        scripts = ([Wait(0.5), *(Speak(clip(name)) for name in SAID[first : first + 2])] for first in (0, 2, 4))
        records = await asyncio.gather(*(stack.call(script) for script in scripts))
        await stack.quiet()
        assert await stack.wiring.ledger.flush(timeout_s=10)
        text = await stack.metrics()
        async with stack.wiring.ledger.engine.connect() as connection:
            rows = (await connection.execute(select(charges).where(charges.c.service == "llm"))).all()
        counters = stack.sandbox.world.counters
    assert [turn.outcome for record in records for turn in record.turns] == ["replied"] * len(SAID)
    taken = sample(text, "voice_agent_early_replies_total", outcome="taken")
    wasted = sum(
        sample(text, "voice_agent_early_replies_total", outcome=outcome) for outcome in ("resumed", "changed", "failed")
    )
    assert taken >= len(SAID) / 2
    assert sample(text, "voice_agent_early_reply_lead_seconds_count") == taken
    causes = Counter(row.cause for row in rows if row.unit == "output_tokens")
    assert causes["speculation"] == wasted
    output = sum(row.quantity for row in rows if row.unit == "output_tokens" and not row.estimated)
    assert output <= counters.total("anthropic", "output_tokens")
