"""A real Prometheus on loopback that scrapes one service, with the project's rules."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from alerts.__main__ import rule_file
from voice_loadtest.stack.ports import free_port

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed: Debian's package of the same name has it"
)
READY_S = 30.0


@dataclass(frozen=True)
class PrometheusServer:
    url: str
    client: httpx.AsyncClient

    async def instant(self, expr: str) -> list[dict[str, Any]]:
        """The result of an instant query; fails with Prometheus' own message."""
        return await self._result("query", query=expr)

    async def over(self, expr: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        return await self._result("query_range", query=expr, start=start, end=end, step=step)

    async def exemplars(self, expr: str, start: float, end: float) -> list[dict[str, Any]]:
        return await self._result("query_exemplars", query=expr, start=start, end=end)

    async def scraped(self) -> None:
        """Waits until the target was scraped, and the rules evaluated, after this moment."""
        now = time.time()
        async with asyncio.timeout(READY_S):
            while True:
                last = await self.instant("timestamp(voice_agent_build_info) and on () voice_agent:signal:limit")
                evaluated = await self.instant("min(timestamp(voice_agent:signal:limit)) > 0")
                if last and evaluated and float(last[0]["value"][1]) > now + 1:
                    return
                await asyncio.sleep(0.25)

    async def _result(self, path: str, **parameters: Any) -> list[dict[str, Any]]:
        answer = (await self.client.post(f"{self.url}/api/v1/{path}", data=parameters)).json()
        assert answer["status"] == "success", f"{answer.get('error')}: {parameters['query']}"
        data = answer["data"]
        return data if isinstance(data, list) else data["result"]


@contextlib.asynccontextmanager
async def running_prometheus(
    folder: Path, target: str, groups: list[dict[str, Any]], *, every: str = "500ms"
) -> AsyncGenerator[PrometheusServer]:
    """Scrapes `target` (a URL) twice a second until the block ends."""
    address = f"127.0.0.1:{free_port()}"
    (folder / "recording.yml").write_text(rule_file(groups), encoding="utf-8")
    (folder / "prometheus.yml").write_text(
        f"global: {{scrape_interval: {every}, evaluation_interval: {every}}}\n"
        "rule_files: [recording.yml]\n"
        "scrape_configs:\n"
        f"  - {{job_name: voice-agent, static_configs: [{{targets: ['{target.removeprefix('http://')}']}}]}}\n",
        encoding="utf-8",
    )
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--enable-feature=exemplar-storage",
        "--log.level=error",
    ]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    try:
        async with httpx.AsyncClient(timeout=30.0) as client:
            await _ready(client, f"http://{address}/-/ready")
            yield PrometheusServer(f"http://{address}", client)
    finally:
        process.terminate()
        await process.wait()


async def _ready(client: httpx.AsyncClient, url: str) -> None:
    async with asyncio.timeout(READY_S):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get(url)).is_success:
                    return
            await asyncio.sleep(0.1)
