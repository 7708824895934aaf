"""One stumble is not overload; two seconds of lateness are."""

from __future__ import annotations

import asyncio
import time

import pytest

from agent.budgets import Tier
from agent.server import loop_lag
from agent.server.loop_lag import LoopLag
from agent.session.admission import Admission
from agent.session.claims import Claims
from agent.telemetry.exposition import Metrics

FREE = Claims("somebody", Tier.FREE, None)
PREMIUM = Claims("member", Tier.PREMIUM, None)


async def test_one_stumble_is_not_overload_and_two_late_seconds_are() -> None:
    metrics = Metrics()
    lag = LoopLag(metrics)
    lag.note(0.9)
    assert lag.seconds == 0.0
    assert metrics.registry.get_sample_value("voice_agent_event_loop_lag_seconds") == 0.9
    lag.note(0.4)
    assert lag.seconds == 0.4
    lag.note(0.001)
    assert lag.seconds == 0.001


async def test_the_longest_delay_of_a_second_is_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_lag, "TICKS", 2)
    metrics = Metrics()
    lag, told = LoopLag(metrics), asyncio.Event()
    note = lag.note

    def tell(worst: float) -> None:
        note(worst)
        told.set()

    monkeypatch.setattr(lag, "note", tell)
    async with lag.watched():
        time.sleep(0.2)  # noqa: ASYNC251  this is what it is about
        await told.wait()
    shown = metrics.registry.get_sample_value("voice_agent_event_loop_lag_seconds")
    assert shown is not None and 0.1 < shown < 5
    told.clear()
    await asyncio.sleep(3 * loop_lag.TICK_S)
    assert not told.is_set(), "nothing ticks after the server"


def test_free_callers_are_refused_before_premium_ones_and_told_when_to_come_back() -> None:
    def admission(lag_s: float) -> Admission:
        return Admission(max_sessions=10, premium_reserve=0.2, free_lag_s=0.2, any_lag_s=0.5, lag_s=lambda: lag_s)

    assert admission(0.0).refusal(FREE, 7) is None
    full = admission(0.0).refusal(FREE, 8)
    assert full is not None
    assert (full.reason, full.retry_after_s > 0) == ("full", True)
    assert admission(0.0).refusal(PREMIUM, 8) is None
    assert admission(0.0).refusal(PREMIUM, 10) is not None
    late = admission(0.3).refusal(FREE, 0)
    assert late is not None
    assert (late.reason, late.retry_after_s > 0) == ("overloaded", True)
    assert admission(0.3).refusal(PREMIUM, 0) is None
    assert admission(0.6).refusal(PREMIUM, 0) is not None
