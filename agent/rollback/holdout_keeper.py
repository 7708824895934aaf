"""Raises a holdout while something is watched, once for all replicas, and gives it back; or proposes it to a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog

from agent.policy.decisions import Decision, Mode, Outcome, Reason, RollbackAlert
from agent.policy.evidence import Finding
from agent.policy.holdout import plan_holdout
from agent.policy.store import PolicyStore, PolicyTransaction
from agent.rollback.decider import Followed, Tell, made_known
from agent.telemetry.exposition import Metrics

PROPOSAL = "HoldoutProposed"

log = structlog.get_logger()


class HoldoutKeeper:
    """Of policies, with a tier and its baseline; of versions, with an agent and its stable version."""

    def __init__(
        self, watch: Followed, store: PolicyStore, mode: Mode, metrics: Metrics, tell: Sequence[Tell] = ()
    ) -> None:
        self._watch = watch
        self._store = store
        self._mode: Mode = mode
        self._metrics = metrics
        self._tell = tell

    async def plan(
        self, tier: str, baseline: str, findings: Mapping[str, Finding], at: datetime, *, raised: bool
    ) -> None:
        """Raises the holdout, or gives back one that is `raised`. Raises what the store raises."""
        if self._mode == "off" or not (raised or any(finding.watched for finding in findings.values())):
            return
        async with self._store.reading() as reader:
            if plan_holdout(baseline, tier, await reader.history(tier), findings, at) is None:
                return
        async with self._store.transaction() as transaction:  # another replica may have been faster
            change = plan_holdout(baseline, tier, await transaction.history(tier), findings, at)
            if change is None:
                return
            if self._mode == "recommend":
                await self._propose(transaction, tier, findings, change.weights, at)
                return
            await transaction.change(change, at)
            log.warning("holdout", tier=tier, cause=change.cause, weights=dict(change.weights))
        await self._watch.catch_up()

    async def _propose(
        self,
        transaction: PolicyTransaction,
        tier: str,
        findings: Mapping[str, Finding],
        weights: Mapping[str, int],
        at: datetime,
    ) -> None:
        policy, finding = max(findings.items(), key=lambda one: one[1].score)
        since = finding.since or at
        alert = RollbackAlert(PROPOSAL, f"holdout:{tier}:{policy}", since, tier, policy, "experience")
        if await transaction.decision(alert, self._mode) is not None:
            return
        evidence = {"at": at.isoformat(timespec="seconds"), "score": finding.score, "weights": dict(weights)}
        short = tier if alert.of_agent else tier[0]
        decision = Decision(
            f"h{since:%y%m%d%H%M}{short}", at, alert, self._mode, Outcome.RECOMMENDED, Reason.HOLDOUT, evidence
        )
        await transaction.save(decision)
        made_known(decision, self._metrics, self._tell)
