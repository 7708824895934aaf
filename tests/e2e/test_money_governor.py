"""A session that knows what it costs: `session.cost`, cheaper means at a share, a polite end at the cap."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.billing.prices import NANO
from agent.budgets import DEFAULT_FILE
from agent.policy.policies import DEFAULT_PATH
from agent.providers.recorded import TEXTS, Sentence
from agent.session import session as session_module
from tests.support.billing import ROOMS, TECHNICAL, Books, read_books, say, until
from tests.support.stack import Stack, clip, running_stack, sample
from tests.support.websocket_client import dial, token_of
from voice_loadtest.script import Interrupt, Speak, Type


def budgets_with(folder: Path, *, premium: str = "", free: str = "") -> Path:
    """The shipped budgets with more lines in the tables of the tiers, which come last."""
    text = DEFAULT_FILE.read_text()
    head, premium_table = text.split("[tiers.premium]")
    file = folder / "budgets.toml"
    file.write_text(f"{head}{free}\n[tiers.premium]{premium_table}{premium}\n")
    return file


async def books_of(stack: Stack) -> Books:
    await stack.quiet()
    assert await stack.wiring.ledger.flush(10)
    return await read_books(stack.wiring.ledger.engine)


@pytest.mark.slow
async def test_a_premium_caller_sees_what_the_session_costs_where_that_is_on(tmp_path: Path) -> None:
    async with running_stack(
        budgets_file=budgets_with(tmp_path, premium="show_cost = true", free="show_cost = false")
    ) as stack:
        async with dial(stack, await token_of(stack, premium=True)) as socket:
            await say(socket, {"type": "start"})
            await until(socket, "session.ready")
            costs: list[dict[str, Any]] = []
            for text in ("hello", "a room please"):
                await say(socket, {"type": "text", "text": text})
                await until(socket, "turn.metrics")
                costs.append(await until(socket, "session.cost"))
            await say(socket, {"type": "hangup"})
            await until(socket, "session.end")
        free = await stack.call([Type("hello")])
        books = await books_of(stack)
    assert free.cost_usd is None
    [session] = [row for row in books.sessions if row.tier == "premium"]
    first, last = costs
    assert 0 < first["usd"] < last["usd"] == pytest.approx(session.cost_nano_usd / NANO, rel=1e-12)
    assert last["usd"] == pytest.approx(sum(last["by_service"].values()), rel=1e-9)
    tokens = sum(row.quantity for row in books.charges if row.session_id == session.id and row.service == "llm")
    assert last["tokens"] == tokens


@pytest.mark.slow
async def test_nothing_is_limited_by_default_and_the_cost_is_shown_while_all_is_simulated() -> None:
    async with running_stack() as stack:
        record = await stack.call([Type(TECHNICAL)] * 4, premium=True)
        books = await books_of(stack)
    # the last notes are taken after the last turn told its cost
    assert record.cost_usd == pytest.approx(books.sessions[0].cost_nano_usd / NANO, rel=0.05)
    assert [turn.model for turn in record.turns] == ["sonnet"] * 4
    assert books.sessions[0].cost_nano_usd / NANO > 0.015 / 2
    assert record.end_reason == "completed"


@pytest.mark.slow
async def test_at_a_share_of_the_budget_cheaper_models_and_the_cheaper_voice_take_over(tmp_path: Path) -> None:
    policies = tmp_path / "policies.toml"
    text = DEFAULT_PATH.read_text()
    head, economy = text.split('name = "economy"')
    economy = economy.replace('"deepgram_tts", "elevenlabs"', '"elevenlabs", "deepgram_tts"', 1)
    economy = economy.replace('voice_model = "eleven_flash_v2_5"', 'voice_model = "eleven_turbo_v2_5"', 1)
    policies.write_text(f'{head}name = "economy"{economy}')
    budgets = budgets_with(tmp_path, premium="[tiers.premium.governor]\nstep_down_share = 0.1")
    async with running_stack(budgets_file=budgets, policies_file=policies) as stack:
        record = await stack.call([Type(TECHNICAL), Type(TECHNICAL), Type(TECHNICAL)], premium=True)
        books = await books_of(stack)
    assert [turn.model for turn in record.turns] == ["sonnet", "haiku", "haiku"]
    assert [turn.rule for turn in record.turns][1:] == ["policy", "policy"]
    assert record.end_reason == "completed"
    voices = {row.turn: row.model for row in books.charges if row.service == "tts"}
    assert voices == {1: "eleven_flash_v2_5", 2: "eleven_turbo_v2_5", 3: "eleven_turbo_v2_5"}
    models = {row.turn: row.model for row in books.charges if row.service == "llm" and row.cause == "served"}
    assert models == {1: "claude-sonnet-5-5", 2: "claude-haiku-5-5", 3: "claude-haiku-5-5"}
    assert {row.policy for row in books.charges} == {books.sessions[0].policy}  # the label stays


@pytest.mark.slow
async def test_at_the_hard_cap_the_session_ends_with_a_recorded_goodbye(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "CAP_EVERY_S", 60.0)  # the next turn asks, not the timer
    budgets = budgets_with(tmp_path, free="[tiers.free.governor]\nhard_cap_usd = 0.001")
    async with running_stack(budgets_file=budgets) as stack:
        record = await stack.call([Type(TECHNICAL), Speak(clip("smalltalk_01")), Type("hello")])
        books = await books_of(stack)
        text = await stack.metrics()
    assert [turn.outcome for turn in record.turns] == ["typed", "capped"]
    goodbye = record.turns[1]
    assert goodbye.reply == TEXTS[Sentence.COST_CAP]
    assert goodbye.finished
    assert (goodbye.model, goodbye.rule) == (None, None)
    assert (record.end_reason, record.close_code) == ("cost_cap", 1000)
    assert books.sessions[0].outcome == "cost_cap"
    assert {row.turn for row in books.charges if row.service != "stt"} == {1}  # the goodbye costs nothing
    assert sample(text, "voice_agent_sessions_total", outcome="cost_cap") == 1
    assert sample(text, "voice_agent_turns_total", outcome="capped") == 1
    assert sample(text, "voice_agent_turn_latency_seconds_count") == 0  # no reply was owed


@pytest.mark.slow
async def test_who_speaks_over_the_goodbye_does_not_talk_on_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "CAP_EVERY_S", 60.0)  # the next turn asks, not the timer
    budgets = budgets_with(tmp_path, free="[tiers.free.governor]\nhard_cap_usd = 0.001")
    async with running_stack(budgets_file=budgets) as stack:
        script = [Type(TECHNICAL), Type(ROOMS), Interrupt(clip("barge_01"), after_s=0.0), Type("hello")]
        record = await stack.call(script)
        books = await books_of(stack)
    assert record.end_reason == "cost_cap"
    assert len(books.turns) == 2
    goodbye = record.turns[1]
    assert goodbye.reply == TEXTS[Sentence.COST_CAP]
    assert goodbye.cleared
    assert not goodbye.finished
