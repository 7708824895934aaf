"""Watches speech of the machine itself: the sandbox runs it, and it can fail, or die, at any time after its start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import structlog

from agent.core import clock
from agent.core.calls import Service
from agent.providers.factory import ProviderFactory
from agent.providers.own_machine import OwnMachine
from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics

EVERY_S: Final = 2.0
AT_START_S: Final = 0.1
FAILED_S: Final = 0.5  # who waits for it to be back should not wait for a look
LOADS_WITHIN_S: Final = 30.0
TIMEOUT_S: Final = 5.0
SERVICES: Final[tuple[Service, ...]] = ("stt", "tts")
BREAKERS_S: Final = 10.0  # it runs: so long its breakers may take to believe it
GONE: Final = "the program that runs it does not answer"
LOADING: Final = "it has died, and is being loaded again"
BEGUN_ANEW: Final = "it has died, and was begun anew"

log = structlog.get_logger()
Ask = Callable[[], Awaitable[Mapping[str, Any]]]
"""What the sandbox says of itself. Raises ConnectionRefusedError where nobody listens, OSError or ValueError where it
does not answer.
"""


class ProbesAtOnce(Protocol):
    """What keeps callers away from what has failed."""

    def ask_now(self) -> None: ...

    def serve(self, service: Service) -> bool: ...


async def until_ready(providers: ProviderFactory) -> None:
    """Waits until calls can be made: SDKs are imported, and it is known what runs here."""
    await providers.sdks.wait()
    await providers.machine.wait()


class LocalSpeechWatch:
    """Asks the sandbox every 2 s what of its speech runs; says every change in metrics and log, and to all who ask.

    What fails and is back between two looks is said, too: by the count of `OwnMachine.failures`. It is back when
    callers are sent there again: the breakers are told to look as soon as it runs.
    """

    def __init__(
        self,
        sandbox_url: str | None,
        machine: OwnMachine,
        metrics: Metrics,
        ask: Ask | None = None,
        breakers: ProbesAtOnce | None = None,
    ) -> None:
        self._machine = machine
        self._metrics = metrics
        self._url = f"{sandbox_url}/control/state"
        self._ask = ask
        self._breakers = breakers
        self._runs_since: dict[Service, float] = {}
        self._began: dict[Service, tuple[int, int]] = {}
        self._silent = 0
        for service in SERVICES:
            metrics.set(catalog.LOCAL_FAILED, service, value=0.0)
            metrics.child(catalog.LOCAL_RESTARTS, service)

    async def follow(self) -> None:
        """Runs until it is cancelled; where nothing should run here there is nothing to do."""
        if not self._machine.wanted:
            return
        if self._ask is not None:
            await self._watch(self._ask)
            return
        import httpx

        async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as client:

            async def ask() -> Mapping[str, Any]:
                try:
                    return (await client.get(self._url)).raise_for_status().json()
                except httpx.ConnectError as error:
                    raise ConnectionRefusedError(str(error)) from error
                except httpx.HTTPError as error:
                    raise OSError(str(error)) from error

            await self._watch(ask)

    async def _watch(self, ask: Ask) -> None:
        late = clock.now() + LOADS_WITHIN_S
        while True:
            try:
                state = await ask()
            except (OSError, ValueError) as error:
                self._no_answer(refused=isinstance(error, ConnectionRefusedError), late=clock.now() > late)
            else:
                self._silent, self._machine.gone = 0, False
                self._heard(state, late=clock.now() > late)
            await asyncio.sleep(self._pause_s())

    def _pause_s(self) -> float:
        if not self._machine.known:
            return AT_START_S
        return EVERY_S if self._machine.failed.keys().isdisjoint(self._machine.wanted) else FAILED_S

    def _no_answer(self, *, refused: bool, late: bool) -> None:
        self._silent += 1
        gone = refused or self._silent >= 2  # one answer can be late on a busy machine
        if (self._machine.known and gone) or late:
            self._machine.gone = True
            self._take(dict.fromkeys(self._machine.wanted, GONE))

    def _heard(self, state: Mapping[str, Any], *, late: bool) -> None:
        self._count(state)
        if state.get("loading") and not (late and not self._machine.known):
            if self._machine.known:
                self._take({"stt": LOADING})
            return
        local, failed = state.get("local", ()), state.get("failed", {})
        absent: dict[Service, str] = {
            service: str(failed.get(service, "it is not installed"))
            for service in self._machine.wanted
            if service not in local
        }
        self._take(absent)

    def _count(self, state: Mapping[str, Any]) -> None:
        """A death is a new process, or a part of it that was begun anew."""
        process, restarts = int(state.get("process", 0)), state.get("restarts", {})
        for service in self._machine.wanted:
            now = (process, int(restarts.get(service, 0)))
            before = self._began.get(service, now)
            self._began[service] = now
            times = now[1] - before[1] if now[0] == before[0] else 1 + now[1]
            if times > 0:
                self._machine.fails(service, self._machine.failed.get(service, BEGUN_ANEW))
                self._metrics.add(catalog.LOCAL_RESTARTS, service, amount=times)
                log.warning("local speech begun anew", service=service, times=times)

    def _take(self, failed: Mapping[Service, str]) -> None:
        for service in self._machine.wanted:
            why, before = failed.get(service), self._machine.failed.get(service)
            if why is not None:
                self._runs_since.pop(service, None)
            elif before is not None and not self._serves(service):
                why = before
            self._metrics.set(catalog.LOCAL_FAILED, service, value=float(why is not None))
            if why is None and before is not None:
                del self._machine.failed[service]
                self._runs_since.pop(service, None)
                log.info("local speech runs again", service=service)
            elif why is not None:
                self._machine.fails(service, why)
                if before is None:
                    log.error("local speech failed", service=service, why=why)
        self._machine.learned()

    def _serves(self, service: Service) -> bool:
        """Whether callers are sent to what runs again. A breaker that stays open has another cause."""
        if self._breakers is None:
            return True
        if service not in self._runs_since:
            self._runs_since[service] = clock.now()
            self._breakers.ask_now()
        return self._breakers.serve(service) or clock.now() - self._runs_since[service] > BREAKERS_S
