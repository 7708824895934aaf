"""Alertmanager's webhook on the running service: what is decided, what changes nothing, and what is counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from agent.budgets import Tier
from agent.policy.watcher import AssignmentWatcher
from agent.telemetry.recorded_metrics import COST_SESSION, COST_WINDOW, KEEP, POLICY_OUTAGE, ROLL_BACK
from tests.support.operations import ALERTS, HAIKU, notification, running_ops
from tests.support.stack import running_service, running_stack
from tests.support.websocket_client import START, dial, ending, say, token_of, until


async def test_a_bad_policy_is_rolled_back_and_everybody_hears_of_it() -> None:
    async with running_ops() as ops:
        assert ops.weights == HAIKU
        assert await ops.result(notification()) == "decided"
        assert ops.weights == {"sonnet_first": 100}
        [decision] = await ops.ask("decisions")
        assert (decision["outcome"], decision["reason"], decision["mode"]) == ("rolled_back", "verdict", "auto")
        assert (decision["from_revision"], decision["to_revision"]) == (1, 2)
        assert decision["evidence"]["signals"]["slow_turns"] == {
            "share": 0.18, "lower": 0.17, "limit": 0.05, "baseline": 0.03, "score": 1.2,
        }  # fmt: skip
        assert (decision["evidence"]["turns"], decision["evidence"]["sessions"]) == (240, 31)
        who = {"tier": "free", "policy": "haiku_first"}
        assert await ops.counted("decisions_total", outcome="rolled_back", reason="verdict", **who) == 1
        assert await ops.counted("policy_weight_percent", tier="free", policy="sonnet_first") == 100
        await asyncio.to_thread(ops.outside.told.wait, 10)
        [message] = ops.outside.said
        assert message["text"].splitlines() == [
            "Rolled back haiku_first for free callers",
            "• slow turns 18.0 % (limit 5.0 %, baseline 3.0 %)",
            "• over 1h: 240 turns, 31 sessions",
            f"next: `voice-agent decisions undo {decision['id']}`",
            "board: http://grafana.example/d/voice-agent-ux?var-tier=free&var-policy=haiku_first",
        ]


async def test_the_same_alert_again_changes_nothing_also_after_the_rollback_was_taken_back() -> None:
    async with running_ops() as ops:
        assert await ops.result(notification()) == "decided"
        assert await ops.result(notification()) == "repeated"
        [decision] = await ops.ask("decisions")
        undone = await ops.do(f"decisions/{decision['id']}/undo", reason="the board was wrong")
        assert (undone.status_code, undone.json()["weights"], undone.json()["cause"]) == (200, HAIKU, "undo")
        assert ops.weights == HAIKU
        assert await ops.result(notification()) == "repeated"
        assert ops.weights == HAIKU
        again = await ops.do(f"decisions/{decision['id']}/undo")
        assert (again.status_code, "no rollback to take back" in again.json()["detail"]) == (409, True)
        assert [one["cause"] for one in await ops.ask("policies/history?tier=free")] == ["undo", "rollback", "first"]


async def test_a_baseline_whose_calls_cost_too_much_does_not_come_back_by_itself() -> None:
    async with running_ops() as ops:
        baseline = {"tier": "free", "policy": "sonnet_first"}
        ops.outside.samples += [(COST_SESSION, baseline, 0.12), (COST_WINDOW, baseline | {"window": "6h"}, 1)]
        assert await ops.result(notification(verdict="cost")) == "decided"
        [decision] = await ops.ask("decisions")
        assert (decision["outcome"], decision["reason"]) == ("held", "target_in_breach")
        assert ops.weights == HAIKU


async def test_a_few_dear_calls_of_the_baseline_hold_nothing_back() -> None:
    async with running_ops() as ops:
        baseline = {"tier": "free", "policy": "sonnet_first"}
        ops.outside.samples += [(COST_SESSION, baseline, 0.4), (COST_WINDOW, baseline | {"window": "24h"}, 0)]
        assert await ops.result(notification(verdict="cost")) == "decided"
        assert ops.weights == {"sonnet_first": 100}


async def test_what_is_held_is_looked_at_again_when_the_alert_is_repeated() -> None:
    async with running_ops() as ops:
        ops.outside.samples.append(
            (POLICY_OUTAGE, {"policy": "haiku_first", "service": "llm", "provider": "anthropic"}, 1.0)
        )
        assert await ops.result(notification()) == "decided"
        assert await ops.result(notification()) == "repeated"
        [held] = await ops.ask("decisions")
        assert (held["outcome"], held["reason"]) == ("held", "outage")
        assert ops.weights == HAIKU
        ops.outside.judge(ROLL_BACK)
        assert await ops.result(notification()) == "decided"
        [acted] = await ops.ask("decisions")
        assert (acted["id"], acted["outcome"]) == (held["id"], "rolled_back")


async def test_by_default_a_person_decides() -> None:
    async with running_ops("recommend") as ops:
        assert await ops.result(notification()) == "decided"
        [decision] = await ops.ask("decisions")
        assert (decision["outcome"], ops.weights) == ("recommended", HAIKU)
        await asyncio.to_thread(ops.outside.told.wait, 10)
        assert "next: `voice-agent policy rollback free`" in ops.outside.said[0]["text"]
        rolled = await ops.do("policies/free/rollback", reason="as recommended")
        assert (rolled.json()["weights"], rolled.json()["actor"]) == ({"sonnet_first": 100}, "operator")
        assert ops.weights == {"sonnet_first": 100}


async def test_switched_off_nothing_is_decided() -> None:
    async with running_ops("off") as ops:
        assert await ops.result(notification()) == "off"
        assert await ops.ask("decisions") == []


async def test_money_has_its_own_numbers() -> None:
    async with running_ops() as ops:
        assert await ops.result(notification(alertname="VoiceAgentRollBackCost", verdict="cost")) == "decided"
        [decision] = await ops.ask("decisions")
        numbers = {name: decision["evidence"][name] for name in ("session_usd", "limit_usd", "before_usd")}
        assert numbers == {"session_usd": 0.21, "limit_usd": 0.1, "before_usd": 0.02}


@pytest.mark.parametrize(
    ("change", "result"),
    [
        ({"status": "resolved"}, "resolved"),
        ({"action": "none"}, "not_for_us"),
        ({"policy": "deleted_yesterday"}, "not_for_us"),
        ({"tier": "gold"}, "malformed"),
        ({"policy": "../../etc"}, "malformed"),
        ({"verdict": "weather"}, "malformed"),
        ({"alertname": ""}, "malformed"),
    ],
)
async def test_alerts_that_are_not_for_us_change_nothing_and_are_counted(change: dict[str, str], result: str) -> None:
    async with running_ops() as ops:
        assert await ops.result(notification(**change)) == result
        assert await ops.counted("alert_notifications_total", result=result) == 1
        assert (await ops.ask("decisions"), ops.weights) == ([], HAIKU)


async def test_a_false_alert_is_held_by_the_numbers_of_the_moment() -> None:
    async with running_ops() as ops:
        ops.outside.judge(KEEP)
        assert await ops.result(notification()) == "decided"
        [decision] = await ops.ask("decisions")
        assert (decision["outcome"], decision["reason"], ops.weights) == ("held", "verdict", HAIKU)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"not json", "this is no JSON"),
        (b'{"version": "4", "alerts": 7}', "Expected `array`"),
        (b'{"version": "3", "alerts": []}', "version '3' is not known"),
        (b'{"alerts": []}', "missing required field `version`"),
        (b'{"version": "4", "alerts": [{"status": "firing"}]}', "missing required field"),
    ],
)
async def test_what_is_no_notification_is_refused_with_what_is_wrong(body: bytes, why: str) -> None:
    async with running_ops() as ops:
        answer = await ops.send(body)
        assert (answer.status_code, why in answer.json()["detail"]) == (400, True), answer.text
        assert await ops.counted("alert_notifications_total", result="malformed") == 1


async def test_a_body_without_end_is_refused() -> None:
    async with running_ops() as ops:
        answer = await ops.send(b"[" + b" " * 2_000_000)
        assert answer.status_code == 413
        assert await ops.counted("alert_notifications_total", result="malformed") == 1


async def test_without_the_token_nothing_is_read() -> None:
    async with running_ops() as ops:
        answer = await ops.send(notification(), token="guessed")
        assert (answer.status_code, "VOICE_AGENT_ALERTS_TOKEN" in answer.json()["detail"]) == (401, True)
        assert await ops.counted("alert_notifications_total", result="unauthorized") == 1
        operators = await ops.client.get(f"{ops.stack.ops_url}/v1/ops/decisions")
        assert operators.status_code == 401
        with_the_other_token = await ops.client.get(
            f"{ops.stack.ops_url}/v1/ops/policies", headers={"authorization": f"Bearer {ALERTS}"}
        )
        assert with_the_other_token.status_code == 401
        assert ops.weights == HAIKU


async def test_while_prometheus_cannot_be_asked_alertmanager_is_told_to_come_back() -> None:
    async with running_ops() as ops:
        ops.outside.status = 503
        assert (await ops.send(notification())).status_code == 503
        ops.outside.status, ops.outside.broken = 200, True
        assert (await ops.send(notification())).status_code == 503
        assert await ops.counted("alert_notifications_total", result="unavailable") == 2
        assert (await ops.ask("decisions"), ops.weights) == ([], HAIKU)
        ops.outside.broken = False
        assert await ops.result(notification()) == "decided"


async def test_without_tokens_the_doors_are_shut_and_say_how_to_open_them() -> None:
    async with running_stack() as stack, httpx.AsyncClient(base_url=stack.ops_url) as client:
        for method, path, setting in (
            ("POST", "/v1/ops/alerts", "VOICE_AGENT_ALERTS_TOKEN"),
            ("GET", "/v1/ops/policies", "VOICE_AGENT_OPERATOR_TOKEN"),
        ):
            answer = await client.request(method, path, headers={"authorization": "Bearer x"})
            assert (answer.status_code, setting in answer.json()["detail"]) == (403, True)


async def test_an_operator_assigns_and_is_told_what_is_wrong() -> None:
    async with running_ops() as ops:
        made = await ops.do("policies/premium/assign", weights={"economy": 10, "haiku_first": 90}, reason="a canary")
        assert (made.status_code, made.json()["revision"]) == (200, 2)
        overview = await ops.ask("policies")
        assert overview["assignments"]["premium"]["weights"] == {"economy": 10, "haiku_first": 90}
        assert {policy["name"] for policy in overview["policies"]} == {"haiku_first", "sonnet_first", "economy", "fast"}
        wrong: list[tuple[str, dict[str, Any], int, str]] = [
            ("policies/premium/assign", {"weights": {"economy": 10}}, 409, "sum to 100"),
            ("policies/gold/assign", {"weights": {"economy": 100}}, 400, "free, premium"),
            ("policies/free/assign", {"weights": "all"}, 400, "Expected `object`"),
            ("policies/free/assign", {"shares": {}}, 400, "the body cannot be read"),
            ("decisions/none/undo", {}, 409, "there is no decision none"),
        ]
        for path, body, status, why in wrong:
            answer = await ops.do(path, **body)
            assert (answer.status_code, why in answer.json()["detail"]) == (status, True), answer.text


async def test_of_two_who_roll_back_at_the_same_moment_one_is_told_so() -> None:
    async with running_ops() as ops:
        await ops.do("policies/free/assign", weights={"economy": 100})
        answers = await asyncio.gather(*(ops.do("policies/free/rollback", seen=2) for _ in range(2)))
        assert sorted(answer.status_code for answer in answers) == [200, 412]
        assert (await ops.ask("policies"))["assignments"]["free"]["revision"] == 3
        url = f"{ops.stack.ops_url}/v1/ops/policies/free/rollback"
        without = await ops.client.post(url, headers=ops.operator)
        assert (without.status_code, "If-Match" in without.json()["detail"]) == (428, True)
        for seen in ("x", "1,2", "*", "9" * 40):
            wrong = await ops.client.post(url, headers={**ops.operator, "if-match": seen})
            assert wrong.status_code == 400, seen
        long = await ops.do("policies/free/rollback", reason="x" * 60_000)
        assert long.status_code in (400, 413)
        assert (await ops.do("policies/free/rollback", reason="x" * 201)).status_code == 400


async def in_force(watch: AssignmentWatcher, weights: dict[str, int]) -> None:
    """Waits until a process gives new free sessions these policies."""
    while True:
        if dict(watch.book.assignments[Tier.FREE].weights) == weights:
            return
        await asyncio.sleep(0.02)


async def test_a_rollback_reaches_another_process_within_two_seconds() -> None:
    async with running_ops() as ops:
        settings = {
            "sandbox_url": ops.stack.sandbox.url,
            "database_url": ops.stack.wiring.settings.database_url,
            "log_level": "error",
        }
        async with running_service(settings) as (_, _, other, _):
            await in_force(other.watch, HAIKU)
            await ops.result(notification())
            async with asyncio.timeout(2):
                await in_force(other.watch, {"sonnet_first": 100})


async def test_a_session_keeps_its_policy_while_the_next_gets_another() -> None:
    async with running_ops() as ops:
        token = await token_of(ops.stack)
        async with dial(ops.stack, token) as before:
            await before.send(START)
            first = (await until(before, "session.ready"))["policy"]
            assert first in HAIKU
            await ops.do("policies/free/assign", weights={"economy": 100})
            before.transport.abort()
        async with dial(ops.stack, token) as again, dial(ops.stack, await token_of(ops.stack)) as new:
            await again.send(START)
            await new.send(START)
            resumed, other = await until(again, "session.ready"), await until(new, "session.ready")
            assert (resumed["resumed"], resumed["policy"]) == (True, first)
            assert other["policy"] == "economy"
            for socket in (again, new):
                await socket.send('{"type": "hangup"}')
                await ending(socket)
        await ops.stack.quiet()
        assert await ops.counted("sessions_total", policy=first) == 1
        assert await ops.counted("sessions_total", policy="economy") == 1


async def test_a_session_keeps_its_policy_in_another_process_too() -> None:
    async with running_ops() as ops:
        given: dict[str, Any] = {
            "sandbox_url": ops.stack.sandbox.url,
            "database_url": ops.stack.wiring.settings.database_url,
            "log_level": "error",
        }
        async with running_service(given) as (url, _, _, _):
            async with dial(ops.stack, await token_of(ops.stack)) as before:
                await before.send(START)
                ready = await until(before, "session.ready")
                await say(before, "book a room")
                await until(before, "turn.metrics")
                await ops.do("policies/free/assign", weights={"economy": 100})
                before.transport.abort()
            elsewhere = replace(ops.stack, url=url)
            async with dial(elsewhere, ready["resume_token"]) as after:
                await after.send(START)
                resumed = await until(after, "session.ready")
                assert (resumed["resumed"], resumed["policy"]) == (True, ready["policy"])
                assert ready["policy"] in HAIKU
