"""A schema that changes while replicas of the release before go on writing, or are started again."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text

from agent.ledger import database
from agent.ledger.database import create_engine, downgrade, migrate, revisions
from agent.ledger.owners import LiveSessions, SessionOwners
from agent.ledger.session_history import SessionHistory
from agent.ledger.tables import sessions, turns
from agent.telemetry.events import SessionStarted, TurnFinished
from tests.support.databases import PostgresServer
from tests.support.factories import session, turn
from tests.support.ledger_setup import LedgerSetup, open_setup
from tests.support.release_statements import CALL, recorded

RELEASES = sorted(Path(__file__).parents[2].joinpath("support", "releases").glob("*.json"))


@pytest.mark.parametrize("file", RELEASES, ids=lambda file: file.stem)
async def test_what_an_older_release_says_is_stored_and_its_session_can_be_taken(
    postgres: PostgresServer, file: Path
) -> None:
    url = postgres.new_database()
    async with open_setup(url) as newer:
        await newer.ledger.migrated.wait()
        for statement, rows in recorded(file):
            async with newer.ledger.engine.begin() as connection:
                for row in rows:
                    await connection.exec_driver_sql(statement, tuple(row))
        stored: Counter[str] = Counter()
        async with newer.ledger.engine.connect() as connection:
            for table in ("sessions", "turns", "charges", "fallbacks", "memory_events"):
                stored[table] = (await connection.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one()
            await connection.execute(text("UPDATE sessions SET outcome = NULL, ended_at = NULL"))
            await connection.commit()
        assert stored == {"sessions": 1, "turns": 1, "charges": 4, "fallbacks": 1, "memory_events": 1}
        owners = SessionOwners(newer.ledger, 0.0)
        past = await SessionHistory(newer.ledger, owners).past(CALL, take_over=True)
        assert past is not None
        assert (past.turns, past.over, len(past.events)) == (1, False, 1)
        lost: list[str] = []
        live = LiveSessions(lambda: {CALL: past.generation}, lambda name, _: lost.append(name), lambda _: None)
        await owners.look(live)
        assert lost == []


async def test_the_statements_of_every_revision_before_this_one_are_recorded_from_owners_on() -> None:
    known = {file.stem for file in RELEASES}
    assert set(revisions()[3:-1]) <= known, "record them with tests/support/release_statements.py"


async def test_a_release_whose_schema_has_grown_since_starts_and_writes(database_url: str) -> None:
    engine = create_engine(database_url)
    await migrate(engine)
    async with engine.begin() as connection:
        await connection.execute(text("ALTER TABLE turns ADD COLUMN of_the_next_release VARCHAR"))
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()
    async with open_setup(database_url) as setup:
        setup.sinks.handle(SessionStarted(session()))
        setup.sinks.handle(TurnFinished(session(), turn(1)))
        assert await setup.ledger.flush(20)
        assert [row["turn"] for row in await setup.rows(turns)] == [1]
        assert await setup.ledger.migrate() == "9999"


async def test_a_migration_that_waits_for_a_table_keeps_nobody_from_writing(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_STEP_LOCK_MS", 100)
    monkeypatch.setattr(database, "_STEP_PAUSE_S", 0.3)
    url = postgres.new_database()
    setup = LedgerSetup(url)
    async with setup.ledger:
        await setup.ledger.migrated.wait()
        await downgrade(setup.ledger.engine, revisions()[-2])
        report = await asyncpg.connect(url)
        reading = report.transaction()
        await reading.start()
        await report.fetch("SELECT count(*) FROM sessions")  # holds the table for as long as it takes
        upgrade = asyncio.create_task(migrate(setup.ledger.engine))
        older = await asyncpg.connect(url)
        slowest = 0.0
        for number in range(30):  # of the release before, through several tries
            began = asyncio.get_running_loop().time()
            await older.execute(
                "INSERT INTO sessions (id, subject, tier, policy, policy_version, started_at, turns, slow_turns,"
                " cost_nano_usd) VALUES ($1, 'ada', 'free', 'standard', 1, now(), 0, 0, 0)",
                f"call-{number}",
            )
            slowest = max(slowest, asyncio.get_running_loop().time() - began)
            await asyncio.sleep(0.02)
        assert not upgrade.done()
        assert slowest < 2, "a writer waits for one try, not for the report"
        await reading.rollback()
        assert await upgrade == revisions()[-1]
        await older.close()
        await report.close()
        assert await setup.count(sessions) == 30


async def test_a_table_that_stays_in_use_is_told(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_STEP_LOCK_MS", 20)
    monkeypatch.setattr(database, "_STEP_PAUSE_S", 0.01)
    monkeypatch.setattr(database, "_STEPS", 3)
    url = postgres.new_database()
    engine = create_engine(url)
    await migrate(engine)
    await downgrade(engine, revisions()[-2])
    report = await asyncpg.connect(url)
    async with report.transaction():
        await report.fetch("SELECT count(*) FROM sessions")
        with pytest.raises(Exception, match="lock timeout"):
            await migrate(engine)
    assert await migrate(engine) == revisions()[-1]
    await report.close()
    await engine.dispose()
