"""Calls to the scripted service, with short gaps."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.scripted_service import Behaviour, Service, Talk, service
from voice_loadtest.caller import CallOptions, call
from voice_loadtest.records import CallRecord
from voice_loadtest.script import Step


async def play(behaviour: Behaviour, script: list[Step], **options: Any) -> tuple[CallRecord, Service]:
    """A call with short gaps, and the service as it is afterwards."""
    network_ms = options.pop("network_ms", 0.0)
    async with service(behaviour) as running:
        options = {"url": running.url, "gap_s": 0.05, "reply_timeout_s": 1.0, **options}
        record = await call(CallOptions(**options), script, network_ms=network_ms)
    return record, running


async def answers(talk: Talk) -> None:
    """Answers every utterance until the caller hangs up."""
    await talk.ready()
    async with asyncio.TaskGroup() as group:
        ending = group.create_task(talk.goodbye())
        try:
            for turn in range(1, 100):
                await talk.answer(turn, f"utterance {turn}")
        except ConnectionResetError:
            await asyncio.wait([ending])
