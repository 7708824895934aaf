"""One process has a session: taking it, losing it, writing without having it, and processes that are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from agent.billing.pricing import utc_now
from agent.core.clock import now
from agent.core.resumed_state import ResumedState
from agent.ledger import owners as owners_module
from agent.ledger.ledger import Ledger
from agent.ledger.owners import Crashed, LiveSessions, SessionOwners
from agent.ledger.session_history import SessionHistory
from agent.ledger.sink import LedgerSink
from agent.ledger.tables import charges, memory_events, sessions, turns
from agent.telemetry.events import SessionEnded, SessionInfo, SessionOutcome, SessionStarted, TurnFinished
from tests.support.databases import PostgresServer
from tests.support.factories import ended, finished, session, thought, turn
from tests.support.ledger_setup import LedgerSetup

LEASE_S = 1.2


@dataclass
class Replica:
    """One process with its sessions; nobody looks unless the test does."""

    setup: LedgerSetup
    grace_s: float = 0.0
    open: dict[str, int] = field(default_factory=dict[str, int])
    lost: list[tuple[str, SessionOutcome]] = field(default_factory=list[tuple[str, SessionOutcome]])
    crashed: list[Crashed] = field(default_factory=list[Crashed])

    def __post_init__(self) -> None:
        self.ledger = self.setup.ledger
        self.sink = LedgerSink(self.ledger)
        self.owners = SessionOwners(self.ledger, self.grace_s)
        self.history = SessionHistory(self.ledger, self.owners)
        self.live = LiveSessions(lambda: self.open, self._lose, self.crashed.append)

    def _lose(self, session_id: str, outcome: SessionOutcome) -> None:
        self.open.pop(session_id)
        self.lost.append((session_id, outcome))

    async def begins(self, who: SessionInfo) -> None:
        self.open[who.session_id] = who.generation
        self.sink.handle(SessionStarted(who))
        assert await self.ledger.flush(20)

    async def takes(self, session_id: str) -> ResumedState:
        past = await self.history.past(session_id, take_over=True)
        assert past is not None
        if not past.over:
            self.open[session_id] = past.generation
        return past

    async def look(self) -> None:
        await self.owners.look(self.live)

    def fenced(self, table: str) -> float:
        return self.setup.sample("ledger_fenced_total", table=table)


@asynccontextmanager
async def replica(url: str, **options: Any) -> AsyncGenerator[Replica]:
    setup = LedgerSetup(url, lease_s=LEASE_S)
    async with setup.ledger:
        await setup.ledger.migrated.wait()
        yield Replica(setup, **options)


async def test_an_owner_that_was_replaced_stores_nothing_more_and_learns_it_at_its_next_look(database_url: str) -> None:
    who = session("call-0001")
    async with replica(database_url) as one, replica(database_url) as other:
        await one.begins(who)
        one.sink.handle(TurnFinished(who, turn(1)))
        one.ledger.record_memory("call-0001", 0, b'{"kind": "heard", "text": "one"}')
        assert await one.ledger.flush(20)
        await one.look()
        past = await other.takes("call-0001")
        assert (past.turns, past.generation, len(past.events)) == (1, 2, 1)

        one.sink.handle(TurnFinished(who, turn(2)))
        one.ledger.record_memory("call-0001", 1, b'{"kind": "heard", "text": "from the old owner"}')
        one.setup.money.handle(finished(who, thought(), turn=2))
        one.sink.handle(ended(who))
        assert await one.ledger.flush(20)
        newer = replace(who, generation=past.generation)
        other.sink.handle(TurnFinished(newer, turn(2)))
        assert await other.ledger.flush(20)

        assert {name: one.fenced(name) for name in ("turns", "memory_events", "sessions")} == {
            "turns": 1, "memory_events": 1, "sessions": 1,
        }  # fmt: skip
        assert other.fenced("turns") == 0
        assert one.setup.sample("ledger_dropped_total", table="turns") == 0, "nobody is paged for it"
        assert len(await other.setup.rows(memory_events)) == 1
        assert [row["turn"] for row in await other.setup.rows(turns)] == [1, 2]
        assert await other.setup.rows(charges), "what was paid is kept, whoever paid it"
        [row] = await other.setup.rows(sessions)
        assert (row["owner"], row["ended_at"], row["outcome"]) == (other.ledger.owner, None, None)

        await one.look()
        assert one.lost == [("call-0001", SessionOutcome.MOVED)]
        await other.look()
        assert other.lost == []


async def test_whoever_takes_a_session_last_has_it(database_url: str) -> None:
    async with replica(database_url) as one, replica(database_url) as other:
        await one.begins(session("call-0001"))
        taken = await asyncio.gather(*(each.takes("call-0001") for each in (one, other, one, other)))
        generations = [past.generation for past in taken]
        assert sorted(generations) == [2, 3, 4, 5]
        [row] = await one.setup.rows(sessions)
        last = (one, other)[generations.index(5) % 2]
        assert (row["owner"], row["generation"]) == (last.ledger.owner, 5)


async def test_a_caller_who_comes_back_is_not_given_what_another_process_has(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    async with replica(url) as one, replica(url) as other:
        await one.begins(session("call-0001"))
        assert await one.history.holds("call-0001", 1)
        await other.takes("call-0001")
        assert not await one.history.holds("call-0001", 1)
        assert await other.history.holds("call-0001", 2)
        assert await one.history.holds("call-0002", 1), "a session that is not stored yet has nobody else"


async def test_without_its_database_a_process_gives_sessions_back_until_its_lease_ends(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()
    async with replica(url) as one:
        await one.begins(session("call-0001"))
        await one.begins(session("call-0002"))
        del one.open["call-0002"]
        await one.look()
        renewed_at = now()
        await asyncio.to_thread(postgres.stop)
        try:
            assert await one.history.holds("call-0001", 1)
            assert await one.history.holds("call-0002", 1) is None, "it was never renewed here"
            one.sink.handle(SessionStarted(session("call-0003")))
            assert await one.history.holds("call-0003", 1), "nobody else has ever heard of it"
            await asyncio.sleep(max(0.0, renewed_at + LEASE_S - now()))
            assert await one.history.holds("call-0001", 1) is None, "another process may have it by now"
        finally:
            await asyncio.to_thread(postgres.start)
        await one.look()
        assert one.lost == [], "nobody took it meanwhile: it goes on"
        assert await one.history.holds("call-0001", 1)
        one.sink.handle(ended(session("call-0003")))
        assert not one.ledger.unknown_elsewhere("call-0003")


async def test_a_subject_has_one_live_session_in_all_processes_the_one_that_was_opened_last(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()
    async with replica(url) as one, replica(url) as other, replica(url) as third:
        await one.begins(session("call-0001", subject="ada"))
        await one.begins(session("call-0002", subject="bob"))
        await one.look()
        await other.begins(session("call-0003", subject="ada"))
        await other.look()
        await one.look()
        assert (one.lost, other.lost) == ([("call-0001", SessionOutcome.REPLACED)], [])
        one.sink.handle(TurnFinished(session("call-0001", subject="ada"), turn(1)))
        assert await one.ledger.flush(20)
        assert one.fenced("turns") == 0, "it ends by itself, and what was finished is kept"

        await third.takes("call-0001")  # its client comes back: the older session is the newer call
        await third.look()
        await other.look()
        assert (other.lost, third.lost) == ([("call-0003", SessionOutcome.REPLACED)], [])


async def test_a_newer_session_that_has_ended_or_whose_process_is_gone_replaces_nothing(
    postgres: PostgresServer,
) -> None:
    url = postgres.new_database()
    async with replica(url) as one, replica(url) as other:
        await one.begins(session("call-0001", subject="ada"))
        await one.begins(session("call-0002", subject="bob"))
        await other.begins(session("call-0003", subject="ada"))
        other.sink.handle(SessionEnded(session("call-0003", subject="ada"), SessionOutcome.COMPLETED, 1.0, 0, 0))
        await other.begins(session("call-0004", subject="bob"))
        async with one.ledger.engine.begin() as connection:
            gone = {"lease_until": utc_now() - timedelta(seconds=1)}
            await connection.execute(update(sessions).where(sessions.c.id == "call-0004").values(gone))
        await one.look()
        assert one.lost == []


async def test_a_session_whose_process_is_gone_ends_as_crashed_and_can_still_be_resumed(database_url: str) -> None:
    who = session("call-0001")
    async with replica(database_url) as gone, replica(database_url) as other:
        await gone.begins(who)
        await gone.begins(session("call-0002"))
        gone.sink.handle(TurnFinished(who, turn(1)))
        gone.sink.handle(SessionEnded(session("call-0002"), SessionOutcome.COMPLETED, 1.0, 0, 0))
        assert await gone.ledger.flush(20)
        await gone.look()
        async with asyncio.timeout(20):
            while not other.crashed:
                await other.look()
                await asyncio.sleep(0.05)
        assert other.crashed == [Crashed("premium", who.policy)]
        first, second = await other.setup.rows(sessions)
        assert (first["outcome"], first["turns"]) == ("crashed", 1) and first["ended_at"] is not None
        assert second["outcome"] == "completed"

        await gone.look()  # it was only suspended
        assert gone.lost == [("call-0001", SessionOutcome.CRASHED)]
        gone.sink.handle(TurnFinished(who, turn(2)))
        assert await gone.ledger.flush(20)
        assert gone.fenced("turns") == 1

        past = await other.takes("call-0001")
        assert (past.over, past.turns, past.generation) == (False, 1, 3)
        [first, _] = await other.setup.rows(sessions)
        assert first["outcome"] is None, "it is open again"


async def test_who_was_away_himself_calls_nobody_lost(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [100.0]
    monkeypatch.setattr(owners_module, "now", lambda: times[0])
    async with replica(database_url) as gone, replica(database_url) as other:
        await gone.begins(session("call-0001"))
        async with other.ledger.engine.begin() as connection:
            await connection.execute(update(sessions).values(lease_until=utc_now() - timedelta(seconds=9)))
        for at in (100.0, 100.1):
            times[0] = at
            await other.look()
        times[0] = 100.1 + 20 * LEASE_S  # suspended, or without the database
        await other.look()
        assert other.crashed == []
        while times[0] < 100.2 + 21 * LEASE_S:
            times[0] += LEASE_S / 8
            await other.look()
        assert len(other.crashed) == 1


async def test_the_grace_time_of_a_caller_begins_when_the_lease_has_ended(database_url: str) -> None:
    async with replica(database_url) as gone, replica(database_url, grace_s=600) as other:
        await gone.begins(session("call-0001"))
        began = now()
        while now() < began + 2.5 * LEASE_S:
            await other.look()
            await asyncio.sleep(0.1)
        assert other.crashed == []


@pytest.mark.parametrize(
    ("events", "turn_over", "cut_off"),
    [
        ([("heard", "a table"), ("answered", "yes")], True, None),
        ([("heard", "a table")], False, "a table"),
        ([("heard", "a table")], True, None),  # its turn is over, what was heard of it was not stored
        ([("heard", "a table"), ("answered", "yes"), ("heard", "for two")], True, "for two"),
        ([], False, None),
    ],
)
async def test_what_was_not_answered_when_the_process_was_lost_is_answered_again(
    tmp_path: Any, events: list[tuple[str, str]], turn_over: bool, cut_off: str | None
) -> None:
    who, at = session("call-0001"), [utc_now()]

    def clock() -> Any:
        at[0] += timedelta(milliseconds=1)
        return at[0]

    async with Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", LedgerSetup("sqlite://").metrics, clock=clock) as ledger:
        sink = LedgerSink(ledger, clock)
        sink.handle(SessionStarted(who))
        for seq, (kind, text) in enumerate(events):
            if turn_over and len(events) > 2 and seq == 2:
                sink.handle(TurnFinished(who, turn(1)))
            ledger.record_memory("call-0001", seq, f'{{"kind": "{kind}", "text": "{text}"}}'.encode())
        if turn_over and len(events) <= 2:
            sink.handle(TurnFinished(who, turn(1)))
        assert await ledger.flush(20)
        past = await SessionHistory(ledger, SessionOwners(ledger, 0)).past("call-0001", take_over=True)
        assert past is not None and past.cut_off == cut_off


async def test_whoever_takes_a_session_knows_what_its_tools_did(database_url: str) -> None:
    who = session("call-0001")
    async with replica(database_url) as old, replica(database_url) as new:
        await old.begins(who)
        old.ledger.record_tool("call-0001", 0, b'{"kind": "asked"}')
        old.ledger.record_tool("call-0001", 1, b'{"kind": "heard"}')
        await old.ledger.tools_committed()
        assert (await new.takes("call-0001")).tools == ({"kind": "asked"}, {"kind": "heard"})
        old.ledger.record_tool("call-0001", 2, b'{"kind": "closed"}')
        assert await old.ledger.flush(20)
        assert old.fenced("tool_events") == 1, "who has lost the session writes nothing any more"


async def test_rows_of_a_release_that_knew_no_owners_are_stored_and_taken(database_url: str) -> None:
    who = session("call-0001")
    async with replica(database_url) as old, replica(database_url) as new:
        await old.begins(who)
        async with old.ledger.engine.begin() as connection:
            await connection.execute(update(sessions).values(owner=None, generation=None, lease_until=None))
        old.sink.handle(TurnFinished(who, turn(1)))
        assert await old.ledger.flush(20)
        await old.look()
        assert (old.lost, old.fenced("turns")) == ([], 0)
        assert (await new.takes("call-0001")).generation == 1
