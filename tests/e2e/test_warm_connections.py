"""Connections stand before they are needed: after ten minutes without a call, and after a reply was broken off."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager

import pytest

from agent.providers import warmth
from agent.providers.anthropic.claude import Claude
from agent.providers.base import Message, Prompt
from agent.providers.warmth import Warmth
from agent.server.startup import BrokenOffCalls
from agent.telemetry.events import CallFinished, Cause
from tests.support.providers import RecordingRecorder
from tests.support.slow_connect import FarAway
from tests.support.stack import clip, running_service
from voice_loadtest.caller import CallOptions
from voice_loadtest.run import run_load
from voice_loadtest.script import Speak, Wait
from voice_sandbox.server import run_sandbox
from voice_sandbox.state import SandboxOptions

CONNECT_S = 0.4


@asynccontextmanager
async def far_away() -> AsyncGenerator[tuple[str, FarAway]]:
    """A service to whose providers a new connection takes `CONNECT_S`, and little else takes any time."""
    options = SandboxOptions(port=0, profile="instant")
    with tempfile.TemporaryDirectory() as folder:
        async with run_sandbox(options) as sandbox, FarAway(sandbox.url, CONNECT_S).running() as proxy:
            given = {
                "sandbox_url": proxy.url,
                "log_level": "error",
                "free_lag_s": 10.0,
                "any_lag_s": 10.0,
                "unlimited_addresses": ("127.0.0.1",),
                "database_url": f"sqlite+aiosqlite:///{folder}/ledger.db",
            }
            async with running_service(given) as (url, _, _wiring, _registry):
                await asyncio.sleep(2 * CONNECT_S)
                yield url, proxy


@pytest.mark.slow
async def test_the_first_turn_after_ten_minutes_waits_for_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmth, "WARM_S", 0.1)  # ten minutes are over
    async with far_away() as (url, proxy):
        await asyncio.sleep(0.2)
        proxy.hang_up()
        before = proxy.opened
        await asyncio.sleep(0.3)
        assert proxy.opened == before  # nobody calls: nothing is kept up
        monkeypatch.undo()
        script = [Wait(1.5), Speak(clip("order_01"))]
        call = asyncio.create_task(run_load(1, lambda _: script, CallOptions(url=url, gap_s=0.2)))
        await asyncio.sleep(1.5)
        standing = proxy.opened
        load = await call
    assert [turn.outcome for turn in load.turns] == ["replied"]
    assert before < standing == proxy.opened


@pytest.mark.slow
@pytest.mark.parametrize("replaced", [True, False])
async def test_a_call_that_is_broken_off_leaves_a_warm_connection_behind(replaced: bool) -> None:
    """A guess that is taken back takes its connection with it; the next question finds another one."""
    async with (
        run_sandbox(SandboxOptions(port=0, profile="measured")) as sandbox,
        FarAway(sandbox.url, CONNECT_S).running() as proxy,
    ):
        claude = Claude(api_key="k", base_url=proxy.url, model="claude-haiku-5-5")
        warm, recorder = Warmth([claude], lambda _provider, _reason: None), RecordingRecorder()
        running = asyncio.create_task(warm.run())
        await asyncio.sleep(2 * CONNECT_S)
        guess = asyncio.create_task(first_text(claude, recorder))
        await asyncio.sleep(0.05)
        guess.cancel()
        await asyncio.wait({guess})
        assert recorder.only.outcome == "cancelled"
        if replaced:
            sink = BrokenOffCalls(warm)
            sink.handle(CallFinished(None, None, recorder.only, Cause.SPECULATION))
        await asyncio.sleep(2 * CONNECT_S)
        before = proxy.opened
        await first_text(claude, recorder)
        assert proxy.opened == before + (not replaced)
        running.cancel()
        await asyncio.wait({running})
        await claude.close()


async def first_text(claude: Claude, recorder: RecordingRecorder) -> None:
    prompt = Prompt("You answer the telephone.", "", (Message("user", "which rooms do you have"),))
    async with aclosing(claude.reply("s1", prompt, recorder)) as reply:
        async for _ in reply:
            pass
