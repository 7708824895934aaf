"""Several processes of the service on one PostgreSQL, as they are started in production, and callers who come back."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import select
from websockets.asyncio.client import ClientConnection

from agent.budgets import DEFAULT_FILE
from agent.ledger.database import create_engine
from agent.ledger.tables import sessions, turns
from tests.support.paths import ROOT
from tests.support.websocket_client import START
from voice_loadtest.stack.ports import free_ports
from voice_loadtest.typed_caller import LOST, dial_to
from voice_sandbox.server import run_sandbox
from voice_sandbox.state import SandboxOptions


@dataclass
class Replica:
    """One process of the service."""

    environment: dict[str, str]
    port: int
    ops_port: int
    log: Path
    arguments: tuple[str, ...] = ()
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Returns when it takes sessions."""
        with self.log.open("ab") as log:
            command = (sys.executable, "-m", "agent", "serve", *self.arguments)
            self.process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        async with asyncio.timeout(180), httpx.AsyncClient(trust_env=False) as client:
            while True:
                assert self.process.returncode is None, self.log.read_text()[-2000:]
                try:
                    if (await client.get(f"{self.url}/health/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self) -> int:
        assert self.process is not None
        return await self.process.wait()

    async def stop(self) -> None:
        """Drains and ends."""
        self.signal(signal.SIGTERM)
        await self.ended()

    async def sample(self, name: str) -> str:
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"http://127.0.0.1:{self.ops_port}/metrics")).text
        return "\n".join(line for line in text.splitlines() if line.startswith(f"voice_agent_{name}"))


def long_calls(folder: Path) -> Path:
    """Budgets for strangers who talk for as long as a test likes."""
    file = folder / "budgets.toml"
    shipped = DEFAULT_FILE.read_text()
    dear = re.sub(r"^(\w+_(?:day|hour)_usd|session_usd) = \d.*$", r"\1 = 1000", shipped, flags=re.MULTILINE)
    head, mark, objectives = dear.partition("[tiers.free]")
    file.write_text(head + mark + shipped.partition("[tiers.free]")[2] if objectives else dear)
    return file


def environment(url: str, sandbox_url: str, port: int, ops_port: int, **settings: object) -> dict[str, str]:
    """The environment of one process."""
    given = {
        "DATABASE_URL": url,
        "SANDBOX_URL": sandbox_url,
        "PORT": port,
        "OPS_PORT": ops_port,
        "UNLIMITED_ADDRESSES": "127.0.0.1",
        "FREE_LAG_S": 10,
        "ANY_LAG_S": 10,
        "TOKENS_PER_MINUTE": 100_000,
        "LOG_LEVEL": "warning",
    } | {name.upper(): value for name, value in settings.items()}
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("VOICE_AGENT_")},
        **{f"VOICE_AGENT_{name}": str(value) for name, value in given.items()},
    }


@asynccontextmanager
async def running_replicas(
    count: int, url: str, folder: Path, profile: str = "instant", **settings: object
) -> AsyncGenerator[list[Replica]]:
    """`count` processes on one database, with one sandbox; they are killed at the end."""
    async with run_sandbox(SandboxOptions(port=0, profile=profile)) as sandbox:
        ports = free_ports(2 * count)
        replicas = [
            Replica(
                environment(url, sandbox.url, ports[2 * n], ports[2 * n + 1], **settings),
                ports[2 * n],
                ports[2 * n + 1],
                folder / f"replica{n}.log",
            )
            for n in range(count)
        ]
        try:
            await asyncio.gather(*(replica.start() for replica in replicas))
            yield replicas
        finally:
            for replica in replicas:
                if replica.process is not None and replica.process.returncode is None:
                    replica.process.kill()
                    await replica.process.wait()


