"""What a game day asks Prometheus. The names are those that service and rules export; a test holds them against both,
since callers import nothing of the service.
"""

from __future__ import annotations

from typing import Any, Final

import httpx

from voice_loadtest.gameday.scenario import FASTER, POLICY, TIER

NOT_ENOUGH: Final = 3
VERDICTS: Final = ("keep", "watch", "roll back", "not enough data")
RECENT: Final = "30m"
"""The window of the rules that "now" is about."""
RECENT_S: Final = 1800 / FASTER

_RECENT: Final = f'{{tier="{TIER}", window="{RECENT}"}}'
_ONE: Final = f'{{tier="{TIER}", policy="{POLICY}"}}'
_COST: Final = "voice_agent_session_cost_usd"

TURNS: Final = f"sum(voice_agent:turns_owed:increase{_RECENT})"
SLOW_SHARE: Final = f"sum(voice_agent:turns_slow:increase{_RECENT}) / {TURNS}"
VERDICT: Final = f"voice_agent:verdict{_ONE}"
SLOW_LIMIT: Final = 'voice_agent:signal:limit{signal="slow_turns"}'
BASELINE_ENOUGH: Final = f'voice_agent:baseline:enough_data{{tier="{TIER}"}}'
SESSION_USD: Final = (
    f'sum(increase({_COST}_sum{{tier="{TIER}"}}[{RECENT_S:g}s])) /'
    f' sum(increase({_COST}_count{{tier="{TIER}"}}[{RECENT_S:g}s]))'
)
LIVE: Final = f'sum(voice_agent_active_sessions{{tier="{TIER}"}})'
QUESTIONS: Final = (TURNS, SLOW_SHARE, VERDICT, SLOW_LIMIT, BASELINE_ENOUGH, SESSION_USD, LIVE)
HELD: Final = f"voice_agent:decision:held{_ONE} == 1"
"""What holds a rollback, by its label `reason`."""


async def ask(client: httpx.AsyncClient, prometheus_url: str, expr: str) -> float | None:
    """The value of an expression with one series; None for nothing, for 0 / 0, and while nobody answers."""
    values = [float(one["value"][1]) for one in await _series(client, prometheus_url, expr)]
    return next((value for value in values if value == value), None)


async def held_by(client: httpx.AsyncClient, prometheus_url: str) -> frozenset[str]:
    """What holds a rollback of the policy now, by name; nothing while nobody answers."""
    return frozenset(one["metric"]["reason"] for one in await _series(client, prometheus_url, HELD))


async def _series(client: httpx.AsyncClient, prometheus_url: str, expr: str) -> list[Any]:
    try:
        answer = await client.post(f"{prometheus_url}/api/v1/query", data={"query": expr})
        answer.raise_for_status()
    except httpx.HTTPError:
        return []  # asked again half a second later
    return answer.json()["data"]["result"]
