"""Fifty mixed sessions of the whole service: what the ledger says against what the sandbox counted."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.billing.prices import NANO, load_prices
from agent.core.calls import Unit
from agent.policy.policies import DEFAULT_PATH
from tests.support.billing import HOUSE_RULES, ROOMS, TECHNICAL, Books, Key, check_prices, counted, read_books
from tests.support.stack import API_KEY, Stack, clip, running_stack, sample
from voice_loadtest.caller import CallOptions
from voice_loadtest.run import run_load
from voice_loadtest.script import Drop, HangUp, Interrupt, Noise, Speak, Step, Type, Wait
from voice_loadtest.stack.policies import uncached
from voice_sandbox.faults import FaultKind, FaultRule

SESSIONS = 50
SURE = 2  # of the sessions, those whose reply is broken off while it is being paid for, whatever the machine's pace
FAULTS = [
    FaultRule(provider="anthropic", kind=FaultKind.CUT, count=1, after=3),  # and whatever the dice say
    FaultRule(provider="anthropic", kind=FaultKind.OVERLOADED, probability=0.05),
    FaultRule(provider="anthropic", kind=FaultKind.CUT, probability=0.05, after=3),
    FaultRule(provider="elevenlabs", kind=FaultKind.SERVER_ERROR, probability=0.05),
    FaultRule(provider="elevenlabs", kind=FaultKind.CUT, probability=0.05, after=2),
    FaultRule(provider="deepgram", kind=FaultKind.OVERLOADED, probability=0.08),
    FaultRule(provider="deepgram", kind=FaultKind.CUT, probability=0.08, after=1),
]


def script(number: int) -> Sequence[Step]:
    """Spoken and typed, short and long, to the end or broken off: ten kinds of calls."""
    kinds: list[list[Step]] = [
        [Speak(clip("room_01")), Speak(clip("room_03"))],
        [Type("Good morning"), Type("a room for five people, please")],
        [Type(TECHNICAL), Speak(clip("billing_04"))],
        [Type(ROOMS), Interrupt(clip("barge_02"), after_s=0.5), Speak(clip("smalltalk_02"))],
        [Type(ROOMS), Wait(0.4), HangUp()],
        [Type(TECHNICAL), Wait(0.03), Drop()],
        [Speak(clip("order_01")), Interrupt(clip("barge_01"), after_s=0.3)],
        [Type(ROOMS), Wait(0.01), Type("hello"), Wait(0.05), HangUp()],
        [Speak(clip("topics_08")), Wait(0.2), HangUp()],
        [Speak(clip("smalltalk_01")), Noise(clip("noise_cough"), after_s=0.3), Type("a room please")],
    ]
    return kinds[number % len(kinds)]


def policies_with(folder: Path, *, audio_cache: bool) -> Path:
    file = folder / "policies.toml"
    text = DEFAULT_PATH.read_text()
    file.write_text(text if audio_cache else uncached(text))
    return file


async def broken_off(stack: Stack, provider: str, options: CallOptions) -> None:
    """A caller talks into a long reply that this provider is slow with."""
    faults = stack.sandbox.world.faults
    faults.add(FaultRule(provider=provider, kind=FaultKind.SLOW_DRIP, interval_s=0.15))
    await run_load(1, lambda _: [Type(ROOMS), Interrupt(clip("barge_02"), after_s=0.1)], options)
    faults.clear()


async def fifty_calls(stack: Stack) -> None:
    """Every second caller is premium."""
    free, premium = (CallOptions(url=stack.url, api_key=key, gap_s=0.2) for key in (None, API_KEY))
    await broken_off(stack, "anthropic", free)
    await broken_off(stack, "elevenlabs", premium)
    for rule in FAULTS:
        stack.sandbox.world.faults.add(rule)
    half = (SESSIONS - SURE) // 2
    loads = await asyncio.gather(
        run_load(half, lambda number: script(2 * number), free, stagger_s=0.25),
        run_load(half, lambda number: script(2 * number + 1), premium, stagger_s=0.25),
    )
    assert all(record.ready for load in loads for record in load.records)
    await stack.quiet()
    assert await stack.wiring.ledger.flush(20)


@pytest.mark.slow
async def test_fifty_mixed_sessions_cost_what_the_sandbox_counted(database_url: str, tmp_path: Path) -> None:
    audio_cache = database_url.startswith("sqlite")  # once with, once without
    settings: dict[str, Any] = {
        "database_url": database_url,
        "policies_file": policies_with(tmp_path, audio_cache=audio_cache),
        "extra_prompt": HOUSE_RULES,
        "context_tokens": 12_000,
        "resume_grace_s": 0.2,
        "free_lag_s": 10.0,
        "any_lag_s": 10.0,
    }
    async with running_stack("instant", **settings) as stack:
        await fifty_calls(stack)
        books = await read_books(stack.wiring.ledger.engine)
        served = counted(stack.sandbox.world.counters, (row.id for row in books.sessions))
        text = await stack.metrics()

    check_prices(books, load_prices())
    differences = compare(books, served)
    tell(books, differences)

    spent = Counter[str]()
    for row in books.charges:
        spent[row.session_id] += row.nano_usd
    assert len(books.sessions) == SESSIONS
    assert {row.id: row.cost_nano_usd for row in books.sessions} == {row.id: spent[row.id] for row in books.sessions}
    assert sum(row.turns for row in books.sessions) == len(books.turns)
    assert sample(text, "voice_agent_cost_usd_total") == pytest.approx(books.total / NANO, rel=1e-9)
    of_sessions = sum(row.cost_nano_usd for row in books.sessions)
    assert sample(text, "voice_agent_session_cost_usd_sum") == pytest.approx(of_sessions / NANO, rel=1e-9)
    assert sample(text, "voice_agent_session_cost_usd_count") == SESSIONS
    assert sample(text, "voice_agent_unpriced_usage_total") == 0
    assert sample(text, "voice_agent_ledger_dropped_total") == 0
    from_cache = [row for row in books.charges if row.provider == "cache"]
    assert bool(from_cache) is audio_cache
    assert (sample(text, "voice_agent_audio_cache_saved_usd_total") > 0) is audio_cache
    # the mix is one: everything that the test is about has happened
    happened = {(row.service, row.cause) for row in books.charges}
    assert {("stt", "served"), ("llm", "served"), ("tts", "served")} <= happened
    assert {("llm", "interrupted"), ("tts", "interrupted"), ("llm", "retry")} <= happened
    assert {"claude-haiku-5-5", "claude-sonnet-5-5"} <= {row.model for row in books.charges}
    assert {"cache_write_tokens", "cache_read_tokens"} <= {row.unit for row in books.charges}


def compare(books: Books, served: dict[Key, Counter[str]]) -> dict[tuple[str, str], tuple[int, int]]:
    """Checks what is exact; returns (provider, unit) → (our estimates, what was counted beside the exact calls)."""
    exact, estimates = books.quantities(estimated=False), books.quantities(estimated=True)
    differences: dict[tuple[str, str], tuple[int, int]] = {}
    for key in exact.keys() | estimates.keys() | served.keys():
        for unit in Unit:
            rest = served.get(key, Counter())[unit] - exact.get(key, Counter())[unit]
            if key not in estimates:
                assert rest == 0, (key, unit)
                continue
            about = estimates[key][unit]
            before = differences.get((key[1], unit), (0, 0))
            differences[key[1], unit] = (before[0] + about, before[1] + rest)
    return {kind: pair for kind, pair in differences.items() if pair != (0, 0)}


def tell(books: Books, differences: dict[tuple[str, str], tuple[int, int]]) -> None:
    """Shows with `pytest -s` how far the estimates were off."""
    estimates = sum(row.nano_usd for row in books.charges if row.estimated)
    lines = [f"\n{books.total / NANO:.6f} USD, {estimates / NANO:.6f} of it estimated"]
    kinds = Counter((row.service, row.cause, row.outcome, "≈" if row.estimated else "=") for row in books.charges)
    lines += [f"  {' '.join(kind)}: {count}" for kind, count in sorted(kinds.items())]
    lines += [f"  {' '.join(key)}: {here:,} for {there:,} counted" for key, (here, there) in differences.items()]
    sys.stdout.write("\n".join(lines) + "\n")
