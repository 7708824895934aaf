"""Who would be told of an attack: the shipped alerts, as a Prometheus beside the attacked service has them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

SCRAPES_S: Final = 2.5  # until what has happened was scraped and the rules were evaluated, with a scrape each second
FIRING: Final = "firing"
PENDING_S: Final = 75.0  # until what an attack has begun fires: alerts on callers who are refused wait for a minute
QUIET: Final = ("none",)  # severities that tell nobody anything


@dataclass(frozen=True, slots=True)
class Pager:
    """The alerts of one Prometheus; of None, where it is not installed, nothing is ever known."""

    prometheus_url: str | None

    async def now(self) -> frozenset[str]:
        """The alerts that page and fire."""
        return _paging(await self._alerts("ALERTS"))

    async def since(self, began: float) -> frozenset[str]:
        """The alerts that page and fired at any time since `began` (monotonic)."""
        return _paging(await self._over(began))

    async def told(self, began: float) -> Mapping[str, tuple[str, ...]]:
        """Names by severity of the alerts that fired at any time since `began`."""
        found = await self._over(began)
        return {
            severity: tuple(sorted({name for name, loud, state in found if (loud, state) == (severity, FIRING)}))
            for severity in ("page", "ticket", "warning")
        }

    async def _over(self, began: float) -> list[tuple[str, str, str]]:
        return await self._alerts(f"max_over_time(ALERTS[{max(1, round(time.monotonic() - began))}s])")

    async def _alerts(self, query: str) -> list[tuple[str, str, str]]:
        """Name, severity and state of each."""
        if self.prometheus_url is None:
            return []
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{self.prometheus_url}/api/v1/query", params={"query": query})
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        known = ((one["metric"]["alertname"], one["metric"]["severity"], one["metric"]["alertstate"]) for one in found)
        return [one for one in known if one[1] not in QUIET]


def _paging(found: list[tuple[str, str, str]]) -> frozenset[str]:
    return frozenset(name for name, severity, state in found if (severity, state) == ("page", FIRING))
