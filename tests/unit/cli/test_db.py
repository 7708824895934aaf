"""`voice-agent db`: what is there, and back to an older schema where that loses nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from agent.billing.pricing import utc_now
from agent.cli.db import db
from agent.core.errors import ConfigurationError
from agent.ledger.database import create_engine, revision, revisions
from agent.ledger.tables import sessions
from agent.telemetry.events import SessionStarted, TurnFinished
from tests.support.factories import session, turn
from tests.support.ledger_setup import open_setup


def run(*arguments: str) -> Result:
    return CliRunner().invoke(db, list(arguments))


@pytest.fixture
def url(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("VOICE_AGENT_DATABASE_URL", database_url)
    return database_url


def begin_a_call(url: str) -> None:
    async def begin() -> None:
        async with open_setup(url) as stack:
            stack.sinks.handle(SessionStarted(session()))
            stack.sinks.handle(TurnFinished(session(), turn(1)))
            assert await stack.ledger.flush(20)

    asyncio.run(begin())


def test_the_status_says_what_is_there_and_who_has_calls(url: str) -> None:
    begin_a_call(url)
    said = run("status").output
    assert f"schema       {revisions()[-1]} (up to date)" in said
    assert "processes    1 with 1 open sessions" in said
    assert "turns                 1" in said


def test_a_schema_goes_back_one_step_and_up_again_when_no_call_is_open(url: str) -> None:
    begin_a_call(url)
    refused = run("downgrade", "0004")
    assert isinstance(refused.exception, ConfigurationError) and "1 sessions are open" in str(refused.exception)
    asyncio.run(_let_leases_end(url))
    assert "at revision 0004" in run("downgrade", "0004").output
    assert asyncio.run(_revision(url)) == "0004"
    assert "(this release has 0007: voice-agent db upgrade)" in run("status").output
    assert "at revision 0007" in run("upgrade").output
    assert "turns                 1" in run("status").output


def test_what_would_lose_the_memory_of_who_was_forgotten_is_refused(url: str) -> None:
    begin_a_call(url)
    asyncio.run(_let_leases_end(url))
    refused = run("downgrade", "0002")
    assert "forgotten and revoked" in str(refused.exception)
    for to in ("0007", "0009", "nonsense"):
        assert "TO takes one of 0001, 0002, 0003, 0004" in str(run("downgrade", to).exception)
    assert asyncio.run(_revision(url)) == "0007"


async def _let_leases_end(url: str) -> None:
    engine = create_engine(url)
    async with engine.begin() as connection:
        await connection.execute(update(sessions).values(lease_until=utc_now() - timedelta(seconds=1)))
    await engine.dispose()


async def _revision(url: str) -> str | None:
    engine = create_engine(url)
    try:
        return await revision(engine)
    finally:
        await engine.dispose()
