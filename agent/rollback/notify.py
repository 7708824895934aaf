"""Tells a chat about decisions, through an incoming webhook that takes `{"text": …}` as Slack's does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import httpx
import structlog
from pydantic import SecretStr

from agent.policy.decisions import Decision
from agent.policy.describe import evidence_lines, headline, next_step
from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics

QUEUE: Final = 20
TIMEOUT_S: Final = 5.0
RESULTS: Final = ("sent", "failed", "dropped")

log = structlog.get_logger()


class ChatNotifier:
    """A bounded queue of messages and the task that sends them. A message that fails is counted, not sent again."""

    def __init__(self, client: httpx.AsyncClient, url: SecretStr, metrics: Metrics, board_url: str | None) -> None:
        self._client = client
        self._url = url
        self._metrics = metrics
        self._board_url = board_url
        self._queue: asyncio.Queue[Decision] = asyncio.Queue(QUEUE)
        for result in RESULTS:
            metrics.child(catalog.CHAT_MESSAGES, result)

    def tell(self, decision: Decision) -> None:
        """Queues a message about a decision."""
        try:
            self._queue.put_nowait(decision)
        except asyncio.QueueFull:
            self._metrics.add(catalog.CHAT_MESSAGES, "dropped")

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Sends while the block runs."""
        task = asyncio.create_task(self._send_on(), name="chat")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _send_on(self) -> None:
        while True:
            decision = await self._queue.get()
            result = await self._send(message(decision, self._board_url))
            self._metrics.add(catalog.CHAT_MESSAGES, result)

    async def _send(self, text: str) -> str:
        try:
            async with asyncio.timeout(TIMEOUT_S):  # in all: httpx' own is for each read
                answer = await self._client.post(self._url.get_secret_value(), json={"text": text}, timeout=None)
                answer.raise_for_status()
        except Exception as error:  # whatever it is, the next message goes out; its text holds the secret address
            log.warning("chat message not sent", error=type(error).__name__)
            return "failed"
        return "sent"


def message(decision: Decision, board_url: str | None) -> str:
    """What happened, the numbers, and what to do next."""
    lines = [headline(decision), *(f"• {line}" for line in evidence_lines(decision.evidence))]
    lines.append(f"next: `{next_step(decision)}`")
    if board_url is not None:
        uid = "voice-agent-ux" if decision.alert.verdict == "experience" else "voice-agent-cost"
        alert = decision.alert
        who = f"var-agent={alert.tier}" if alert.of_agent else f"var-tier={alert.tier}&var-policy={alert.policy}"
        lines.append(f"board: {board_url}/d/{uid}?{who}")
    return "\n".join(lines)
