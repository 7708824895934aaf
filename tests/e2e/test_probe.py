"""The synthetic caller: its calls come through, count for nobody else, and nobody else can be it."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from agent.billing.prices import load_prices
from agent.ledger.ended_calls import SqlEndedCalls
from agent.policy.evidence import SINCE
from agent.reports.period import make_report
from tests.support.stack import API_KEY, Stack, clip, running_stack, sample
from tests.support.websocket_client import dial, ending
from voice_loadtest.probe_command import probe, probe_once
from voice_loadtest.script import Speak

KEY = "probe-key-0123456789"
GUARDED = ("sessions_total", "turns_total", "turns_owed_total", "session_cost_usd_count", "cost_usd_total")


def _claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    return json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def _claiming(token: str) -> str:
    """The same token with the claim of the synthetic caller, and the signature that it had."""
    head, _, signature = token.split(".")
    body = urlsafe_b64encode(json.dumps({**_claims(token), "probe": True}).encode()).rstrip(b"=").decode()
    return f"{head}.{body}.{signature}"


def _counted(text: str, tier: str) -> dict[str, float]:
    return {name: sample(text, f"voice_agent_{name}", tier=tier) for name in GUARDED}


@pytest.mark.slow
async def test_a_probe_comes_through_and_counts_for_no_policy_and_no_average() -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    async with running_stack(probe_key=KEY) as stack:
        assert (await probe_once(stack.url, KEY))[0] is None
        await stack.quiet()
        text = await stack.metrics()
        ledger = stack.wiring.ledger
        assert await ledger.flush()
        (call,) = await SqlEndedCalls(ledger.engine, ledger.migrated).ended_since(datetime.now(UTC) - SINCE, 10)
        until = datetime.now(UTC) + timedelta(seconds=1)
        report = await make_report(ledger.engine, load_prices(), began, until)
    for tier in ("free", "premium"):
        assert not any(_counted(text, tier).values()), tier
    own = _counted(text, "probe")
    assert all(own.values()), own
    labels = {"tier": "probe", "policy": "probe", "outcome": "completed"}
    assert sample(text, "voice_agent_sessions_total", **labels) == own["sessions_total"] == 1
    assert (call.tier, call.policy) == ("probe", "probe")
    assert {found.tier for found in report.experience} <= {"probe"}


@pytest.mark.slow
async def test_an_ordinary_caller_cannot_claim_to_be_the_probe() -> None:
    async with running_stack(probe_key=KEY) as stack:
        for headers in ({}, {"authorization": f"Bearer {API_KEY}"}):
            token = await _token(stack, headers)
            assert "probe" not in _claims(token)
            async with dial(stack, _claiming(token)) as line:
                _, code = await ending(line)
            assert code == 4401
        await stack.call([Speak(clip("room_01"))], premium=True)
        await stack.quiet()
        text = await stack.metrics()
    assert not any(_counted(text, "probe").values())
    assert sample(text, "voice_agent_sessions_total", tier="premium") == 1


@pytest.mark.slow
async def test_a_probe_whose_key_is_not_the_services_says_so() -> None:
    async with running_stack(probe_key=KEY) as stack:
        refused, _ = await probe_once(stack.url, "another-key-0123456789")
    async with running_stack() as stack:
        unknown, _ = await probe_once(stack.url, KEY)
    for said in (refused, unknown):
        assert said is not None
        assert "API key" in said
        assert KEY not in said


def test_where_nobody_answers_the_command_ends_with_1() -> None:
    done = CliRunner().invoke(probe, ["http://127.0.0.1:9", "--key", KEY])
    assert done.exit_code == 1
    assert KEY not in done.output


async def _token(stack: Stack, headers: dict[str, str]) -> str:
    asked = {"probe": True, "tier": "probe"}
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{stack.url}/v1/sessions", headers=headers, json=asked, params=asked)
        return answer.raise_for_status().json()["token"]
