"""Asks Prometheus for the numbers that a decision rests on, at the moment when it is made."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import httpx

from agent.core.errors import AgentError
from agent.policy.comparison import Comparison
from agent.policy.decisions import Evidence, RollbackAlert
from agent.telemetry import recorded_metrics
from agent.telemetry.catalog import Metric

TIMEOUT_S: Final = 5.0  # for each part of one answer
FACTS_S: Final = 20.0  # for all that one decision asks
MAX_SERIES: Final = 500  # of one answer; two tiers, eight policies and a few signals are far fewer
_VERDICTS: Final = {"experience": recorded_metrics.VERDICT, "cost": recorded_metrics.COST_VERDICT}

Labels = Mapping[str, str]


class PrometheusError(AgentError):
    """Prometheus could not be asked, or did not answer like Prometheus. The message is one line without the query."""


class EvidenceSource(Protocol):
    """Where the facts of a decision come from."""

    async def facts(self, alert: RollbackAlert) -> Evidence:
        """Raises PrometheusError."""
        ...


class PrometheusEvidence:
    """A `EvidenceSource` on Prometheus' HTTP API."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = f"{url.rstrip('/')}/api/v1/query"

    async def facts(self, alert: RollbackAlert) -> Evidence:
        """What the recording rules say of the alert's tier and policy now. Raises PrometheusError."""
        try:
            async with asyncio.timeout(FACTS_S):
                return await (self._version_facts(alert) if alert.of_agent else self._facts(alert))
        except TimeoutError:
            raise PrometheusError(f"Prometheus cannot be asked: it takes longer than {FACTS_S:g} s") from None

    async def _facts(self, alert: RollbackAlert) -> Evidence:
        tier = {"tier": alert.tier}
        who = {**tier, "policy": alert.policy}
        verdict = await self._value(_VERDICTS[alert.verdict], who)
        baseline = await self._value(recorded_metrics.BASELINE_ENOUGH, tier)
        limits = await self._by("signal", recorded_metrics.LIMIT, {})
        outages = await self._ask(recorded_metrics.POLICY_OUTAGE, {"policy": alert.policy})
        late = await self._value(recorded_metrics.LOOP_LATE, {})
        tool_out = await self._value(recorded_metrics.TOOL_OUT, {})
        experience = alert.verdict == "experience"
        comparison = await self._comparison(recorded_metrics.DECISION_COMPARISON, who) if experience else None
        numbers = await (self._experience(who, limits) if experience else self._money(who))
        return Evidence(
            verdict=None if verdict is None else round(verdict),
            baseline_enough=baseline == 1,
            breaching=await self._breaching(tier, limits),
            outages=tuple(sorted({labels["provider"] for labels, value in outages if value > 0})),
            comparison=comparison,
            loop_late=late == 1,
            tool_out=tool_out == 1,
            evidence={"at": datetime.now(UTC).isoformat(timespec="seconds"), "verdict": verdict, **numbers},
        )

    async def _version_facts(self, alert: RollbackAlert) -> Evidence:
        """The same of a version: it is at fault where no first provider of any policy is out.

        A tool that is out explains nothing where the version suffers alone: the tool is its own.
        """
        who = {"agent": alert.tier, "version": alert.policy}
        scores = await self._by("signal", recorded_metrics.AGENT_SCORE, who)
        comparison = await self._comparison(recorded_metrics.AGENT_COMPARISON, who)
        outages = await self._ask(recorded_metrics.POLICY_OUTAGE, {})
        verdict = recorded_metrics.ROLL_BACK if max(scores.values(), default=0.0) >= 1.0 else recorded_metrics.KEEP
        return Evidence(
            verdict=verdict,
            baseline_enough=False,
            outages=tuple(sorted({labels["provider"] for labels, value in outages if value > 0})),
            comparison=comparison,
            loop_late=await self._value(recorded_metrics.LOOP_LATE, {}) == 1,
            tool_out=comparison is not Comparison.ALONE and await self._value(recorded_metrics.TOOL_OUT, {}) == 1,
            evidence={
                "at": datetime.now(UTC).isoformat(timespec="seconds"),
                "verdict": verdict,
                "comparison": comparison.name.lower(),
                "scores": scores,
            },
        )

    async def _comparison(self, metric: Metric, who: Labels) -> Comparison:
        """Raises PrometheusError for a number that means nothing here."""
        found = await self._value(metric, who)
        try:
            return Comparison.COMPARING if found is None else Comparison(round(found))
        except ValueError:
            raise PrometheusError("Prometheus has a comparison that this version does not know") from None

    async def _experience(self, who: Labels, limits: Mapping[str, float]) -> Mapping[str, Any]:
        shares = await self._by("signal", recorded_metrics.DECISION_SHARE, who)
        lower = await self._by("signal", recorded_metrics.DECISION_LOWER, who)
        baseline = await self._by("signal", recorded_metrics.BASELINE_SHARE, who)
        scores = await self._by("signal", recorded_metrics.DECISION_SCORE, who)
        turns = await self._ask(recorded_metrics.DECISION_TURNS, who)
        return {
            "window": next((labels["window"] for labels, _ in turns), None),
            "turns": next((value for _, value in turns), None),
            "sessions": await self._value(recorded_metrics.DECISION_SESSIONS, who),
            "signals": {
                name: {
                    "share": share,
                    "lower": lower.get(name),
                    "limit": limits.get(name),
                    "baseline": baseline.get(name),
                    "score": scores.get(name),
                }
                for name, share in sorted(shares.items())
            },
        }

    async def _money(self, who: Labels) -> Mapping[str, Any]:
        return {
            "session_usd": await self._value(recorded_metrics.COST_SESSION, who),
            "limit_usd": await self._value(recorded_metrics.COST_LIMIT, {"tier": who["tier"]}),
            "before_usd": await self._value(recorded_metrics.COST_BEFORE, who),
        }

    async def _breaching(self, tier: Labels, limits: Mapping[str, float]) -> frozenset[str]:
        """The policies of a tier that are significantly over a limit of experience, or over their limit of cost."""
        lower = await self._ask(recorded_metrics.DECISION_LOWER, tier)
        suffered = {labels["policy"] for labels, value in lower if value > limits.get(labels["signal"], math.inf)}
        return frozenset(suffered | await self._expensive(tier))

    async def _expensive(self, tier: Labels) -> set[str]:
        """The policies of a tier whose average session costs more than is allowed, with enough sessions to say so."""
        allowed_usd = await self._value(recorded_metrics.COST_LIMIT, tier)
        if allowed_usd is None:
            return set()
        known = {
            labels["policy"] for labels, value in await self._ask(recorded_metrics.COST_WINDOW, tier) if value == 1
        }
        costs = await self._ask(recorded_metrics.COST_SESSION, tier)
        return known & {labels["policy"] for labels, value in costs if value > allowed_usd}

    async def _value(self, metric: Metric, where: Labels) -> float | None:
        """The value of one series; None where there is none."""
        return next((value for _, value in await self._ask(metric, where)), None)

    async def _by(self, label: str, metric: Metric, where: Labels) -> dict[str, float]:
        return {labels[label]: value for labels, value in await self._ask(metric, where)}

    async def _ask(self, metric: Metric, where: Labels) -> list[tuple[Labels, float]]:
        """The finite samples of an instant query. Raises PrometheusError."""
        matches = ", ".join(f'{name}="{value}"' for name, value in where.items())
        try:
            query = {"query": f"{metric.name}{{{matches}}}", "limit": str(MAX_SERIES)}
            answer = await self._client.post(self._url, data=query, timeout=TIMEOUT_S)
            answer.raise_for_status()
            found = [_sample(one) for one in answer.json()["data"]["result"]]
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise PrometheusError(f"Prometheus cannot be asked: {type(error).__name__}") from None
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            raise PrometheusError("Prometheus' answer cannot be read") from None
        return _checked(found, metric.labels)


def _sample(one: Any) -> tuple[Labels, float]:
    return dict(one["metric"]), float(one["value"][1])


def _checked(found: Iterable[tuple[Labels, float]], labels: tuple[str, ...]) -> list[tuple[Labels, float]]:
    """The finite samples. Raises PrometheusError where they are not what this version's rules record."""
    finite = [(metric, value) for metric, value in found if math.isfinite(value)]
    if any(label not in metric for metric, _ in finite for label in labels):
        raise PrometheusError("Prometheus' answer lacks a label: are its rules those of this version?")
    if len({tuple(metric[label] for label in labels) for metric, _ in finite}) < len(finite):
        raise PrometheusError("Prometheus has a number twice: do two sets of rules record it?")
    return finite
