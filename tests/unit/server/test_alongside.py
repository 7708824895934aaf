"""What breaks beside calls ends neither the service nor itself."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from agent.server.alongside import alongside
from agent.telemetry.exposition import Metrics
from tests.support.virtual_time import run_virtual


def test_work_that_breaks_is_counted_and_begun_again_ever_more_slowly() -> None:
    began: list[float] = []

    async def breaks() -> None:
        began.append(asyncio.get_running_loop().time())
        await asyncio.sleep(1.0)
        raise AttributeError("an answer that is no model list")

    async def scenario() -> None:
        metrics = Metrics()
        async with alongside("providers", breaks, metrics):
            await asyncio.sleep(300.0)
        gaps = [later - earlier for earlier, later in pairwise(began)]
        assert gaps[:4] == [2.0, 3.0, 5.0, 9.0]
        assert gaps[-1] == 61.0
        counted = metrics.registry.get_sample_value("voice_agent_background_failures_total", {"work": "providers"})
        assert counted == len(began)

    run_virtual(scenario())


def test_work_ends_with_its_block_and_work_that_is_done_is_not_begun_again() -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")

    async def done() -> None:
        ended.append("done")

    async def scenario() -> None:
        async with alongside("a", endless, Metrics()), alongside("b", done, Metrics()):
            await asyncio.sleep(100.0)
            assert ended == ["done"]
        assert ended == ["done", "endless"]

    run_virtual(scenario())
