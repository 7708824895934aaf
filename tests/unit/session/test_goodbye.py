"""The service says goodbye where it hangs up by itself, and nowhere else."""

from __future__ import annotations

import asyncio

import pytest

from agent.budgets import Tier
from agent.session.claims import Claims
from agent.session.events import ClauseStarted, SessionClosed
from agent.telemetry.events import SessionEnded, SessionOutcome, TurnFinished
from agent.telemetry.timeline import TurnOutcome
from agent.turn.turn import Recording
from tests.support.direct_transport import DirectTransport
from tests.support.session import SessionHarness, limits, running, voice
from tests.support.virtual_time import run_virtual

GOODBYE = Recording("Thank you for calling. Goodbye.", voice(1.5))


def _said_goodbye(caller: DirectTransport) -> bool:
    return GOODBYE.text in [clause.text for clause in caller.all(ClauseStarted)]


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [({"idle_s": 5.0}, SessionOutcome.IDLE), ({"session_s": 5.0}, SessionOutcome.TOO_LONG)],
)
def test_who_is_hung_up_on_hears_goodbye_to_its_end(changes: dict[str, float], outcome: SessionOutcome) -> None:
    async def scenario() -> None:
        async with running(harness := SessionHarness(limits=limits(**changes), goodbye=GOODBYE)):
            caller = await harness.call()
            await caller.get(SessionClosed)
            assert _said_goodbye(caller)
        (ended,) = harness.all(SessionEnded)
        assert (ended.outcome, ended.duration_s) == (outcome, pytest.approx(5.0 + 1.5, abs=0.05))
        (turn,) = harness.all(TurnFinished)
        assert (turn.record.outcome, turn.record.owed) == (TurnOutcome.GOODBYE, False)

    run_virtual(scenario())


def test_nobody_who_leaves_moves_on_or_is_away_is_said_goodbye_to() -> None:
    async def scenario() -> None:
        async with running(harness := SessionHarness(goodbye=GOODBYE)):
            leaving, moving, away = [await harness.call(Claims(name, Tier.PREMIUM, None)) for name in ("a", "b", "c")]
            leaving.hang_up()
            moving.session.drain()
            away.lose()
            for caller in (leaving, moving, away):
                await caller.session.ended.wait()
                assert not _said_goodbye(caller)
        assert {event.outcome for event in harness.all(SessionEnded)} == {
            SessionOutcome.COMPLETED, SessionOutcome.DRAINED, SessionOutcome.VANISHED
        }  # fmt: skip

    run_virtual(scenario())


def test_a_client_that_plays_nothing_is_not_waited_for_for_ever() -> None:
    async def scenario() -> None:
        long = Recording(GOODBYE.text, voice(20.0))
        async with running(harness := SessionHarness(limits=limits(idle_s=5.0), goodbye=long)):
            caller = await harness.call(playback_reports=True)
            await caller.get(SessionClosed)
            await asyncio.sleep(0)
        (ended,) = harness.all(SessionEnded)
        assert ended.duration_s == pytest.approx(5.0 + 5.0, abs=0.1)

    run_virtual(scenario())
