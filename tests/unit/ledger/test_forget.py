"""A caller who is forgotten leaves nothing, on the disk either, and nothing brings it back."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

from agent.billing.pricing import utc_now
from agent.ledger.ledger import Ledger
from agent.ledger.owners import SessionOwners
from agent.ledger.retention import forget, revoke
from agent.ledger.session_history import SessionHistory
from agent.ledger.sink import LedgerSink
from agent.telemetry.events import SessionEnded, SessionOutcome, SessionStarted, TurnFinished
from agent.telemetry.exposition import Metrics
from tests.support.factories import session, turn

WHO = "grace.hopper@example.org"
WORDS = "my card ends with forty two and I live in Arlington"


def on_disk(file: Path, text: str) -> list[str]:
    return [part.name for part in sorted(file.parent.iterdir()) if text.encode() in part.read_bytes()]


async def test_neither_name_nor_words_stay_in_the_file_or_its_log_while_the_service_runs(tmp_path: Path) -> None:
    file = tmp_path / "ledger.db"
    async with Ledger(f"sqlite:///{file}", Metrics()) as ledger:
        sink = LedgerSink(ledger)
        for number in range(40):  # enough for several pages, between those of others
            for subject, words in ((WHO, WORDS), (f"other-{number}", "a room please " * 20)):
                who = session(f"{subject[:5]}-{number:04d}", subject=subject)
                sink.handle(SessionStarted(who))
                ledger.record_memory(who.session_id, 0, f'{{"said": "{words}"}}'.encode())
        assert await ledger.flush(20)
        assert on_disk(file, WHO) and on_disk(file, WORDS)
        counts = await forget(ledger.engine, WHO)
        assert counts["sessions"] == counts["memory_events"] == 40
        assert on_disk(file, WHO) == on_disk(file, WORDS) == []
        sink.handle(SessionStarted(session("after", subject="somebody")))
        assert await ledger.flush(20)  # the service goes on
    assert on_disk(file, WHO) == on_disk(file, WORDS) == []


async def test_rows_that_were_under_way_are_not_stored(database_url: str) -> None:
    async with Ledger(database_url, Metrics()) as ledger:
        await ledger.migrated.wait()
        before = LedgerSink(ledger, clock=lambda: utc_now() - timedelta(seconds=5))
        await forget(ledger.engine, WHO)  # no row of this caller is there yet
        who = session("late-0001", subject=WHO)
        before.handle(SessionStarted(who))
        before.handle(TurnFinished(who, turn()))
        ledger.record_memory("late-0001", 0, b'{"said": "x"}')
        assert await ledger.flush(20)
        assert await ledger.memory_events("late-0001") == []
        past = await SessionHistory(ledger, SessionOwners(ledger, 30)).past("late-0001", take_over=True)
        assert past is not None and past.over
        after = LedgerSink(ledger, clock=lambda: utc_now() + timedelta(seconds=5))
        after.handle(SessionStarted(session("new-00001", subject=WHO)))  # a new call is a new call
        assert await ledger.flush(20)
        new = await SessionHistory(ledger, SessionOwners(ledger, 30)).past("new-00001", take_over=True)
        assert new is not None and not new.over


async def test_an_old_resume_token_brings_nothing_back(database_url: str) -> None:
    metrics = Metrics()
    async with Ledger(database_url, metrics) as ledger:
        sink = LedgerSink(ledger)
        who = session("call-0001", subject=WHO)
        sink.handle(SessionStarted(who))
        ledger.record_memory("call-0001", 0, b'{"said": "x"}')
        assert await ledger.flush(20)
        await forget(ledger.engine, WHO)
        past = await SessionHistory(ledger, SessionOwners(ledger, 30)).past("call-0001", take_over=True)
        assert past is not None and past.over and past.events == ()
        sink.handle(SessionStarted(who))  # somebody goes on all the same
        ledger.record_memory("call-0001", 1, b'{"said": "x"}')
        sink.handle(TurnFinished(who, turn()))
        assert await ledger.flush(20)
        assert await ledger.memory_events("call-0001") == []
        assert lost_rows(metrics) == 0, "nobody is called because a caller was forgotten"
        ledger.record_memory("never-0001", 1, b'{"said": "x"}')
        assert await ledger.flush(20)
        assert lost_rows(metrics) == 1, "what has no session for another reason is lost"


def lost_rows(metrics: Metrics) -> float:
    found = [metric for metric in metrics.registry.collect() if metric.name == "voice_agent_ledger_dropped"]
    return sum(sample.value for metric in found for sample in metric.samples if sample.name.endswith("_total"))


async def test_a_hang_up_and_a_revocation_end_a_call_for_good(database_url: str) -> None:
    async with Ledger(database_url, Metrics()) as ledger:
        sink, history = LedgerSink(ledger), SessionHistory(ledger, SessionOwners(ledger, 30))
        over: dict[str, bool] = {}
        for outcome in (SessionOutcome.COMPLETED, SessionOutcome.COST_CAP, SessionOutcome.VANISHED, None):
            who = session(f"call-{outcome}")
            sink.handle(SessionStarted(who))
            if outcome is not None:
                sink.handle(SessionEnded(who, outcome, 10.0, 1, 0))
            past = await history.past(who.session_id, take_over=True)
            assert past is not None
            over[str(outcome)] = past.over
        assert over == {"completed": True, "cost_cap": True, "vanished": False, "None": False}
        await revoke(ledger.engine, "call-vanished")
        past = await history.past("call-vanished", take_over=True)
        assert past is not None and past.over
    await asyncio.sleep(0)
