"""The front desk, end to end: what callers say becomes rows of its database, over the official SDK and real sockets."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.paths import ROOT
from tests.support.providers import inject_fault
from tests.support.stack import Stack, clip, running_stack, sample
from voice_loadtest.records import CallRecord
from voice_loadtest.script import Speak, Type

pytestmark = pytest.mark.slow  # replies are played at their own speed
FRONT_DESK = ROOT / "examples" / "front_desk"
BOOKS = ("I'd like to book a meeting room", "tomorrow at two thirty pm", "for five people")


@asynccontextmanager
async def front_desk(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncGenerator[Stack]:
    monkeypatch.setenv("FRONT_DESK_DB", str(folder / "desk.db"))
    monkeypatch.delenv("FRONT_DESK_DEMO", raising=False)
    async with running_stack(agents_dir=FRONT_DESK, agent="front_desk", **settings) as stack:
        yield stack


def bookings(folder: Path) -> list[tuple[Any, ...]]:
    columns = "location, day, time, duration, people, cancelled"
    with sqlite3.connect(folder / "desk.db") as database:
        return database.execute(f"select reference, {columns} from bookings").fetchall()


def replies(record: CallRecord) -> list[str]:
    return [turn.reply for turn in record.turns]


async def type_all(stack: Stack, *lines: str, **options: Any) -> CallRecord:
    return await stack.call([Type(line) for line in lines], **options)


async def test_a_booking_is_made_and_cancelled_by_a_second_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with front_desk(tmp_path, monkeypatch) as stack:
        first = await type_all(stack, *BOOKS, "Yes, please.")
        assert bookings(tmp_path) == [(4472, "Harbour Street", "tomorrow", "2:30 PM", "an hour", 5, 0)]
        assert "4472" in replies(first)[-1]
        asked = replies(first)[-2]
        assert asked.startswith("So that is Harbour Street, tomorrow at 2:30 PM, for an hour, with 5 people.")
        second = await type_all(stack, "please cancel my booking, four four seven two", "yes")
        assert bookings(tmp_path)[0][-1] == 1, replies(second)
        assert "cancelled" in replies(second)[-1]
        await stack.quiet()
        text = await stack.metrics()
        assert sample(text, "voice_agent_tool_calls_total", tool="book_room", outcome="ok") == 1
        assert sample(text, "voice_agent_tool_calls_total", tool="book_room", outcome="unconfirmed") == 1
        refused = [entry for entry in stack.sandbox.world.log.entries if entry.outcome not in ("served", "cancelled")]
        assert refused == [], "the Messages API took every request"


async def test_without_a_yes_nothing_is_booked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with front_desk(tmp_path, monkeypatch) as stack:
        record = await type_all(stack, *BOOKS, "no thanks", "what is the weather")
        assert bookings(tmp_path) == []
        assert not any("is booked" in reply for reply in replies(record))


async def test_a_tool_that_is_out_is_told_honestly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with front_desk(tmp_path, monkeypatch) as stack:
        (tmp_path / "desk.db").mkdir()  # the database cannot be opened
        record = await type_all(stack, *BOOKS)
        assert "did not work" in replies(record)[-1]
        (tmp_path / "desk.db").rmdir()
        await type_all(stack, *BOOKS, "yes")
        assert len(bookings(tmp_path)) == 1


async def test_of_a_change_that_failed_nobody_is_told_that_nothing_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with front_desk(tmp_path, monkeypatch) as stack:
        await type_all(stack, *BOOKS, "yes")
        ((reference, *_),) = bookings(tmp_path)
        with contextlib.closing(sqlite3.connect(tmp_path / "desk.db", isolation_level=None)) as other:
            other.execute("begin exclusive")  # the tool waits in vain, and nobody knows what came of it
            record = await type_all(stack, f"cancel my booking, {reference}", "yes")
        assert replies(record)[-1] == "I am sorry, I do not know whether that went through."


@pytest.mark.parametrize("variant", ["bad_arguments", "broken_json", "unknown_tool"])
async def test_a_model_that_asks_wrongly_leaves_nobody_in_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variant: str
) -> None:
    async with front_desk(tmp_path, monkeypatch) as stack:
        inject_fault(stack.sandbox, "anthropic", "tool_use", variant=variant)
        record = await type_all(stack, *BOOKS)
        assert all(replies(record)), replies(record)
        assert [turn.outcome for turn in record.turns] == ["typed"] * 3
        assert sqlite3.connect(tmp_path / "desk.db").execute("select 1").fetchall()


async def test_a_model_that_is_out_is_replaced_within_a_tool_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with front_desk(tmp_path, monkeypatch) as stack:
        inject_fault(stack.sandbox, "anthropic", "overloaded", model="claude-haiku-5-5")
        inject_fault(stack.sandbox, "anthropic", "cut", after=2, count=2)
        record = await type_all(stack, *BOOKS, "yes")
        assert len(bookings(tmp_path)) == 1, replies(record)


async def test_the_sample_call_books_a_room_that_can_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with front_desk(tmp_path, monkeypatch, profile="measured") as stack:
        record = await stack.call([Speak(clip(f"room_0{number}")) for number in range(1, 7)])
        assert [row[1:] for row in bookings(tmp_path)] == [
            ("Harbour Street", "tomorrow", "2:30 PM", "an hour", 7, 0)
        ], replies(record)
        assert record.end_reason == "completed", "it says goodbye itself"
        await stack.quiet()
        text = await stack.metrics()
        assert sample(text, "voice_agent_tool_turn_latency_seconds_count") >= 3
    tool_turns = [turn for turn in record.turns if "tool" in turn.stages]
    assert tool_turns
    for turn in tool_turns:
        total = sum(value for value in turn.stages.values() if value is not None)
        assert turn.server_voice_to_voice_ms == pytest.approx(total, abs=1.0)


async def test_an_unknown_agent_is_a_problem_document() -> None:
    async with running_stack() as stack, httpx.AsyncClient() as client:
        answer = await client.post(f"{stack.url}/v1/sessions", json={"agent": "nobody"})
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("application/problem+json")
        assert "takes one of receptionist" in answer.json()["detail"]
        fine = await client.post(f"{stack.url}/v1/sessions", json={"agent": "receptionist", "variables": {}})
        assert fine.status_code == 201
