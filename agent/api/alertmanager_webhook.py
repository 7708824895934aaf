"""`POST /v1/ops/alerts`: Alertmanager's webhook."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog
from litestar import Request, post
from litestar.datastructures import State
from litestar.exceptions import ClientException
from litestar.handlers import HTTPRouteHandler
from litestar.plugins.problem_details import ProblemDetailsException
from pydantic import SecretStr

from agent.api.auth import check_bearer
from agent.api.openapi import ALERTMANAGER
from agent.policy.decisions import Mode, RollbackAlert
from agent.policy.policies import POLICY_NAME
from agent.policy.watcher import AssignmentWatcher
from agent.rollback.decider import Decider, StoreUnavailableError
from agent.rollback.notification import (
    ROLLBACK,
    NotificationError,
    SentAlert,
    asks_for_rollback,
    asks_for_version,
    read_notification,
)
from agent.rollback.prometheus import PrometheusError
from agent.settings import PREFIX
from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics

MAX_BODY: Final = 1024 * 1024  # bytes
RESULTS: Final = (
    "decided",  # a decision was made or changed
    "repeated",  # the same as before
    "resolved",  # not firing
    "not_for_us",  # no `action=rollback`, or about a policy that is in the file no longer
    "off",  # decisions are switched off
    "malformed",
    "unauthorized",
    "unavailable",  # Prometheus or the database: Alertmanager tries again
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class VersionAlerts:
    """Who decides about versions, and the names of the agents. `decider` is None without a Prometheus."""

    agents: Callable[[], Collection[str]]
    decider: Decider | None


async def _considered(decider: Decider | None, alert: RollbackAlert) -> str:
    if decider is None:
        raise PrometheusError(f"{PREFIX}PROMETHEUS_URL is not set: no decision without the numbers")
    return "decided" if await decider.consider(alert) else "repeated"


@dataclass(frozen=True, slots=True)
class AlertmanagerWebhook:
    """What the webhook needs. `decider` is None without the address of a Prometheus."""

    token: SecretStr | None
    mode: Mode
    decider: Decider | None
    watch: AssignmentWatcher
    metrics: Metrics
    versions: VersionAlerts

    def open(self) -> HTTPRouteHandler:
        """The route."""
        for result in RESULTS:
            self.metrics.child(catalog.NOTIFICATIONS, result)

        @post(
            "/v1/ops/alerts",
            status_code=200,
            request_max_body_size=MAX_BODY,
            summary="Alertmanager's webhook",
            security=[{ALERTMANAGER: []}],
        )
        async def alerts(request: Request[Any, Any, State]) -> Mapping[str, Any]:
            try:
                check_bearer(request.headers.get("authorization"), self.token, f"{PREFIX}ALERTS_TOKEN")
            except ProblemDetailsException:
                self._count("unauthorized")
                raise
            return {"results": await self._all(await self._body(request))}

        return alerts

    async def _body(self, request: Request[Any, Any, State]) -> list[SentAlert]:
        try:
            return read_notification(await request.body())
        except ClientException:  # too large
            self._count("malformed")
            raise
        except NotificationError as error:
            self._count("malformed")
            raise ProblemDetailsException(status_code=400, title="Bad Request", detail=str(error)) from None

    async def _all(self, sent: list[SentAlert]) -> list[str]:
        results: list[str] = []
        for alert in sent:
            try:
                result = await self._one(alert)
            except (PrometheusError, StoreUnavailableError) as error:
                self._count("unavailable")
                log.warning("alert not decided", alert=alert.labels.get("alertname", "")[:80], reason=str(error))
                raise ProblemDetailsException(
                    status_code=503, title="Service Unavailable", detail=f"{error}; send it again"
                ) from None
            self._count(result)
            results.append(result)
        return results

    async def _one(self, sent: SentAlert) -> str:
        if sent.status != "firing":
            return "resolved"
        if sent.labels.get("action") != ROLLBACK:
            return "not_for_us"
        if self.mode == "off":
            return "off"
        if "agent" in sent.labels:
            return await self._version(sent)
        policy = sent.labels.get("policy", "")
        if policy not in self.watch.book.policies and POLICY_NAME.fullmatch(policy):
            # its series outlive it for some hours, and nobody can be rolled back from it
            log.info("alert about a policy that is not in the file", policy=policy)
            return "not_for_us"
        try:
            alert = asks_for_rollback(sent, self.watch.book.policies)
        except NotificationError as error:
            log.warning("alert cannot be read", reason=str(error))
            return "malformed"
        return await _considered(self.decider, alert)

    async def _version(self, sent: SentAlert) -> str:
        try:
            alert = asks_for_version(sent, self.versions.agents())
        except NotificationError as error:
            log.warning("alert cannot be read", reason=str(error))
            return "malformed"
        return await _considered(self.versions.decider, alert)

    def _count(self, result: str) -> None:
        self.metrics.add(catalog.NOTIFICATIONS, result)
