"""A policy store on an empty database, and a watcher on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from agent.budgets import Tier
from agent.ledger.database import create_engine, migrate
from agent.ledger.policy_store import SqlPolicyStore
from agent.policy.watcher import AssignmentWatcher
from agent.telemetry.exposition import Metrics
from tests.support.policies import BOOK


@asynccontextmanager
async def stored(url: str) -> AsyncGenerator[SqlPolicyStore]:
    engine = create_engine(url)
    try:
        await migrate(engine)
        yield SqlPolicyStore(engine)
    finally:
        await engine.dispose()


def watch_on(store: SqlPolicyStore) -> tuple[AssignmentWatcher, Metrics, list[tuple[Tier, str]]]:
    metrics, prepared = Metrics(), list[tuple[Tier, str]]()
    watch = AssignmentWatcher(BOOK, store, metrics, lambda tier, policy: prepared.append((tier, policy.name)))
    return watch, metrics, prepared


@asynccontextmanager
async def agents_stored(url: str) -> AsyncGenerator[SqlPolicyStore]:
    """The same for versions of agents."""
    engine = create_engine(url)
    try:
        await migrate(engine)
        yield SqlPolicyStore(engine, agents=True)
    finally:
        await engine.dispose()
