"""Watches Prometheus, Alertmanager and the service's operator routes, and puts what changes on the timeline."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx

from voice_loadtest.errors import StackError
from voice_loadtest.gameday import queries
from voice_loadtest.gameday.scenario import TIER, version_name
from voice_loadtest.gameday.timeline import GameDayTimeline
from voice_loadtest.stack.processes import LocalStack

WATCHDOG: Final = "VoiceAgentWatchdog"
ASK_TIMES: Final = 10
_TOLD_EVERY_S: Final = 10.0
_SHOWN: Final = (
    "tier",
    "policy",
    "agent",
    "version",
    "stage",
    "service",
    "provider",
    "from_provider",
    "model",
    "reason",
    "instance",
)

_Key = tuple[str, tuple[str, ...]]


@dataclass(slots=True)
class Fired:
    """One alert that fired: its name, severity, when it first did, and whether it still does."""

    name: str
    severity: str
    at: float
    firing: bool = True
    known_to_alertmanager: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision of the service. `delay_s` runs from the start of the alert as Alertmanager told it."""

    outcome: str
    reason: str
    alert: str
    at: float
    delay_s: float
    about: str = "policy"
    """Or `agent`: a version of one."""


@dataclass(slots=True)
class Observer:
    """What was seen so far. `look()` looks again."""

    stack: LocalStack
    client: httpx.AsyncClient
    timeline: GameDayTimeline
    agent: str = ""
    """The agent of which a version is tried, if any."""
    versions: Mapping[str, int] = field(default_factory=dict[str, int])
    """The percents of that agent's versions."""
    fired: dict[_Key, Fired] = field(default_factory=dict[_Key, Fired])
    decisions: list[Decided] = field(default_factory=list[Decided])
    weights: Mapping[str, int] = field(default_factory=dict[str, int])
    revision: int = 0
    causes: list[str] = field(default_factory=list[str])
    """Of the changes of the assignment."""
    held: dict[str, float] = field(default_factory=dict[str, float])
    """What held a rollback, by name, and when it first did."""
    numbers: dict[str, float | None] = field(default_factory=dict[str, "float | None"])
    _pending: set[_Key] = field(default_factory=set[_Key])
    _inhibited: set[_Key] = field(default_factory=set[_Key])
    _outcomes: dict[str, str] = field(default_factory=dict[str, str])
    _told_at: float = 0.0
    _version_revision: int = 0

    async def look(self) -> None:
        """Asks everybody once."""
        await self._prometheus()
        await self._alertmanager()
        await self._decisions()
        await self._policies()
        if self.agent:
            await self._versions()
        for expr in queries.QUESTIONS:
            self.numbers[expr] = await queries.ask(self.client, self._prometheus_url, expr)
        await self._holding()
        now = self.timeline.now()
        if now - self._told_at >= _TOLD_EVERY_S:
            self._told_at = now
            self.timeline.add("now", self._summary())

    async def at_rest(self, most_s: float) -> None:
        """Waits until the rules have a verdict and no alert is about to fire: nothing is there before the first scrape.

        Raises StackError when that takes too long.
        """
        try:
            async with asyncio.timeout(most_s):
                while True:
                    verdict = await queries.ask(self.client, self._prometheus_url, queries.VERDICT)
                    alerts = {alert["labels"]["alertname"] for alert in await self._alerts()}
                    if verdict is not None and alerts <= {WATCHDOG}:
                        return
                    await asyncio.sleep(0.2)
        except TimeoutError:
            raise StackError(f"Prometheus and its rules were not at rest within {most_s:g} s") from None

    async def alert_names(self) -> frozenset[str]:
        """Every alert that the rules have."""
        groups = (await self._get(f"{self._prometheus_url}/api/v1/rules?type=alert"))["data"]["groups"]
        return frozenset(rule["name"] for group in groups for rule in group["rules"])

    def first(self, name: str) -> Fired | None:
        """The earliest firing of an alert with this name."""
        return min((one for one in self.fired.values() if one.name == name), key=lambda one: one.at, default=None)

    @property
    def quiet(self) -> bool:
        """Whether no alert fires, or is about to."""
        return not self._pending and not any(one.firing for one in self.fired.values())

    @property
    def rollback(self) -> Decided | None:
        """Of what the scenario is about."""
        return self.rolled_back("agent" if self.agent else "policy")

    def rolled_back(self, about: str) -> Decided | None:
        """The first rollback of a policy, or of a version of an `agent`."""
        return next((one for one in self.decisions if (one.outcome, one.about) == ("rolled_back", about)), None)

    @property
    def shares(self) -> Mapping[str, int]:
        """What new sessions get of what the scenario is about, in percents."""
        return self.versions if self.agent else self.weights

    @property
    def _prometheus_url(self) -> str:
        return self.stack.prometheus_url or ""

    async def _prometheus(self) -> None:
        now, pending, firing = self.timeline.now(), set[_Key](), set[_Key]()
        for alert in await self._alerts():
            key = _key(alert["labels"])
            if key[0] == WATCHDOG:
                continue
            summary = alert["annotations"].get("summary", "")
            if alert["state"] == "firing":
                firing.add(key)
                known = self.fired.get(key)
                if known is None:
                    self.fired[key] = Fired(key[0], alert["labels"].get("severity", ""), now)
                if known is None or not known.firing:
                    self.fired[key].firing = True
                    self.timeline.add("FIRING", _named(key), summary)
            else:
                pending.add(key)
                if key not in self._pending:
                    self.timeline.add("pending", _named(key))
        for key in self._pending - pending - firing:
            self.timeline.add("withdrawn", _named(key))
        self._pending = pending
        for key, known in self.fired.items():
            if known.firing and key not in firing:
                known.firing = False
                self.timeline.add("resolved", _named(key))

    async def _alertmanager(self) -> None:
        for alert in await self._get(f"{self.stack.alertmanager_url}/api/v2/alerts"):
            key = _key(alert["labels"])
            if key in self.fired:
                self.fired[key].known_to_alertmanager = True
            if alert["status"]["inhibitedBy"] and key not in self._inhibited:
                self._inhibited.add(key)
                self.timeline.add("inhibited", _named(key))

    async def _holding(self) -> None:
        for reason in sorted(await queries.held_by(self.client, self._prometheus_url) - self.held.keys()):
            self.held[reason] = self.timeline.now()
            self.timeline.add("held", f"by {reason}")

    async def _policies(self) -> None:
        found = await self._get(f"{self.stack.ops_url}/v1/ops/policies", operator=True)
        current = found["assignments"][TIER]
        if current["revision"] != self.revision:
            if self.revision:
                self.causes.append(current["cause"])
                shares = ", ".join(f"{name} {percent} %" for name, percent in current["weights"].items() if percent)
                self.timeline.add("assigned", f"{TIER}: {shares} ({current['cause']}, by {current['actor']})")
            self.revision, self.weights = current["revision"], current["weights"]

    async def _versions(self) -> None:
        found = await self._get(f"{self.stack.ops_url}/v1/ops/agents", operator=True)
        (mine,) = [one for one in found if one["agent"] == self.agent]
        self.versions = {version_name(one["version"]): one["percent"] for one in mine["live"]}
        made = mine["revision"]
        if made is None or made["revision"] == self._version_revision:
            return
        self._version_revision = made["revision"]
        shares = ", ".join(f"{name} {percent} %" for name, percent in self.versions.items())
        self.timeline.add("assigned", f"{self.agent}: {shares} ({made['cause']}, by {made['actor']})")

    async def _decisions(self) -> None:
        for one in reversed(await self._get(f"{self.stack.ops_url}/v1/ops/decisions", operator=True)):
            what = f"{one['outcome']}: {one['reason']}"
            if self._outcomes.get(one["id"]) == what:
                continue
            self._outcomes[one["id"]] = what
            at = self.timeline.at(datetime.fromisoformat(one["at"]).timestamp())
            self.decisions.append(
                Decided(one["outcome"], one["reason"], one["alert"], at, one["delay_s"], one["about"])
            )
            whom = f"version {one['policy']} of {one['tier']}"
            if one["about"] == "policy":
                whom = f"{one['policy']} for {one['tier']} callers"
            self.timeline.add("decided", f"{what} · {whom}", *evidence(one))

    async def _alerts(self) -> list[dict[str, Any]]:
        return (await self._get(f"{self._prometheus_url}/api/v1/alerts"))["data"]["alerts"]

    async def _get(self, url: str, *, operator: bool = False) -> Any:
        """An answer; asks again while it is slow or busy. Raises StackError when that does not pass."""
        headers = {"authorization": f"Bearer {self.stack.operator_token}"} if operator else {}
        reason = ""
        for _ in range(ASK_TIMES):
            try:
                answer = await self.client.get(url, headers=headers)
                answer.raise_for_status()
            except httpx.HTTPStatusError as error:
                if error.response.status_code < 500:
                    raise StackError(f"{url} answers {error.response.status_code}") from None
                reason = f"answers {error.response.status_code}"
            except httpx.TransportError as error:
                reason = type(error).__name__
            else:
                return answer.json()
            await asyncio.sleep(1.0)
        raise StackError(f"{url} was asked {ASK_TIMES} times and {reason}")

    def _summary(self) -> str:
        share, turns = self.numbers[queries.SLOW_SHARE], self.numbers[queries.TURNS]
        verdict, usd = self.numbers[queries.VERDICT], self.numbers[queries.SESSION_USD]
        parts = [
            f"slow {_percent(share):>4} of {turns or 0:3.0f} turns",
            f"{self.numbers[queries.LIVE] or 0:2.0f} calls",
            f"${usd:.4f} a call" if usd is not None else "no call has ended",
            f"verdict {queries.VERDICTS[round(verdict)]}" if verdict is not None else "no verdict",
        ]
        return " · ".join(parts)