@dataclass
class Returning:
    """A caller who types turns one after the other, and comes back when the line is lost."""

    urls: Sequence[str]
    seed: int
    session_id: str = ""
    told: list[int] = field(default_factory=list[int])
    """Numbers of the turns whose `turn.metrics` came: they are stored."""
    returns: int = 0
    silences: list[float] = field(default_factory=list[float])
    """Seconds from each loss of the line until the call was open again."""
    faults: list[str] = field(default_factory=list[str])
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    pause_s: float = 0.0

    def __post_init__(self) -> None:
        self._finished = asyncio.Event()
        self._answer = "nothing was answered"  # to the last `start`
        self._again_s = 0.1  # when the server wants to be asked again

    async def finished_a_turn(self) -> None:
        """Waits for the end of one more turn; fails with what went wrong for this caller."""
        self._finished.clear()
        async with asyncio.timeout(120):
            await self._finished.wait()
        assert self.faults == [], self.faults

    async def talk(self, done: asyncio.Event) -> None:
        """Talks until `done`, and hangs up."""
        chosen = random.Random(self.seed)
        token = await self.token(chosen)
        lost_at: float | None = None
        loop = asyncio.get_running_loop()
        while True:
            if lost_at is not None and loop.time() - lost_at > 60:
                self.faults.append(f"a caller could not come back for a minute: {self._answer}")
                self._finished.set()
                return
            try:
                async with dial_to(chosen.choice(self.urls), token, **self.options) as line:
                    ready = await self._open(line)
                    if ready is None:
                        await asyncio.sleep(self._again_s)
                        continue
                    if lost_at is not None:
                        self.returns += 1
                        self.silences.append(loop.time() - lost_at)
                        lost_at = None
                        if not ready["resumed"] or ready["session_id"] != self.session_id:
                            self.faults.append(f"came back as another call: {ready['session_id']}")
                    self.session_id, token = ready["session_id"], ready["resume_token"]
                    await self._turns(line, done)
                    await line.send('{"type": "hangup"}')
                    return
            except LOST:
                lost_at = loop.time() if lost_at is None else lost_at
                await asyncio.sleep(0.1)

    async def token(self, chosen: random.Random) -> str:
        address = self.options.get("local_addr")
        transport = httpx.AsyncHTTPTransport(
            verify=self.options.get("ssl", True), local_address=address[0] if address else None
        )
        async with httpx.AsyncClient(transport=transport, timeout=20) as client:
            return (await client.post(f"{chosen.choice(self.urls)}/v1/sessions")).raise_for_status().json()["token"]

    async def _open(self, line: ClientConnection) -> dict[str, Any] | None:
        await line.send(START)
        async with asyncio.timeout(10):
            message = json.loads(await line.recv())
        self._answer, self._again_s = message.get("code", message["type"]), message.get("retry_after_s") or 0.1
        return message if message["type"] == "session.ready" else None

    async def _turns(self, line: ClientConnection, done: asyncio.Event) -> None:
        while not done.is_set():
            await line.send(json.dumps({"type": "text", "text": f"thank you, number {len(self.told)}"}))
            while True:
                async with asyncio.timeout(30):
                    frame = await line.recv()
                if isinstance(frame, bytes):
                    continue
                message = json.loads(frame)
                if message["type"] == "ping":
                    await line.send(json.dumps({"type": "pong", "id": message["id"]}))
                if message["type"] == "turn.metrics":
                    self.told.append(message["turn"])
                    self._finished.set()
                    break
            await asyncio.sleep(self.pause_s)


async def all_completed(url: str, callers: Sequence[Returning], *logs: Path) -> int:
    """Asserts that no caller met a fault, every call was completed, and each finished turn is stored, once.

    Nor do the processes' logs tell of an error of their own. Returns how many turns were finished.
    """
    assert [fault for caller in callers for fault in caller.faults] == []
    for log in logs:
        assert not re.search("Traceback|never awaited|Task was destroyed", text := log.read_text()), text[-4000:]
    engine = create_engine(url)
    async with engine.connect() as connection:
        ends = Counter((await connection.execute(select(sessions.c.outcome))).scalars())
        stored = {(row.session_id, row.turn) for row in await connection.execute(select(turns))}
    await engine.dispose()
    assert ends == {"completed": len(callers)}
    told = [(caller.session_id, turn) for caller in callers for turn in caller.told]
    assert len(told) == len(set(told)) and set(told) <= stored
    return len(told)
