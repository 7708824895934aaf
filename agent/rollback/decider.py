"""Decides about alerts that ask for a rollback: facts, judgement, and the change, written down in one transaction."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent.core.errors import AgentError
from agent.policy.assignments import Choices
from agent.policy.decisions import DAY, Decision, Evidence, Judgement, Outcome, RollbackAlert, RollbackLimits, judge
from agent.policy.store import PolicyStore, PolicyTransaction
from agent.rollback.prometheus import EvidenceSource
from agent.telemetry import catalog
from agent.telemetry.exposition import Metrics

DATABASE_S: Final = 5.0  # a database that takes longer is as good as down: Alertmanager asks again

log = structlog.get_logger()

Tell = Callable[[Decision], None]
"""Hands a decision on to people. Must not wait."""


class StoreUnavailableError(AgentError):
    """The database that holds assignments and decisions cannot be used now."""


class Followed(Protocol):
    """Who follows what is in force."""

    def choices(self, tier: str) -> Choices | None:
        """What new sessions of a tier, or of an agent, can get; None where there is no such agent."""
        ...

    async def catch_up(self) -> None: ...


class Decider:
    """Considers one alert after the other. The same alert in the same mode leads to one row, and at most one change."""

    def __init__(
        self,
        watch: Followed,
        store: PolicyStore,
        facts: EvidenceSource,
        restraint: RollbackLimits,
        metrics: Metrics,
        tell: Sequence[Tell] = (),
    ) -> None:
        self._watch = watch
        self._store = store
        self._facts = facts
        self._restraint = restraint
        self._metrics = metrics
        self._tell = tell

    async def consider(self, alert: RollbackAlert) -> bool:
        """Decides; False when nothing new came of it. Raises PrometheusError, StoreUnavailableError."""
        facts = await self._facts.facts(alert)
        try:
            async with asyncio.timeout(DATABASE_S), self._store.transaction() as transaction:
                decision = await self._decide(transaction, alert, facts)
        except (SQLAlchemyError, OSError) as error:  # TimeoutError is an OSError
            raise StoreUnavailableError(f"the database cannot be used: {type(error).__name__}") from None
        if decision is None:
            return False
        made_known(decision, self._metrics, self._tell)
        if decision.outcome is Outcome.ROLLED_BACK:
            await self._watch.catch_up()
        return True

    async def _decide(self, transaction: PolicyTransaction, alert: RollbackAlert, facts: Evidence) -> Decision | None:
        at = datetime.now(UTC)
        earlier = await transaction.decision(alert, self._restraint.mode)
        if earlier is not None and earlier.final:
            return None
        history = await transaction.history(alert.tier)
        recent = await transaction.rollbacks(alert.tier, at - DAY)
        choices = self._watch.choices(alert.tier)
        if choices is None:
            return None
        judgement = judge(alert, facts, choices, history, recent, self._restraint, at)
        if earlier is not None and (earlier.outcome, earlier.reason) == (judgement.outcome, judgement.reason):
            return None
        return await self._settle(transaction, alert, facts, judgement, at, earlier)

    async def _settle(
        self,
        transaction: PolicyTransaction,
        alert: RollbackAlert,
        facts: Evidence,
        judgement: Judgement,
        at: datetime,
        earlier: Decision | None,
    ) -> Decision:
        revision = None if judgement.change is None else await transaction.change(judgement.change, at)
        decision = Decision(
            id=secrets.token_hex(6) if earlier is None else earlier.id,
            at=at,
            alert=alert,
            mode=self._restraint.mode,
            outcome=judgement.outcome,
            reason=judgement.reason,
            evidence=facts.evidence,
            from_revision=None if revision is None else revision.number - 1,
            to_revision=None if revision is None else revision.number,
        )
        await transaction.save(decision)
        return decision


def made_known(decision: Decision, metrics: Metrics, tell: Sequence[Tell]) -> None:
    """Counts a decision, writes it into the log and tells people."""
    alert = decision.alert
    if alert.of_agent:
        metrics.add(catalog.AGENT_DECISIONS, alert.tier, decision.outcome, decision.reason)
    else:
        metrics.add(catalog.DECISIONS, alert.tier, alert.policy, decision.outcome, decision.reason)
    log.warning(
        "decision",
        decision=decision.id,
        alert=alert.name,
        tier=alert.tier,
        policy=alert.policy,
        verdict=alert.verdict,
        outcome=decision.outcome,
        reason=decision.reason,
        delay_s=round(decision.delay_s, 1),
    )
    for each in tell:
        each(decision)
