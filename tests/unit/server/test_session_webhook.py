"""The webhook of finished sessions: told once at least, signed, and never of who was forgotten."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from sqlalchemy import update

from agent.billing.pricing import utc_now
from agent.core.webhook_signature import HEADER, verify
from agent.ledger import outbox
from agent.ledger.owners import LiveSessions, SessionOwners
from agent.ledger.retention import forget
from agent.ledger.tables import sessions, tool_events, webhook_deliveries
from agent.reports.call_record import CallHistory
from agent.server.session_webhook import (
    PrivateAddressError,
    SessionWebhook,
    WebhookTarget,
    _address,  # pyright: ignore[reportPrivateUsage]
)
from agent.telemetry.events import SessionInfo, SessionStarted
from tests.support.factories import ended, finished, said, session
from tests.support.ledger_setup import LedgerSetup, open_setup
from tests.support.receivers import Receiver, receiver

SECRET: Final = "d41c94bb0ef38a7755c12a6be9f1077c"
WORDS: Final = "I would like a room on Friday"


def sqlite(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


def target(found: Receiver, **changes: Any) -> WebhookTarget:
    return WebhookTarget(f"{found.url}/hook?key=1", SECRET, **{"transcript": True, "private": True, **changes})


def webhook(setup: LedgerSetup, found: Receiver, summarise: Any = None, **changes: Any) -> SessionWebhook:
    return SessionWebhook(target(found, **changes), setup.ledger, setup.metrics, summarise)


async def a_call(setup: LedgerSetup, name: str = "s1", **who: Any) -> SessionInfo:
    """One that was talked in, in which a tool was used, and that is over."""
    info = replace(session(name, **who), agent="hotel", agent_version=3)
    setup.sinks.handle(SessionStarted(info))
    setup.sinks.handle(finished(info, said()))
    setup.ledger.record_memory(name, 0, json.dumps({"kind": "heard", "text": WORDS}).encode())
    setup.ledger.record_memory(name, 1, b'{"kind": "answered", "text": "It is booked.", "interrupted": true}')
    tool = {"kind": "returned", "turn": 1, "name": "book", "arguments": "{}", "content": "{}", "ok": True}
    setup.ledger.record_tool(name, 0, json.dumps(tool).encode())
    setup.ledger.record_tool(name, 1, json.dumps(tool | {"ok": False}).encode())
    setup.sinks.handle(ended(info))
    assert await setup.ledger.flush(20)
    return info


async def test_an_older_session_has_no_agent(tmp_path: Path) -> None:
    async with hooked(sqlite(tmp_path)) as setup:
        await a_call(setup)
        async with setup.ledger.engine.begin() as connection:
            await connection.execute(update(sessions).values(agent=None, agent_version=None))
        with receiver() as found:
            await look(webhook(setup, found), setup)
        (_, body), *_ = found.posts
    told = json.loads(body)["session"]
    assert (told["agent"], told["agent_version"]) == (None, None)


async def make_due(setup: LedgerSetup) -> None:
    async with setup.ledger.engine.begin() as connection:
        w = webhook_deliveries.c
        await connection.execute(
            update(webhook_deliveries).where(w.next_at.is_not(None)).values(next_at=utc_now() - timedelta(seconds=1))
        )


async def look(hook: SessionWebhook, setup: LedgerSetup) -> None:
    await make_due(setup)
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False) as client:
        await hook.look(client)


async def states(setup: LedgerSetup) -> list[tuple[str, int]]:
    return [(row["state"], row["attempts"]) for row in await setup.rows(webhook_deliveries)]


@asynccontextmanager
async def hooked(url: str, **options: Any) -> AsyncGenerator[LedgerSetup]:
    async with open_setup(url, outbox=True, **options) as setup:
        yield setup


async def test_a_finished_session_is_told_once_and_signed(database_url: str) -> None:
    async with hooked(database_url) as setup:
        await a_call(setup)
        with receiver() as found:
            hook = webhook(setup, found)
            await look(hook, setup)
            await look(hook, setup)
            ((path, body),), (headers,) = found.posts, found.headers
        assert path == "/hook?key=1"
        assert headers["voice-agent-delivery"] == "s1.1"
        assert headers["host"] == found.url.removeprefix("http://")
        assert verify(SECRET, body, headers[HEADER], time.time())
        assert not verify(SECRET, body + b" ", headers[HEADER], time.time())
        event = json.loads(body)
        assert (event["id"], event["type"]) == ("s1.1", "session.ended")
        assert event["session"]["outcome"] == "completed"
        assert event["session"]["subject"] == "ada"
        assert (event["session"]["agent"], event["session"]["agent_version"]) == ("hotel", 3)
        assert event["cost"]["usd"] > 0
        assert sum(event["cost"]["by_service"].values()) == pytest.approx(event["cost"]["usd"])
        assert event["tools"] == [{"name": "book", "calls": 2, "failed": 1}]
        assert [(one["speaker"], one["text"]) for one in event["transcript"]] == [
            ("caller", WORDS),
            ("agent", "It is booked."),
        ]
        assert event["summary"] is None
        assert await states(setup) == [("delivered", 1)]
        assert setup.sample("webhook_attempts_total", result="delivered") == 1


async def test_words_are_sent_only_where_that_is_allowed(tmp_path: Path) -> None:
    async with hooked(sqlite(tmp_path)) as setup:
        await a_call(setup)
        with receiver() as found:
            await look(webhook(setup, found, transcript=False), setup)
        assert WORDS.encode() not in found.posts[0][1]
        assert json.loads(found.posts[0][1])["transcript"] is None


async def test_without_a_webhook_nothing_is_kept(tmp_path: Path) -> None:
    async with open_setup(sqlite(tmp_path)) as setup:
        await a_call(setup)
        assert await states(setup) == []


@pytest.mark.parametrize("status", [500, 302, 404, 429])
async def test_what_is_refused_is_told_again_with_the_same_id(tmp_path: Path, status: int) -> None:
    async with hooked(sqlite(tmp_path)) as setup:
        await a_call(setup)
        with receiver() as found:
            found.status, found.answers_with = status, {"location": f"{found.url}/elsewhere"}
            hook = webhook(setup, found)
            await look(hook, setup)
            assert await states(setup) == [("waiting", 1)]
            (row,) = await setup.rows(webhook_deliveries)
            assert row["next_at"] > utc_now() + timedelta(seconds=5)
            assert setup.sample("webhook_waiting") == 1
            found.status, found.answers_with = 204, {}
            await look(hook, setup)
        assert [path for path, _ in found.posts] == ["/hook?key=1"] * 2, "no redirect is followed"
        assert [head["voice-agent-delivery"] for head in found.headers] == ["s1.1", "s1.1"]
        assert [head["voice-agent-attempt"] for head in found.headers] == ["1", "2"]
        assert await states(setup) == [("delivered", 2)]
        assert setup.sample("webhook_attempts_total", result="refused") == 1
        assert setup.sample("webhook_waiting") == 0


async def test_a_receiver_that_is_gone_is_given_up_and_counted(tmp_path: Path) -> None:
    async with hooked(sqlite(tmp_path)) as setup:
        await a_call(setup)
        with receiver() as found:
            nobody = found
        hook = webhook(setup, nobody)
        for _ in range(outbox.MOST_ATTEMPTS + 2):
            await look(hook, setup)
        assert await states(setup) == [("given_up", outbox.MOST_ATTEMPTS)]
        assert setup.sample("webhook_attempts_total", result="unreachable") == outbox.MOST_ATTEMPTS - 1
        assert setup.sample("webhook_attempts_total", result="gave_up") == 1


def test_the_waits_grow_to_hours_and_end_after_days() -> None:
    waits = [outbox.wait_after(number) for number in range(1, outbox.MOST_ATTEMPTS)]
    assert waits == sorted(waits)
    assert waits[0] == timedelta(seconds=10)
    assert waits[-1] == timedelta(hours=6)
    assert timedelta(days=1) < sum(waits, timedelta()) < timedelta(days=3)


async def test_a_restart_loses_none_and_a_kill_after_the_post_tells_it_again(database_url: str) -> None:
    async with hooked(database_url) as setup:
        await a_call(setup)
    async with hooked(database_url) as setup:
        await make_due(setup)
        (taken,) = await outbox.take_due(setup.ledger.engine)  # by a process that is killed before it notes its success
        assert taken.id == "s1.1"
        assert await outbox.take_due(setup.ledger.engine) == [], "it is held"
    async with hooked(database_url) as setup:
        with receiver() as found:
            await look(webhook(setup, found), setup)
        assert found.headers[0]["voice-agent-delivery"] == "s1.1"
        assert await states(setup) == [("delivered", 2)]


async def test_two_processes_share_what_is_due(database_url: str) -> None:
    async with hooked(database_url) as one, hooked(database_url) as other:
        for number in range(12):
            await a_call(one, f"s{number}")
        await make_due(one)
        taken = await asyncio.gather(*(outbox.take_due(setup.ledger.engine, 4) for setup in (one, other, one, other)))
        ids = [one.id for batch in taken for one in batch]
        assert len(ids) == len(set(ids))
        assert len(ids) <= 12


async def test_who_is_forgotten_is_told_to_nobody(database_url: str) -> None:
    async with hooked(database_url) as setup:
        await a_call(setup, "s1")
        await a_call(setup, "s2", subject="bob")
        await forget(setup.ledger.engine, "ada")
        with receiver() as found:
            await look(webhook(setup, found), setup)
        assert [head["voice-agent-delivery"] for head in found.headers] == ["s2.1"]
        assert [row["session_id"] for row in await setup.rows(webhook_deliveries)] == ["s2"]


async def test_a_session_that_went_on_is_told_when_it_is_over(tmp_path: Path) -> None:
    async with hooked(sqlite(tmp_path)) as setup:
        await a_call(setup)
        async with setup.ledger.engine.begin() as connection:
            await connection.execute(update(sessions).values(ended_at=None, outcome=None, generation=2))
        with receiver() as found:
            await look(webhook(setup, found), setup)
        assert found.posts == []
        assert await states(setup) == [("superseded", 1)]


async def test_a_session_whose_process_is_gone_is_told_as_crashed(database_url: str) -> None:
    async with hooked(database_url, lease_s=0.6) as setup:
        setup.sinks.handle(SessionStarted(session("s1")))
        assert await setup.ledger.flush(20)
        owners = SessionOwners(setup.ledger, 0.0)
        live = LiveSessions(dict, lambda _name, _outcome: None, lambda _one: None)
        async with asyncio.timeout(20):
            while not await setup.rows(webhook_deliveries):
                await owners.look(live)
                await asyncio.sleep(0.02)
        with receiver() as found:
            await look(webhook(setup, found), setup)
        assert json.loads(found.posts[0][1])["session"]["outcome"] == "crashed"


async def test_a_summary_is_paid_for_once(tmp_path: Path) -> None:
    asked: list[CallHistory] = []

    async def summarise(history: CallHistory) -> str:
        asked.append(history)
        return "The caller wanted a room."

    async with hooked(sqlite(tmp_path)) as setup:
        await a_call(setup)
        with receiver() as found:
            found.status = 503
            await look(webhook(setup, found, summarise), setup)
            await look(webhook(setup, found, summarise), setup)
        assert len(asked) == 1
        assert [json.loads(body)["summary"] for _, body in found.posts] == ["The caller wanted a room."] * 2


async def test_a_private_address_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    urls = ("https://127.0.0.1/x", "https://10.0.0.1/x", "https://[::1]/x", "https://169.254.169.254/latest")
    async with hooked(sqlite(tmp_path)) as setup:
        await a_call(setup)
        for number, url in enumerate(urls, 1):
            hook = SessionWebhook(WebhookTarget(url, SECRET, False, False), setup.ledger, setup.metrics)
            await look(hook, setup)
            assert await states(setup) == [("waiting", number)]
            assert setup.sample("webhook_attempts_total", result="unreachable") == number
            assert SECRET not in repr(WebhookTarget(url, SECRET, False, False))


async def test_what_waits_is_shown_while_much_is_told(tmp_path: Path) -> None:
    shown: list[float] = []
    async with hooked(sqlite(tmp_path)) as setup:
        for number in range(5):
            await a_call(setup, f"s{number}")

        async def summarise(history: CallHistory) -> str:
            shown.append(setup.sample("webhook_waiting"))
            return "A room was booked."

        with receiver() as found:
            found.status = 503
            await look(webhook(setup, found, summarise), setup)
    assert shown == [5.0] * 5, "the loop goes on as long as something is due"


async def test_a_damaged_row_holds_up_no_other_and_is_given_up(tmp_path: Path) -> None:
    async with hooked(sqlite(tmp_path)) as setup:
        await a_call(setup, "damaged")
        await a_call(setup, "s2")
        async with setup.ledger.engine.begin() as connection:
            t = tool_events.c
            await connection.execute(
                update(tool_events).where(t.session_id == "damaged").values(event={"kind": "returned", "turn": "two"})
            )
        with receiver() as found:
            hook = webhook(setup, found)
            for _ in range(outbox.MOST_ATTEMPTS):
                await look(hook, setup)
            assert [json.loads(body)["session"]["id"] for _, body in found.posts] == ["s2"]
        assert setup.sample("webhook_attempts_total", result="unreadable") == outbox.MOST_ATTEMPTS - 1
        assert setup.sample("webhook_attempts_total", result="gave_up") == 1
        assert setup.sample("webhook_waiting") == 0


@pytest.mark.parametrize("address", ["64:ff9b::7f00:1", "2002:7f00:1::", "224.0.0.1"])
async def test_no_private_address_hides_in_another(address: str) -> None:
    with pytest.raises(PrivateAddressError):
        await _address(address, 443, private=False)


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0"])
async def test_metadata_of_a_cloud_is_never_asked(address: str) -> None:
    with pytest.raises(PrivateAddressError):
        await _address(address, 443, private=True)
