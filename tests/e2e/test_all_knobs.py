"""Every knob of speed at once while providers fail: each turn ends, and the ledger has what the sandbox served."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from agent.ledger.tables import charges
from tests.support.stack import clip, running_stack, sample
from tools.bench.latency_scenes import LatencyScene, policies
from voice_loadtest.script import Speak
from voice_sandbox.faults import FaultKind, FaultRule
from voice_sandbox.recognizer.early_end import EarlyEnds

KNOBS = """early_replies = { threshold_percent = 30, stable_ms = 60, waste_percent = 100 }
early_voice = { confidence_percent = 30, waste_percent = 100 }
first_words = { ask_openings = true }
hedging = { quantile_percent = 50, model_percent = 100, voice_percent = 50, at_once = ['haiku'] }"""
SAID = ("room_01", "order_01", "smalltalk_01")
CALLS = 8
DELTA_TOKENS = 8
FAULTS = (
    FaultRule(provider="anthropic", kind=FaultKind.STALL, probability=0.1),
    FaultRule(provider="anthropic", kind=FaultKind.CUT, probability=0.1, after=2),
    FaultRule(provider="anthropic", kind=FaultKind.OVERLOADED, probability=0.05),
    FaultRule(provider="elevenlabs", kind=FaultKind.STALL, probability=0.1),
    FaultRule(provider="elevenlabs", kind=FaultKind.CUT, probability=0.05, after=1),
)


@pytest.mark.slow
async def test_with_every_knob_on_and_providers_failing_the_books_hold(tmp_path: Path) -> None:
    file = policies(tmp_path, LatencyScene("every knob", KNOBS))
    async with running_stack("measured", policies_file=file, early_ends=EarlyEnds(taken_back=0.5)) as stack:
        script = [Speak(clip(name)) for name in SAID]
        await asyncio.gather(*(stack.call(script) for _ in range(CALLS)))  # what is usual is learnt
        for rule in FAULTS:
            stack.sandbox.world.faults.add(rule)
        records = await asyncio.gather(*(stack.call(script) for _ in range(CALLS)))
        await stack.quiet()
        assert await stack.wiring.ledger.flush(timeout_s=10)
        text = await stack.metrics()
        async with stack.wiring.ledger.engine.connect() as connection:
            rows = (await connection.execute(select(charges))).all()
        counters = stack.sandbox.world.counters
    # beside other work a caller who goes on is heard as another turn, which takes the place of the one before
    outcomes = [turn.outcome for record in records for turn in record.turns if turn.outcome != "superseded"]
    assert len(outcomes) == CALLS * len(SAID)
    assert "failed" not in outcomes and None not in outcomes
    causes = {row.cause for row in rows}
    assert {"served", "speculation", "hedge", "clip"} <= causes

    def booked(provider: str, unit: str, *, estimates: bool) -> int:
        """What the ledger has of a unit, with or without what was estimated for calls that did not end."""
        own = [row for row in rows if row.provider == provider and row.unit == unit]
        return sum(row.quantity for row in own if estimates or not row.estimated)

    for provider, unit in (("anthropic", "input_tokens"), ("anthropic", "output_tokens"), ("elevenlabs", "characters")):
        assert booked(provider, unit, estimates=False) <= counters.total(provider, unit), (provider, unit)
    # what was sent is billed whether it was heard or not, so nothing of it may be missing
    assert booked("elevenlabs", "characters", estimates=True) >= counters.total("elevenlabs", "characters")
    assert booked("anthropic", "input_tokens", estimates=True) >= counters.total("anthropic", "input_tokens")
    # of each call that was broken off the sandbox has written a delta or two that never arrived
    broken = counters.total("anthropic", "requests_cancelled") + counters.total("anthropic", "requests_failed")
    missing = counters.total("anthropic", "output_tokens") - booked("anthropic", "output_tokens", estimates=True)
    assert missing <= DELTA_TOKENS * broken
    assert sample(text, "voice_agent_hedges_total") > 0
    assert sample(text, "voice_agent_early_voices_total", outcome="taken") > 0
