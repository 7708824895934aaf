"""Every sample caller of the talk page, against the front desk as `make run` has it: it finishes what it begins, the
call ends, and what the page says that it shows happens.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import pytest

from agent.api.sample_calls import CALLS, SampleCall
from tests.support.paths import ROOT
from tests.support.stack import Stack, clip, running_stack
from voice_loadtest.records import CallRecord
from voice_loadtest.script import Interrupt, Noise, Speak, Step

pytestmark = pytest.mark.slow  # replies are played at their own speed
BY_NAME = {call.name: call for call in CALLS}
TESTED = {"room", "barge", "earlier", "topics", "billing", "outage", "policies"}


def script_of(call: SampleCall) -> list[Step]:
    """What the page does with a sample call, as the official caller's script."""
    steps: list[Step] = []
    for line in call.lines:
        said = clip(line.clip)
        if line.into_reply_ms is None:
            steps.append(Speak(said))
        elif line.clip.startswith("noise_"):
            steps.append(Noise(said, line.into_reply_ms / 1000))
        else:
            steps.append(Interrupt(said, line.into_reply_ms / 1000))
    return steps


@asynccontextmanager
async def front_desk(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> AsyncGenerator[Stack]:
    monkeypatch.setenv("FRONT_DESK_DB", str(folder / "desk.db"))
    monkeypatch.setenv("FRONT_DESK_DEMO", "1")
    desk = ROOT / "examples" / "front_desk"
    async with running_stack(agents_dir=desk, agent="front_desk", **settings) as stack:
        yield stack


def bookings(folder: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "desk.db") as database:
        return database.execute("select day, time, people, cancelled from bookings").fetchall()


def replies(record: CallRecord) -> list[str]:
    return [turn.reply for turn in record.turns]


def has_finished(record: CallRecord) -> None:
    assert record.all_answered, (record.unanswered, replies(record))
    assert record.errors == []
    assert (record.close_code, record.end_reason) == (1000, "completed")
    assert not replies(record)[-1].rstrip().endswith("?"), "a question that nobody answers is nothing finished"


def test_every_sample_caller_has_a_test_here() -> None:
    assert set(BY_NAME) == TESTED
    assert all(call.shows.endswith(".") and len(call.shows) <= 110 for call in CALLS)


async def test_books_a_room_and_does_so_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call has a diary of its own: what one has booked is free for the next."""
    async with front_desk(tmp_path, monkeypatch) as stack:
        first, again = [await stack.call(script_of(BY_NAME["room"])) for _ in range(2)]
    for record in (first, again):
        has_finished(record)
        assert any("The reference is" in reply for reply in replies(record)), replies(record)
    assert bookings(tmp_path) == [("tomorrow", "2:30 PM", 7, 0)] * 2


async def test_interrupts_and_coughs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with front_desk(tmp_path, monkeypatch) as stack:
        record = await stack.call(script_of(BY_NAME["barge"]))
    has_finished(record)
    [interrupted] = [turn for turn in record.turns if turn.cleared]
    assert interrupted.outcome == "interrupted"
    assert 0 < len(interrupted.heard or "") < len(interrupted.reply), "words stop the reply"
    [resumed] = [turn for turn in record.turns if turn.resumed]
    assert (resumed.finished, resumed.heard) == (True, resumed.reply), "a cough holds it for a moment"
    assert [noise.turns for noise in record.utterances if noise.kind == "noise"] == [[]]
    assert bookings(tmp_path) == [("Thursday", "2:30 PM", 5, 0)]


async def test_means_the_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with front_desk(tmp_path, monkeypatch) as stack:
        record = await stack.call(script_of(BY_NAME["earlier"]))
    has_finished(record)
    said = replies(record)
    assert any("7 people" in reply for reply in said), "the change was made"
    assert any("5 people" in reply for reply in said[4:]), "and taken back"
    assert bookings(tmp_path) == [("tomorrow", "2:30 PM", 5, 0)]


async def test_changes_the_subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with front_desk(tmp_path, monkeypatch) as stack:
        record = await stack.call(script_of(BY_NAME["topics"]))
    has_finished(record)
    assert bookings(tmp_path) == [("Friday", "10 AM", 4, 0)]
    words = " ".join(replies(record))
    for told in ("Invoice 4417 is for", "Sure, back to your bill."):
        assert told in words
    assert any("order" in reply.lower() for reply in replies(record))


async def test_asks_about_a_bill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with front_desk(tmp_path, monkeypatch) as stack:
        record = await stack.call(script_of(BY_NAME["billing"]))
    has_finished(record)
    words = " ".join(replies(record))
    for told in ("Invoice 4417", "entered twice", "three to five working days"):
        assert told in words


@pytest.mark.parametrize("agent", ["front_desk", "receptionist"])
async def test_calls_in_an_outage(agent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with front_desk(tmp_path, monkeypatch) as stack:
        stack.sandbox.world.log.entries.clear()
        record = await call_with(stack, BY_NAME["outage"], agent=agent, policy=BY_NAME["outage"].policies[0])
        seen = [(entry.provider, entry.model, entry.outcome) for entry in stack.sandbox.world.log.entries]
    has_finished(record)
    without_model, without_voice, goodbye = record.turns
    assert without_model.reply == "The small model does not answer this, so I do: the large one."
    assert without_model.model == "haiku", "it was the small model's turn"
    assert without_model.answered_by == "sonnet", "and the large one answered"
    assert without_voice.reply == "This is my other voice because the usual one does not answer."
    refused = [model for provider, model, outcome in seen if (provider, outcome) == ("anthropic", "overloaded")]
    assert set(refused) == {"claude-haiku-5-5"}
    assert len(refused) <= 2, "it was out in that turn alone"
    assert ("anthropic", "claude-sonnet-5-5", "served") in seen
    assert {outcome for provider, _, outcome in seen if provider == "deepgram_tts"} == {"served"}
    assert "refused_by_api" in {outcome for provider, _, outcome in seen if provider == "elevenlabs"}
    assert all(turn.finished for turn in (without_model, without_voice, goodbye))


async def call_with(stack: Stack, call: SampleCall, **asked: str) -> CallRecord:
    """The call in a session that names who or what is to answer."""
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{stack.url}/v1/sessions", json=asked)
    assert answer.status_code == 201, answer.text
    return await stack.call(script_of(call), token=answer.json()["token"])


def heard_after(records: Sequence[CallRecord]) -> list[float]:
    return [median(turn.voice_to_voice_ms or 0.0 for turn in record.turns) for record in records]


async def test_slow_beside_fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with front_desk(tmp_path, monkeypatch, profile="measured") as stack:
        call = BY_NAME["policies"]
        usual, fast = made = [await call_with(stack, call, policy=policy) for policy in call.policies]
    assert (usual.policy, fast.policy) == ("haiku_first", "fast")
    for record in made:
        has_finished(record)
    slow_ms, fast_ms = heard_after(made)
    assert fast_ms < slow_ms, (slow_ms, fast_ms)
