"""A service with a stand-in for Prometheus, and somebody who sends alerts."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from agent.budgets import Tier
from agent.telemetry.recorded_metrics import ROLL_BACK
from tests.support.fakes import StandIn, stand_in
from tests.support.stack import Stack, running_stack, sample

ALERTS: Final = "a-token-that-alertmanager-sends-to-us"


OPERATOR: Final = "a-token-that-the-person-on-call-has"


LABELS: Final = {
    "alertname": "VoiceAgentRollBackExperience",
    "severity": "page",
    "action": "rollback",
    "verdict": "experience",
    "tier": "free",
    "policy": "haiku_first",
}


HAIKU: Final = {"haiku_first": 95, "sonnet_first": 5}


def notification(*, status: str = "firing", starts: str = "2026-11-26T13:00:00.123456789Z", **labels: str) -> Any:
    """What Alertmanager posts, as far as one alert goes."""
    alert = {
        "status": status,
        "labels": {**LABELS, **labels},
        "annotations": {"summary": "18 % of turns are slow"},
        "startsAt": starts,
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "c0ffee",
    }
    return {"version": "4", "groupKey": "{}", "status": status, "receiver": "rollback", "alerts": [alert]}


@dataclass
class Ops:
    """A service with a stand-in for Prometheus, and somebody who sends alerts."""

    stack: Stack
    outside: StandIn
    client: httpx.AsyncClient

    async def send(self, body: Any, token: str = ALERTS) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"}
        content = body if isinstance(body, bytes) else json.dumps(body)
        return await self.client.post(f"{self.stack.ops_url}/v1/ops/alerts", headers=headers, content=content)

    async def result(self, body: Any) -> str:
        answer = await self.send(body)
        assert answer.status_code == 200, answer.text
        [result] = answer.json()["results"]
        return result

    async def ask(self, path: str) -> Any:
        answer = await self.client.get(f"{self.stack.ops_url}/v1/ops/{path}", headers=self.operator)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def do(self, path: str, *, seen: int | None = None, **body: Any) -> httpx.Response:
        """Does something about what is in force now, or about revision `seen`."""
        if seen is None:
            in_force = (await self.ask("policies"))["assignments"]
            seen = in_force.get(path.split("/")[1], {}).get("revision", 0)
        headers = {**self.operator, "if-match": f'"{seen}"'}
        return await self.client.post(f"{self.stack.ops_url}/v1/ops/{path}", headers=headers, json=body)

    @property
    def operator(self) -> dict[str, str]:
        return {"authorization": f"Bearer {OPERATOR}"}

    @property
    def weights(self) -> dict[str, int]:
        """What new free sessions get in this process now."""
        return dict(self.stack.wiring.watch.book.assignments[Tier.FREE].weights)

    async def counted(self, name: str, **labels: str) -> float:
        return sample(await self.stack.metrics(), f"voice_agent_{name}", **labels)


@asynccontextmanager
async def running_ops(mode: str = "auto", **settings: Any) -> AsyncGenerator[Ops]:
    with stand_in() as outside:
        outside.judge(ROLL_BACK)
        given: dict[str, Any] = {
            "operator_token": OPERATOR,
            "alerts_token": ALERTS,
            "prometheus_url": outside.url,
            "rollback_mode": mode,
            "chat_webhook_url": f"{outside.url}/chat",
            "dashboard_url": "http://grafana.example",
        }
        async with running_stack(**given | settings) as stack, httpx.AsyncClient() as client:
            yield Ops(stack, outside, client)
