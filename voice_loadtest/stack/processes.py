"""The whole stack as processes on loopback, for demos and game days: the sandbox, the service, Prometheus and, where
alerts shall decide, Alertmanager.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from voice_loadtest.errors import StackError
from voice_loadtest.stack.children import with_parent
from voice_loadtest.stack.monitoring import ROOT, alertmanager_command, prometheus_command, write_rules
from voice_loadtest.stack.ports import free_ports

_T = TypeVar("_T")
_START_S: Final = 90.0
_STOP_S: Final = 15.0
_PROVIDER_SETTINGS: Final = ("_API_KEY", "_BASE_URL")
FALSE_ROLLBACK_DAYS: Final = 30.0
ALERTMANAGERS: Final = ("prometheus-alertmanager", "alertmanager")  # Debian's name of the program, and the project's


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """Ports (0 = a free one), how the sandbox behaves, and how much faster than real the rules' windows run.

    With `alerts` there is an Alertmanager too, which posts to the service.
    """

    folder: Path
    port: int = 0
    sandbox_port: int = 0
    prometheus_port: int = 0
    profile: str = "measured"
    seed: int = 1
    faster: float = 1.0
    scrape_s: float = 1.0
    alerts: bool = False
    settings: Mapping[str, str] = field(default_factory=dict[str, str])  # VOICE_AGENT_… of the service

    def __post_init__(self) -> None:
        """Raises StackError where the rules are not at hand."""
        if not (ROOT / "alerts").is_dir():
            raise StackError("run this in the project's folder: rules and boards are not in the package")


@dataclass(frozen=True, slots=True)
class LocalStack:
    """Addresses of what runs; None for what is not installed or was not asked for. `api_key` opens premium sessions,
    `operator_token` the operator's routes.
    """

    url: str
    ops_url: str  # where operators and Prometheus are answered
    sandbox_url: str
    prometheus_url: str | None
    alertmanager_url: str | None
    api_key: str = field(repr=False)
    operator_token: str = field(repr=False)
    processes: tuple[tuple[str, subprocess.Popen[bytes]], ...] = field(repr=False)

    async def while_alive(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of `work`. Raises StackError when a process of the stack ends before."""
        working, lost = asyncio.create_task(work), asyncio.create_task(self._lost())
        try:
            await asyncio.wait({working, lost}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise StackError(f"the {lost.result()} stopped in the middle of it; run it again")
            return working.result()
        finally:
            working.cancel()
            lost.cancel()
            await asyncio.wait({working, lost})

    async def _lost(self) -> str:
        """Waits until one of the processes ends by itself; returns its name."""
        while True:
            for name, process in self.processes:
                if process.poll() is not None:
                    return name
            await asyncio.sleep(0.5)


def alerts_installed() -> bool:
    """Whether a stack with `alerts` can be started here."""
    return shutil.which("prometheus") is not None and _alertmanager() is not None


def _alertmanager() -> str | None:
    return next(filter(None, map(shutil.which, ALERTMANAGERS)), None)


@asynccontextmanager
async def local_stack(options: LocalOptions) -> AsyncGenerator[LocalStack]:
    """Starts everything, waits until it answers, and stops it at the end. Raises StackError with one line.

    No provider key reaches the processes: whatever is called is the sandbox. Logs, the database and what Prometheus and
    Alertmanager keep are in `options.folder`.
    """
    prometheus = shutil.which("prometheus")
    alertmanager = _alertmanager() if options.alerts else None
    if options.alerts and (prometheus is None or alertmanager is None):
        raise StackError(
            "Prometheus and Alertmanager are needed: Debian has them as prometheus and prometheus-alertmanager"
        )
    ports = (options.port, 0, options.sandbox_port, options.prometheus_port, 0)
    url, ops_url, sandbox_url, prometheus_url, alertmanager_url = (
        f"http://127.0.0.1:{port or free}" for port, free in zip(ports, free_ports(len(ports)), strict=True)
    )
    api_key, operator_token, alerts_token = secrets.token_hex(16), secrets.token_hex(16), secrets.token_hex(16)
    running: list[tuple[str, subprocess.Popen[bytes]]] = []

    async def start(name: str, command: Sequence[str], ready: str, settings: Mapping[str, str] | None = None) -> None:
        process = _start(options, name, command, settings)
        running.append((name, process))
        await _answers(ready, process, options.folder / f"{name}.log")

    try:
        sandbox = ["sandbox", "--port", _port(sandbox_url), "--profile", options.profile, "--seed", str(options.seed)]
        await start("sandbox", [sys.executable, "-m", "agent", *sandbox], f"{sandbox_url}/control/state")
        settings = _addresses(options, url, ops_url, sandbox_url) | {"API_KEYS": api_key}
        if alertmanager is not None:
            tokens = {"OPERATOR_TOKEN": operator_token, "ALERTS_TOKEN": alerts_token}
            settings |= {"PROMETHEUS_URL": prometheus_url, **tokens}
        settings |= options.settings
        await start("service", [sys.executable, "-m", "agent", "serve"], f"{url}/health/ready", settings)
        if prometheus is not None:
            write_rules(options.folder, options.faster)
        if alertmanager is not None:
            command = alertmanager_command(
                options.folder, alertmanager, alertmanager_url, ops_url, alerts_token, options.faster
            )
            await start("alertmanager", command, f"{alertmanager_url}/-/ready")
        if prometheus is not None:
            known = alertmanager_url if alertmanager is not None else None
            command = prometheus_command(options.folder, prometheus, prometheus_url, ops_url, options.scrape_s, known)
            await start("prometheus", command, f"{prometheus_url}/-/ready")
        yield LocalStack(
            url=url,
            ops_url=ops_url,
            sandbox_url=sandbox_url,
            prometheus_url=prometheus_url if prometheus is not None else None,
            alertmanager_url=alertmanager_url if alertmanager is not None else None,
            api_key=api_key,
            operator_token=operator_token,
            processes=tuple(running),
        )
    finally:
        await _stop(running)


def _addresses(options: LocalOptions, url: str, ops_url: str, sandbox_url: str) -> dict[str, str]:
    """The service's settings that every stack has."""
    days = max(0.01, FALSE_ROLLBACK_DAYS / options.faster)  # time runs faster for the rules, and for this as well
    return {
        "PORT": _port(url),
        "OPS_PORT": _port(ops_url),
        "SANDBOX_URL": sandbox_url,
        "FALSE_ROLLBACK_DAYS": f"{days:g}",
        "UNLIMITED_ADDRESSES": "127.0.0.1",  # every caller of a load test has the same address
    }


async def _stop(running: Sequence[tuple[str, subprocess.Popen[bytes]]]) -> None:
    for _, process in reversed(running):
        process.terminate()
    for _, process in running:
        try:
            await asyncio.to_thread(process.wait, _STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


def _start(
    options: LocalOptions, name: str, command: Sequence[str], settings: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    kept = {key: value for key, value in os.environ.items() if not key.endswith(_PROVIDER_SETTINGS)}
    environment = {key: value for key, value in kept.items() if not key.startswith("VOICE_AGENT_")}
    environment |= {f"VOICE_AGENT_{key}": value for key, value in (settings or {}).items()}
    with (options.folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(  # noqa: S603
            command,
            cwd=options.folder,
            env=environment,
            stdout=log,
            stderr=log,
            preexec_fn=with_parent(),  # noqa: PLW1509  one call of the system, which takes no lock
        )


async def _answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until the address answers. Raises StackError with the log's last line when the process ends."""
    try:
        async with asyncio.timeout(_START_S), httpx.AsyncClient() as client:
            while process.poll() is None:
                try:
                    if (await client.get(url)).is_success:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise StackError(f"{url} did not answer within {_START_S:g} s; see {log}") from None
    raise StackError(f"{log.stem} stopped at its start: {_last_line(log)}")


def _last_line(log: Path) -> str:
    return (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


def _port(url: str) -> str:
    return url.rpartition(":")[2]
