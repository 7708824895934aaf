"""Posts `session.ended` for every finished session, until it was taken: from the outbox of the ledger.

The body is made of what the ledger holds when it is sent, and is signed. A restart loses nothing; whoever takes it may
see the same id twice. A private address is refused unless a setting allows it: the name is resolved here, and the
address that was checked is the one that is called. Redirects are failures.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.core.hosts import is_nowhere, is_public
from agent.core.webhook_signature import HEADER, sign
from agent.ledger import outbox
from agent.ledger.ledger import Ledger
from agent.ledger.outbox import Delivery, DeliveryState
from agent.reports.call_record import CallHistory, call_history
from agent.telemetry import catalog
from agent.telemetry.events import PROBE
from agent.telemetry.exposition import Metrics

TIMEOUT_S: Final = 10.0
EVERY_S: Final = 1.0
AT_ONCE: Final = 4
MOST_BYTES: Final = 1_000_000
RESULTS: Final = ("delivered", "refused", "unreachable", "unreadable", "gave_up")
"""`unreadable`: what the ledger holds of the session makes no document."""
TAKEN: Final = range(200, 300)
NEVER_TAKEN: Final = frozenset({410})
"""A status that asks for no further attempt: the receiver is gone."""

log = structlog.get_logger(__name__)

Summarise = Callable[[CallHistory], Awaitable[str | None]]
"""A summary of a call, or None where it could not be had."""


class PrivateAddressError(Exception):
    """The webhook's name leads to a private address."""


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where it is posted, and what may stand in it. `url` and `secret` stay out of logs."""

    url: str
    secret: str
    transcript: bool
    private: bool

    def __repr__(self) -> str:
        return "WebhookTarget(…)"


class SessionWebhook:
    """Looks for finished sessions once a second, and posts them, at most `AT_ONCE` at a time."""

    def __init__(
        self,
        target: WebhookTarget,
        ledger: Ledger,
        metrics: Metrics,
        summarise: Summarise | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._target, self._ledger, self._metrics = target, ledger, metrics
        self._summarise, self._clock = summarise, clock
        for result in RESULTS:
            metrics.child(catalog.WEBHOOK_ATTEMPTS, result)
        metrics.set(catalog.WEBHOOK_WAITING, value=0)
        metrics.set(catalog.WEBHOOK_OLDEST, value=0.0)

    async def run(self) -> None:
        """Posts until it is cancelled; without the database it looks again later."""
        await self._ledger.migrated.wait()
        failing = False
        async with httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=TIMEOUT_S) as client:
            while True:
                try:
                    await self.look(client)
                    failing = False
                except Exception as error:  # whatever it is, calls go on
                    if not failing:
                        log.warning("the webhook's outbox cannot be read", error=type(error).__name__)
                    failing = True
                await asyncio.sleep(EVERY_S)

    async def look(self, client: httpx.AsyncClient) -> None:
        """Posts what is due, and counts what waits. Raises SQLAlchemyError, OSError."""
        engine = self._ledger.engine
        await self._show_backlog(engine)
        while due := await outbox.take_due(engine, AT_ONCE):
            await asyncio.gather(*(self._tell(client, engine, one) for one in due))
            await self._show_backlog(engine)  # a slow receiver may keep this loop for hours

    async def _show_backlog(self, engine: AsyncEngine) -> None:
        waiting, oldest_s = await outbox.backlog(engine)
        self._metrics.set(catalog.WEBHOOK_WAITING, value=waiting)
        self._metrics.set(catalog.WEBHOOK_OLDEST, value=oldest_s)

    async def _tell(self, client: httpx.AsyncClient, engine: AsyncEngine, delivery: Delivery) -> None:
        try:
            body = await self._body(engine, delivery)
        except (SQLAlchemyError, OSError):
            raise
        except Exception:  # a row that is damaged holds up no other, and is not tried for ever
            log.exception("a finished session cannot be told", session_id=delivery.session_id)
            result, state = "unreadable", DeliveryState.WAITING
        else:
            if body is None:
                await outbox.settle(engine, delivery, DeliveryState.SUPERSEDED)
                return
            result, state = await self._post(client, delivery, body)
        if await outbox.settle(engine, delivery, state) is DeliveryState.GIVEN_UP:
            result = "gave_up"
            log.warning("a finished session was not told to the webhook", session_id=delivery.session_id)
        self._metrics.add(catalog.WEBHOOK_ATTEMPTS, result)

    async def _body(self, engine: AsyncEngine, delivery: Delivery) -> bytes | None:
        """What is to be posted; None where nothing is."""
        history = await call_history(engine, delivery.session_id)
        if history is None or history.tier == PROBE or await outbox.went_on(engine, delivery):
            return None
        summary = await self._summary(engine, delivery, history)
        return body_of(delivery, history, summary, transcript=self._target.transcript)

    async def _summary(self, engine: AsyncEngine, delivery: Delivery, history: CallHistory) -> str | None:
        if self._summarise is None or delivery.summary is not None or not history.transcript:
            return delivery.summary
        made = await self._summarise(history)
        if made is not None:
            await outbox.keep_summary(engine, delivery, made)
        return made

    async def _post(self, client: httpx.AsyncClient, delivery: Delivery, body: bytes) -> tuple[str, DeliveryState]:
        target = self._target
        headers = {
            "content-type": "application/json",
            "user-agent": "voice-agent",
            "voice-agent-delivery": delivery.id,
            "voice-agent-attempt": str(delivery.attempts + 1),
            HEADER: sign(target.secret, body, self._clock()),
        }
        try:
            async with asyncio.timeout(TIMEOUT_S):  # in all: httpx' own is for each read
                status = await _send(client, target, body, headers)
        except Exception as error:  # its text holds the secret address
            log.info("webhook not reached", error=type(error).__name__, session_id=delivery.session_id)
            return "unreachable", DeliveryState.WAITING
        if status in TAKEN:
            return "delivered", DeliveryState.DELIVERED
        log.info("webhook refused", status=status, session_id=delivery.session_id)
        return "refused", DeliveryState.GIVEN_UP if status in NEVER_TAKEN else DeliveryState.WAITING


def body_of(delivery: Delivery, history: CallHistory, summary: str | None, *, transcript: bool) -> bytes:
    """The JSON that is posted. A transcript that makes it longer than `MOST_BYTES` is left out, and that is said."""
    lines = [
        {"turn": one.turn, "speaker": one.speaker, "text": one.text, "at": one.at, "interrupted": one.interrupted}
        for one in history.transcript
    ]
    event: dict[str, Any] = {
        "id": delivery.id,
        "type": "session.ended",
        "session": {
            "id": history.session_id,
            "subject": history.subject,
            "tier": history.tier,
            "agent": history.agent,
            "agent_version": history.agent_version,
            "policy": history.policy,
            "policy_version": history.policy_version,
            "started_at": history.started_at,
            "ended_at": history.ended_at,
            "outcome": history.outcome,
            "duration_s": history.duration_s,
            "turns": history.turns,
            "slow_turns": history.slow_turns,
        },
        "cost": {"usd": history.usd, "by_service": dict(history.usd_by_service)},
        "tools": history.tools_used(),
        "summary": summary,
        "transcript": lines if transcript else None,
    }
    body = msgspec.json.encode(event)
    if len(body) > MOST_BYTES:
        body = msgspec.json.encode(event | {"transcript": None, "transcript_left_out": "too long"})
    return body


async def _send(client: httpx.AsyncClient, target: WebhookTarget, body: bytes, headers: Mapping[str, str]) -> int:
    """Posts to the address that was checked; the certificate is that of the name. The answer's body is not read."""
    url = httpx.URL(target.url)
    address = await _address(url.host, url.port or (443 if url.scheme == "https" else 80), private=target.private)
    request = client.build_request(
        "POST",
        url.copy_with(host=address),
        content=body,
        headers={**headers, "host": urlsplit(target.url).netloc},
        extensions={"sni_hostname": url.host},
    )
    answer = await client.send(request, stream=True)
    await answer.aclose()
    return answer.status_code


async def _address(host: str, port: int, *, private: bool) -> str:
    """An address of a name. Raises PrivateAddressError where any of them may not be asked, and OSError.

    `private`: it may be private. Addresses of cloud metadata are never asked.
    """
    loop = asyncio.get_running_loop()
    found = [str(info[4][0]) for info in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not all(not is_nowhere(one) if private else is_public(one) for one in found):
        raise PrivateAddressError
    return found[0]
