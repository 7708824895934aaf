"""Nothing that happened is missing in the books: turns that hardly began, sessions that go on, tokens used twice."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from websockets.frames import Frame, Opcode

from agent.billing.prices import NANO, load_prices
from agent.billing.pricing import utc_now
from agent.ledger.ledger import Ledger
from agent.reports.period import make_report
from agent.telemetry.exposition import Metrics
from tests.support.billing import Books, read_books, say, until
from tests.support.stack import Stack, running_stack, sample
from tests.support.websocket_client import START, dial, token_of
from voice_loadtest.script import Type


async def books_of(stack: Stack) -> Books:
    await stack.quiet()
    assert await stack.wiring.ledger.flush(10)
    return await read_books(stack.wiring.ledger.engine)


def frame(message: object) -> bytes:
    return Frame(Opcode.TEXT, json.dumps(message).encode()).serialize(mask=True)


@pytest.mark.slow
async def test_turns_that_are_taken_back_at_once_are_in_the_books() -> None:
    async with running_stack() as stack:
        async with dial(stack, await token_of(stack)) as socket:
            await socket.send(START)
            await until(socket, "session.ready")
            said = [{"type": "text", "text": text} for text in ("hello", "good morning", "a room please")]
            socket.transport.write(b"".join(map(frame, [*said, {"type": "hangup"}])))  # all in one segment
            told = [await until(socket, "turn.metrics") for _ in said]
            assert (await until(socket, "session.end"))["turns"] == 3
        books = await books_of(stack)
        text = await stack.metrics()
    assert [message["outcome"] for message in told] == ["superseded", "superseded", "abandoned"]
    # turns that never began leave one row, the last of them, with their number; nothing else is left out
    assert sorted((row.turn, row.outcome, row.timeline.get("turns", 1)) for row in books.turns) == [
        (2, "superseded", 2),
        (3, "abandoned", 1),
    ]
    assert sample(text, "voice_agent_turns_total") == books.sessions[0].turns == 3


@pytest.mark.slow
async def test_a_session_that_goes_on_numbers_its_turns_on_and_keeps_its_bill() -> None:
    async with running_stack(resume_grace_s=0.05) as stack:
        traces: list[tuple[int, str]] = []
        token = await token_of(stack)
        for number in range(3):
            async with dial(stack, token) as socket:
                await socket.send(START)
                ready = await until(socket, "session.ready")
                assert ready["resumed"] is (number > 0)
                token = ready["resume_token"]
                await say(socket, {"type": "text", "text": "hello"})
                told = await until(socket, "turn.metrics")
                traces.append((told["turn"], told["trace_id"]))
                socket.transport.abort()
            await stack.quiet()  # the session has ended: only the ledger knows it
        books = await books_of(stack)
        text = await stack.metrics()
    [session] = books.sessions
    assert [turn for turn, _ in traces] == [1, 2, 3]
    assert sorted((row.turn, row.trace_id) for row in books.turns) == traces
    assert session.turns == 3
    assert session.cost_nano_usd == books.total
    # each end is a session for Prometheus, with all that it had cost until then
    assert sample(text, "voice_agent_session_cost_usd_count") == 3
    assert sample(text, "voice_agent_session_cost_usd_sum") > books.total / NANO


@pytest.mark.slow
async def test_a_token_that_is_used_again_opens_a_session_of_its_own() -> None:
    async with running_stack(resume_grace_s=0.05) as stack:
        token = await token_of(stack)
        ids: list[str] = []
        for _ in range(2):
            async with dial(stack, token) as socket:
                await socket.send(START)
                ready = await until(socket, "session.ready")
                assert not ready["resumed"]
                ids.append(ready["session_id"])
                await say(socket, {"type": "text", "text": "hello"})
                assert (await until(socket, "turn.metrics"))["turn"] == 1
                await say(socket, {"type": "hangup"})
                await until(socket, "session.end")
            await stack.quiet()
        books = await books_of(stack)
    assert ids[0] != ids[1]
    assert sorted((row.session_id, row.turn) for row in books.turns) == sorted((name, 1) for name in ids)


CONTRACT = """
[[price]]
provider = "elevenlabs"
models = ["eleven_flash_v2_5"]
effective_from = {day}
usd_per_1000_characters = 0.0123
source = "our contract"
"""
VOICE = "eleven_flash_v2_5"


@pytest.mark.slow
@pytest.mark.parametrize("day", ["2026-01-01", "2126-01-01"])
async def test_a_contract_sets_the_price_and_before_it_begins_there_is_none(day: str, tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(CONTRACT.format(day=day))
    async with running_stack(prices_file=prices) as stack:
        await stack.call([Type("hello")])
        books = await books_of(stack)
        text, now = await stack.metrics(), utc_now()
        made = await make_report(stack.wiring.ledger.engine, load_prices(prices), now - timedelta(hours=1), now)
    voice = [row for row in books.charges if (row.provider, row.model) == ("elevenlabs", VOICE)]
    spoken = sum(row.quantity for row in voice)
    unpriced = sample(text, "voice_agent_unpriced_usage_total", model=VOICE, unit="characters")
    paid = sample(text, "voice_agent_cost_usd_total", provider="elevenlabs")
    [spent] = made.spending
    assert spoken > 0
    if day < f"{now:%F}":
        assert {(row.nano_usd, row.price_version[:11]) for row in voice} == {
            (row.quantity * 12_300, f"{day}/") for row in voice
        }
        assert (unpriced, spent.unpriced) == (0, {})
        assert paid == pytest.approx(spoken * 12_300 / NANO)
    else:
        assert {(row.nano_usd, row.price_version) for row in voice} == {(None, None)}
        assert (unpriced, spent.unpriced, paid) == (spoken, {f"elevenlabs {VOICE} characters": spoken}, 0)
    assert books.sessions[0].cost_nano_usd == books.total > 0


@pytest.mark.slow
async def test_two_ledgers_of_one_process_come_up_side_by_side(tmp_path: Path) -> None:
    ledgers = [Ledger(f"sqlite:///{tmp_path / name}.db", Metrics()) for name in "abc"]
    async with ledgers[0], ledgers[1], ledgers[2], asyncio.timeout(30):
        assert {await ledger.migrate() for ledger in ledgers} == {"0007"}
        for ledger in ledgers:
            await ledger.migrated.wait()
            assert await ledger.flush(10)
            assert ledger.reachable
