"""The operator's side of one process: which policies are in force, the routes about them, alerts and decisions."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import httpx
from litestar.types import ControllerRouterHandler
from sqlalchemy.ext.asyncio import AsyncEngine

from agent.api.agent_versions import VersionsApi
from agent.api.alertmanager_webhook import AlertmanagerWebhook, VersionAlerts
from agent.api.decisions import DecisionsApi
from agent.api.operator import operators_router
from agent.api.policies import PoliciesApi
from agent.api.version_status import VersionReports
from agent.definitions.version_service import VersionService
from agent.policy.decisions import RollbackLimits
from agent.policy.service import PolicyService
from agent.policy.signal_tests import signal_tests
from agent.policy.store import PolicyStore
from agent.policy.watcher import AssignmentWatcher
from agent.rollback.decider import Decider
from agent.rollback.evidence import EndedCalls, EvidenceWatcher
from agent.rollback.holdout_keeper import HoldoutKeeper
from agent.rollback.notify import ChatNotifier
from agent.rollback.prometheus import PrometheusEvidence
from agent.rollback.versions import VersionEvidence
from agent.settings import Settings
from agent.telemetry.exposition import Metrics


class Operations:
    """Raises ConfigurationError when automatic rollbacks are wanted and lack what they need."""

    def __init__(
        self,
        settings: Settings,
        watch: AssignmentWatcher,
        store: PolicyStore,
        calls: EndedCalls,
        slow_turn_share: float,
        metrics: Metrics,
        versions: VersionService,
        engine: AsyncEngine,
    ) -> None:
        settings.check_rollbacks()
        self._watch, self._versions = watch, versions.watch
        self._client = httpx.AsyncClient()
        address = settings.chat_webhook_url
        self._chat = None if address is None else ChatNotifier(self._client, address, metrics, settings.dashboard_url)
        tell = () if self._chat is None else (self._chat.tell,)
        tests = signal_tests(slow_turn_share)
        mode, days = settings.rollback_mode, settings.false_rollback_days
        holdouts = HoldoutKeeper(versions.watch, versions.store, mode, metrics, tell)
        tried = VersionEvidence(versions.watch, tests, days, metrics, holdouts)
        self._evidence = EvidenceWatcher(calls, watch, store, tests, mode, days, metrics, tell, tried)
        decider: Decider | None = None
        of_versions: Decider | None = None
        if settings.prometheus_url is not None:
            restraint = RollbackLimits(
                settings.rollback_mode, timedelta(seconds=settings.rollback_dwell_s), settings.rollbacks_per_day
            )
            facts = PrometheusEvidence(self._client, settings.prometheus_url)
            decider = Decider(watch, store, facts, restraint, metrics, tell)
            of_versions = Decider(versions.watch, versions.store, facts, restraint, metrics, tell)
        about_versions = VersionAlerts(lambda: versions.watch.book.versions, of_versions)
        alerts = AlertmanagerWebhook(
            settings.alerts_token, settings.rollback_mode, decider, watch, metrics, about_versions
        )
        policies = PolicyService(watch.book, store)
        reports = VersionReports(versions, calls, engine, tests, days)
        routes = [
            *PoliciesApi(policies, watch).routes(),
            *VersionsApi(reports).routes(),
            *DecisionsApi(policies, watch, versions).routes(),
        ]
        self.routes: list[ControllerRouterHandler] = [alerts.open(), operators_router(settings.operator_token, routes)]

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Follows assignments and ended calls and sends messages while the block runs."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._client)
            await stack.enter_async_context(self._watch.running())
            await stack.enter_async_context(self._versions.running())
            if self._chat is not None:
                await stack.enter_async_context(self._chat.running())
            await stack.enter_async_context(self._evidence.running())
            yield
