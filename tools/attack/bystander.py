"""The innocent callers beside an attack: premium callers who type, and how long their first words take."""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tools.attack.attacker import Attacker, Target

PAUSE_S = 1.1  # between two texts: within its pace
CALLERS = 4
LINES = ("hello", "what rooms do you have", "do you have breakfast", "thank you")


@dataclass
class Bystander:
    """Seconds to the first sound of each reply, with the time at which the text was sent."""

    waits: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    lost: int = 0

    def median_ms(self, before: float) -> float:
        """What is usual: the median until then."""
        return 1000 * statistics.median([wait for at, wait in self.waits if at < before] or [0.0])

    def worst_ms(self, since: float) -> float:
        """The longest wait since then."""
        return 1000 * max([wait for at, wait in self.waits if at >= since], default=0.0)

    async def talk(self, socket: ClientConnection, after_s: float) -> None:
        """Types for as long as it is let."""
        await asyncio.sleep(after_s)  # so that one of them is always waiting for its first words
        count = 0
        while True:
            began = time.monotonic()
            await socket.send(json.dumps({"type": "text", "text": LINES[count % len(LINES)]}))
            count += 1
            try:
                async with asyncio.timeout(20):
                    while not isinstance(await socket.recv(), bytes):
                        pass
            except (TimeoutError, ConnectionClosed):
                self.lost += 1
                return
            self.waits.append((began, time.monotonic() - began))
            await asyncio.sleep(PAUSE_S)


@asynccontextmanager
async def beside(target: Target, number: int, api_key: str) -> AsyncGenerator[Bystander]:
    """Premium callers who talk while the block runs, each from an address of its own."""
    found = Bystander()
    async with AsyncExitStack() as stack:
        for caller in range(CALLERS):
            by = Attacker(target, f"127.0.{10 + caller}.{number + 1}")
            token = await by.token(authorization=f"Bearer {api_key}")
            socket = await stack.enter_async_context(by.call(token))
            await stack.enter_async_context(_talking(found, socket, caller * PAUSE_S / CALLERS))
        yield found


@asynccontextmanager
async def _talking(found: Bystander, socket: ClientConnection, after_s: float) -> AsyncGenerator[None]:
    task = asyncio.create_task(found.talk(socket, after_s))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
