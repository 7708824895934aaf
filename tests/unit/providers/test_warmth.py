"""Connections that are opened ahead: when, and that a process without calls opens none."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from agent.core import clock
from agent.providers.warmth import AGAIN_S, WARM_S, Warmth
from tests.support.virtual_time import run_virtual

TEN_MINUTES_S = 600.0


@dataclass
class Adapter:
    provider: str
    model: str
    warmed: list[float] = field(default_factory=list[float])

    async def warm(self) -> None:
        self.warmed.append(clock.now())


def test_an_idle_process_opens_nothing_and_the_first_caller_after_ten_minutes_finds_all_open() -> None:
    async def scenario() -> None:
        adapters, told = [Adapter("anthropic", "haiku"), Adapter("elevenlabs", "flash")], list[tuple[str, str]]()
        warmth = Warmth([*adapters, object()], lambda provider, reason: told.append((provider, reason)))
        running = asyncio.create_task(warmth.run())
        await asyncio.sleep(TEN_MINUTES_S)
        assert [one.warmed for one in adapters] == [[0.0], [0.0]]
        for _ in range(100):  # callers and what they say
            warmth.soon()
        await asyncio.sleep(WARM_S / 2)
        assert [one.warmed for one in adapters] == [[0.0, TEN_MINUTES_S]] * 2
        assert set(told) == {("anthropic", "begun"), ("elevenlabs", "begun")}
        running.cancel()
        await asyncio.wait({running})

    run_virtual(scenario())


def test_what_was_broken_off_is_replaced_once_and_not_more_often_than_once_a_second() -> None:
    async def scenario() -> None:
        adapters, told = [Adapter("anthropic", "haiku"), Adapter("anthropic", "sonnet")], list[tuple[str, str]]()
        warmth = Warmth(adapters, lambda provider, reason: told.append((provider, reason)))
        running = asyncio.create_task(warmth.run())
        await asyncio.sleep(1.0)
        for _ in range(50):
            warmth.broken_off("anthropic", "haiku")
            await asyncio.sleep(AGAIN_S / 50)
        await asyncio.sleep(10 * AGAIN_S)
        assert adapters[0].warmed == [0.0, 1.0, 1.0 + AGAIN_S]
        assert adapters[1].warmed == [0.0]
        assert told.count(("anthropic", "broken_off")) == 2
        running.cancel()
        await asyncio.wait({running})

    run_virtual(scenario())