def evidence(decision: Mapping[str, Any]) -> list[str]:
    """The numbers of a decision that speak for it."""
    numbers = decision["evidence"]
    if decision["verdict"] == "cost":
        usd = {name: numbers.get(name) for name in ("session_usd", "limit_usd", "before_usd")}
        told = {name: "?" if value is None else f"${value:.4f}" for name, value in usd.items()}
        return [f"{told['session_usd']} a session · limit {told['limit_usd']} · baseline {told['before_usd']}"]
    if decision["about"] == "agent":
        scores = ", ".join(f"{name} {score:.1f}" for name, score in numbers.get("scores", {}).items() if score >= 1)
        return [f"{scores} times the bound · compared with the stable version: {numbers.get('comparison')}"]
    turns = numbers.get("turns") or 0
    return [
        f"{name} {_percent(signal['share'])} of {turns:.0f} turns in {numbers['window']}, at least"
        f" {_percent(signal['lower'])} · limit {_percent(signal['limit'])} · baseline {_percent(signal['baseline'])}"
        for name, signal in numbers.get("signals", {}).items()
        if (signal["lower"] or 0) > (signal["limit"] or 1)
    ]


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.0f} %"


def _key(labels: Mapping[str, str]) -> _Key:
    return labels["alertname"], tuple(labels[name] for name in _SHOWN if name in labels)


def _named(key: _Key) -> str:
    name, labels = key
    return " ".join((name, *labels))
