"""A policy that a caller chooses: it is given, decides nothing, and is worth nothing once calls cost money."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.budgets import Tier
from agent.ledger.ended_calls import SqlEndedCalls
from agent.policy.policies import load_policies
from tests.support.stack import API_KEY, Stack, running_stack
from tests.support.websocket_client import START, dial, until
from voice_loadtest.script import Type

SECRET = "a secret of the tests, which is long enough"
THRIFTY = 'name = "thrifty"\nversion = 1\nprompt = "You answer."\npolicies = ["economy"]\n'
PREMIUM = {"authorization": f"Bearer {API_KEY}"}


async def asked(stack: Stack, **asked: str) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.post(f"{stack.url}/v1/sessions", json=asked, headers=PREMIUM)


async def test_calls_with_a_chosen_policy_are_no_evidence() -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    async with running_stack() as stack:
        token = (await asked(stack, policy="economy")).json()["token"]
        chosen = await stack.call([Type("Hello.")], token=token)
        assigned = await stack.call([Type("Hello.")], premium=True)
        await stack.quiet()
        ledger = stack.wiring.ledger
        assert await ledger.flush(10)
        found = await SqlEndedCalls(ledger.engine, ledger.migrated).ended_since(began, 10)
    assert chosen.policy == "economy"
    assert [call.session_id for call in found] == [assigned.session_id]


async def test_a_choice_that_was_free_is_gone_when_the_call_goes_on_where_it_costs_money(tmp_path: Path) -> None:
    kept: dict[str, Any] = {"database_url": f"sqlite+aiosqlite:///{tmp_path}/ledger.db", "token_secret": SECRET}
    async with running_stack(**kept) as stack:
        token = (await asked(stack, policy="economy")).json()["token"]
        async with dial(stack, token) as socket:
            await socket.send(START)
            ready = await until(socket, "session.ready")
            assert ready["policy"] == "economy"
            await stack.registry.drain(5)
    async with running_stack(**kept, openai_api_key="a key of the tests") as paid:
        assert (await asked(paid, policy="economy")).status_code == 403
        async with dial(paid, ready["resume_token"]) as socket:
            await socket.send(START)
            back = await until(socket, "session.ready")
    assert (back["resumed"], back["session_id"]) == (True, ready["session_id"])
    assert back["policy"] == load_policies().assign(Tier.PREMIUM, ready["session_id"]).name != "economy"


@pytest.mark.parametrize("agent", ["thrifty", "receptionist"])
async def test_policies_are_compared_only_where_both_may_serve_the_agent(tmp_path: Path, agent: str) -> None:
    (tmp_path / "thrifty.toml").write_text(THRIFTY, encoding="utf-8")
    async with running_stack(agents_dir=tmp_path, agent=agent) as stack, httpx.AsyncClient() as client:
        offered = {call["name"] for call in (await client.get(f"{stack.url}/sample-calls.json")).json()["calls"]}
        refused = (await asked(stack, policy="fast")).status_code
    assert ("policies" in offered, refused) == ((False, 403) if agent == "thrifty" else (True, 201))
