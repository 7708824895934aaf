"""The whole house as processes on loopback, for demos: the sandbox, the service and, where installed, Prometheus."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx

from agent.errors import ConfigurationError

ROOT: Final = Path(__file__).parent.parent.parent
_START_S: Final = 40.0
_STOP_S: Final = 15.0
_PROVIDER_SETTINGS: Final = ("_API_KEY", "_BASE_URL")


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """Ports (0 = a free one), how the sandbox behaves, and how much faster than real the rules' windows run."""

    folder: Path
    port: int = 0
    sandbox_port: int = 0
    prometheus_port: int = 0
    profile: str = "measured"
    seed: int = 1
    faster: float = 1.0
    scrape_s: float = 1.0
    settings: Mapping[str, str] = field(default_factory=dict[str, str])  # VOICE_AGENT_… of the service


@dataclass(frozen=True, slots=True)
class LocalHouse:
    """Addresses of what runs. `prometheus_url` is None where Prometheus is not installed. `api_key` opens premium."""

    url: str
    sandbox_url: str
    prometheus_url: str | None
    api_key: str = field(repr=False)
    processes: tuple[tuple[str, subprocess.Popen[bytes]], ...] = field(repr=False)

    async def lost(self) -> str:
        """Waits until one of the processes ends by itself; returns its name."""
        while True:
            for name, process in self.processes:
                if process.poll() is not None:
                    return name
            await asyncio.sleep(0.5)


@asynccontextmanager
async def local_house(options: LocalOptions) -> AsyncGenerator[LocalHouse]:
    """Starts everything, waits until it answers, and stops it at the end. Raises ConfigurationError with one line.

    No provider key reaches the processes: whatever is called is the sandbox. Logs, the database and Prometheus' data
    are in `options.folder`.
    """
    url, sandbox_url, prometheus_url = (
        f"http://127.0.0.1:{port or _free_port()}"
        for port in (options.port, options.sandbox_port, options.prometheus_port)
    )
    api_key = secrets.token_hex(16)
    running: list[tuple[str, subprocess.Popen[bytes]]] = []

    async def start(name: str, command: Sequence[str], ready: str, settings: Mapping[str, str] | None = None) -> None:
        process = _start(options, name, command, settings)
        running.append((name, process))
        await _answers(ready, process, options.folder / f"{name}.log")

    try:
        sandbox = ["sandbox", "--port", _port(sandbox_url), "--profile", options.profile, "--seed", str(options.seed)]
        await start("sandbox", [sys.executable, "-m", "agent", *sandbox], f"{sandbox_url}/control/state")
        settings = {"PORT": _port(url), "SANDBOX_URL": sandbox_url, "API_KEYS": api_key, **options.settings}
        await start("service", [sys.executable, "-m", "agent", "serve"], f"{url}/health/ready", settings)
        program = shutil.which("prometheus")
        if program is not None:
            await start("prometheus", _prometheus(options, program, prometheus_url, url), f"{prometheus_url}/-/ready")
        yield LocalHouse(url, sandbox_url, prometheus_url if program is not None else None, api_key, tuple(running))
    finally:
        for _, process in reversed(running):
            process.terminate()
        for _, process in running:
            try:
                await asyncio.to_thread(process.wait, _STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _prometheus(options: LocalOptions, program: str, url: str, service_url: str) -> list[str]:
    """Writes Prometheus' configuration; returns the command that runs it."""
    generate = [sys.executable, "-m", "alerts", "--out", str(options.folder), "--faster", str(options.faster)]
    try:
        subprocess.run(generate, cwd=ROOT, check=True, capture_output=True)  # noqa: S603  our own program
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason given"]
        raise ConfigurationError(f"the rules could not be made: {last[0]}") from None
    configuration = options.folder / "prometheus.yml"
    configuration.write_text(
        f"global: {{scrape_interval: {options.scrape_s:g}s, evaluation_interval: {options.scrape_s:g}s}}\n"
        f"rule_files: ['{options.folder}/recording.yml']\n"
        "scrape_configs:\n"
        f"  - {{job_name: voice-agent, static_configs: [{{targets: ['{service_url.removeprefix('http://')}']}}]}}\n",
        encoding="utf-8",
    )
    return [
        program,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={options.folder / 'prometheus'}",
        f"--web.listen-address={url.removeprefix('http://')}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    ]


def _start(
    options: LocalOptions, name: str, command: Sequence[str], settings: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    kept = {key: value for key, value in os.environ.items() if not key.endswith(_PROVIDER_SETTINGS)}
    environment = {key: value for key, value in kept.items() if not key.startswith("VOICE_AGENT_")}
    environment |= {f"VOICE_AGENT_{key}": value for key, value in (settings or {}).items()}
    with (options.folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(command, cwd=options.folder, env=environment, stdout=log, stderr=log)  # noqa: S603


async def _answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Waits until the address answers. Raises ConfigurationError with the log's last line when the process ends."""
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
        raise ConfigurationError(f"{url} did not answer within {_START_S:g} s; see {log}") from None
    raise ConfigurationError(f"{log.stem} stopped at its start: {_last_line(log)}")


def _last_line(log: Path) -> str:
    return (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


def _port(url: str) -> str:
    return url.rpartition(":")[2]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
