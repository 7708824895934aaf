"""What a release says to its PostgreSQL in one call, recorded; a later release's schema has to take it, too.

`python -m tests.support.release_statements URL FILE` records this release on an empty database. It is done before the
schema is changed: replicas of the release before go on writing while the newer ones start.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import event

from agent.core.calls import Fallback
from agent.ledger.policy_store import SqlPolicyStore
from agent.telemetry.events import FellBack, SessionStarted, TurnFinished
from tests.support.factories import ended, finished, said, session, thought, turn
from tests.support.ledger_setup import LedgerSetup

CALL = "call-of-the-release-before"
Said = tuple[str, list[list[Any]]]


async def record(url: str) -> list[Said]:
    """Statements with all their rows of values, in the order in which they were said."""
    setup = LedgerSetup(url)
    heard: list[Said] = []

    def hears(_connection: Any, _cursor: Any, statement: str, values: Any, _context: Any, many: bool) -> None:
        heard.append((statement, [list(row) for row in (values if many else [values])]))

    async with setup.ledger as ledger:
        await ledger.migrated.wait()
        event.listen(ledger.engine.sync_engine, "before_cursor_execute", hears)
        who = session(CALL)
        setup.sinks.handle(SessionStarted(who))
        assert await ledger.flush(20)
        ledger.record_memory(CALL, 0, b'{"kind": "heard", "text": "a table for two"}')
        for done in (thought(), said()):
            setup.sinks.handle(finished(who, done))
        setup.sinks.handle(FellBack(who, Fallback("tts", "elevenlabs", "deepgram", "timeout", 100.0)))
        setup.sinks.handle(TurnFinished(who, turn(1)))
        assert await ledger.flush(20)
        await ledger.memory_events(CALL)
        await ledger.session_cost(CALL)
        await SqlPolicyStore(ledger.engine, ledger.migrated).current()
        await _look(setup)
        setup.sinks.handle(ended(who))
        assert await ledger.flush(20)
    return heard


async def _look(setup: LedgerSetup) -> None:
    """As its owner does."""
    try:
        from agent.ledger.owners import LiveSessions, SessionOwners
    except ImportError:  # a release before there were any
        return
    lost: list[str] = []
    live = LiveSessions(lambda: {CALL: 1}, lambda name, _: lost.append(name), lambda crashed: lost.append(crashed.tier))
    await SessionOwners(setup.ledger, 0.0).look(live)
    assert lost == []


def recorded(file: Path) -> list[Said]:
    """What `main` has written."""
    told = json.loads(file.read_text())
    return [(statement, [[_value(one) for one in row] for row in rows]) for statement, rows in told]


def _value(value: Any) -> Any:
    match value:
        case {"time": str(text)}:
            return datetime.fromisoformat(text)
        case {"id": str(text)}:
            return UUID(text)
        case _:
            return value


def _plain(value: object) -> dict[str, str]:
    if isinstance(value, datetime):
        return {"time": value.isoformat()}
    if isinstance(value, UUID):
        return {"id": str(value)}
    raise TypeError(type(value))


def main(arguments: Sequence[str]) -> None:
    """Records and writes."""
    url, file = arguments
    Path(file).write_text(json.dumps(asyncio.run(record(url)), default=_plain, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
