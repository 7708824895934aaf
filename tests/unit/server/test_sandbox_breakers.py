"""When the sandbox is back its providers are asked at once; nobody else's are."""

from __future__ import annotations

import asyncio
from typing import Any

from agent.core import clock
from agent.core.calls import CallRecorder, ErrorKind, ProviderError
from agent.providers.fallback.breaker import Breakers, BreakerState
from agent.providers.fallback.breaker_rules import BreakerRules
from agent.server.sandbox_breakers import SandboxBreakers
from agent.settings import Settings
from tests.support.providers import RecordingRecorder
from tests.support.virtual_time import run_virtual

RULES = BreakerRules(jitter=0.0, wait_s=50.0)


def settings(**given: Any) -> Settings:
    return Settings(_env_file=None, **given)  # pyright: ignore[reportCallIssue]  pydantic-settings' own parameter


def test_those_of_the_sandbox_are_asked_at_once_and_serve_when_all_of_a_service_are_closed() -> None:
    async def scenario() -> None:
        probed: list[tuple[str, float]] = []
        breakers = Breakers(RecordingRecorder(), lambda _: None)
        given = settings(sandbox_url="http://127.0.0.1:8100", elevenlabs_api_key="sk-real")
        sandbox = SandboxBreakers(given, breakers)
        began = clock.now()
        for name in ("deepgram", "openai_stt", "elevenlabs"):

            async def probe(_: CallRecorder, name: str = name) -> None:
                probed.append((name, clock.now() - began))

            breaker = breakers.of(name, "m", RULES, probe)
            assert sandbox.serve("stt") == (name == "deepgram")
            for _ in range(3):
                breaker.failed(ErrorKind.REFUSED)
        asking = asyncio.create_task(breakers.run())
        await asyncio.sleep(10)
        assert probed == []
        assert not sandbox.serve("stt")
        assert sandbox.serve("tts"), "a vendor's breaker is its own affair"
        sandbox.ask_now()
        await asyncio.sleep(1)
        assert {name for name, _ in probed} == {"deepgram", "openai_stt"}
        assert min(at for _, at in probed) == 10.0
        assert sandbox.serve("stt")
        assert breakers.states()["elevenlabs", "m"] is BreakerState.OPEN
        asking.cancel()

    run_virtual(scenario())


def test_one_that_is_not_well_yet_waits_as_usual() -> None:
    async def scenario() -> None:
        probed: list[float] = []

        async def probe(_: CallRecorder) -> None:
            probed.append(clock.now())
            raise ProviderError("deepgram", ErrorKind.REFUSED)

        breakers = Breakers(RecordingRecorder(), lambda _: None)
        for _ in range(3):
            breakers.of("deepgram", "m", RULES, probe).failed(ErrorKind.REFUSED)
        sandbox = SandboxBreakers(settings(sandbox_url="http://127.0.0.1:8100"), breakers)
        asking = asyncio.create_task(breakers.run())
        sandbox.ask_now()
        await asyncio.sleep(40)
        assert len(probed) == 1
        assert not sandbox.serve("stt")
        asking.cancel()

    run_virtual(scenario())
