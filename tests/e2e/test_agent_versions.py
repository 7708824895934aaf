"""A version of an agent is tried on real sessions: who gets it, what is counted, and that everybody is moved back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from agent.ledger.policy_store import SqlPolicyStore
from agent.ledger.tables import sessions
from agent.policy.service import PolicyService
from tests.support.agent_versions import write_versions
from tests.support.stack import Stack, running_stack, sample
from voice_loadtest.typed_caller import TypedCaller

pytestmark = pytest.mark.slow
PROMPTS = {1: "You are version 1.", 2: "You are version 2."}


def prompts(stack: Stack, session: str) -> set[int]:
    """Which versions' prompts the model was given in a session."""
    asked = [one for one in stack.sandbox.world.log.entries if one.session == session and one.provider == "anthropic"]
    return {version for version, text in PROMPTS.items() for one in asked if text in str(one.body)}


def ready(caller: TypedCaller) -> dict[str, Any]:
    return caller.of("session.ready")[-1]


async def test_a_share_of_sessions_gets_a_version_keeps_it_and_the_next_ones_go_back(tmp_path: Path) -> None:
    folder = write_versions(tmp_path, 1, 2)
    async with running_stack(agents_dir=folder, agent="hotel") as stack:
        store = SqlPolicyStore(stack.wiring.ledger.engine, agents=True)
        service = PolicyService(stack.wiring.agents.versions["hotel"], store)
        await service.assign("hotel", {"1": 50, "2": 50}, "me", "a canary")
        await stack.wiring.versions.catch_up()
        callers = [TypedCaller(stack.url) for _ in range(8)]
        for caller in callers:
            await caller.open()
        had = {caller.session: ready(caller)["agent_version"] for caller in callers}
        assert set(had.values()) == {1, 2}
        tried = next(caller for caller in callers if had[caller.session] == 2)
        await service.rollback("hotel", "me", "worse")
        await stack.wiring.versions.catch_up()
        await tried.lose()
        await tried.open()
        assert (ready(tried)["resumed"], ready(tried)["agent_version"]) == (True, 2), "it keeps what it began with"
        later = TypedCaller(stack.url)
        await later.open()
        assert ready(later)["agent_version"] == 1
        await tried.say("hello")
        await later.say("hello")
        assert (prompts(stack, tried.session), prompts(stack, later.session)) == ({2}, {1})
        for caller in (*callers, later):
            await caller.close()
        await stack.quiet()
        assert await stack.wiring.ledger.flush(10)
        async with stack.wiring.ledger.engine.connect() as connection:
            row = select(sessions.c.id, sessions.c.agent, sessions.c.agent_version)
            stored = {id: (agent, version) for id, agent, version in await connection.execute(row)}
        assert stored == {name: ("hotel", version) for name, version in {**had, later.session: 1}.items()}
        text = await stack.metrics()
        counted = {
            role: sample(text, "voice_agent_agent_sessions_total", agent="hotel", role=role)
            for role in ("stable", "canary")
        }
        canaries = sum(version == 2 for version in had.values())
        assert counted == {"stable": len(had) + 1 - canaries, "canary": canaries}
