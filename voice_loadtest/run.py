"""Many callers at once, from one process: for benchmarks, demos and game days."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from voice_loadtest.caller import Caller, CallOptions
from voice_loadtest.conversation import OnTurn
from voice_loadtest.pacing import Clockwork
from voice_loadtest.protocol import CallError, http_client
from voice_loadtest.records import CallerTurn, CallFault, CallRecord, Summary, summarise
from voice_loadtest.script import Step

# the number of a caller (from 0) → its script
Scripts = Callable[[int], Sequence[Step]]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What the callers wrote down, and whether they were fast enough to be believed."""

    records: list[CallRecord]  # one per caller, in order
    wall_s: float
    cpu_s: float  # of this process: with a service in the same process it is the service's too
    lateness_ms: float  # the latest that a frame left, against its time
    skipped_frames: int  # frames that were left out because this process was over 1 s late

    @property
    def turns(self) -> list[CallerTurn]:
        return [turn for record in self.records for turn in record.turns]

    @property
    def summary(self) -> Summary:
        return summarise(self.records)


async def run_load(
    callers: int,
    scripts: Scripts,
    options: CallOptions | None = None,
    *,
    network_ms: float = 0.0,
    stagger_s: float = 0.05,
    on_turn: OnTurn | None = None,
) -> LoadResult:
    """Runs `callers` calls side by side, one starting every `stagger_s` seconds, and waits for the last to end.

    A call that does not come about is a record with the fault `not_connected` and no turns. Raises ValueError for
    fewer than one caller.
    """
    if callers < 1:
        raise ValueError("a load needs at least one caller")
    options = options or CallOptions()
    clockwork = Clockwork(network_ms)
    began, cpu_began = time.perf_counter(), time.process_time()
    async with http_client(options.url) as client, asyncio.TaskGroup() as group:
        running = group.create_task(clockwork.run(), name="clockwork")
        async with asyncio.TaskGroup() as calls:
            tasks = [
                calls.create_task(
                    _one(number * stagger_s, Caller(options, scripts(number), clockwork, on_turn=on_turn), client),
                    name=f"caller {number}",
                )
                for number in range(callers)
            ]
        running.cancel()
    return LoadResult(
        records=[task.result() for task in tasks],
        wall_s=time.perf_counter() - began,
        cpu_s=time.process_time() - cpu_began,
        lateness_ms=clockwork.ticker.lateness_ms,
        skipped_frames=clockwork.ticker.skipped_frames,
    )


async def _one(delay_s: float, caller: Caller, client: httpx.AsyncClient) -> CallRecord:
    await asyncio.sleep(delay_s)
    try:
        await caller.connect(client)
    except CallError as error:
        record = caller.conversation.record
        record.errors.append(CallFault("not_connected", str(error), fatal=True))
        return record
    return await caller.converse()
