"""What an operator does about versions of an agent by HTTP, and how what was decided about them is seen and undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from agent.policy.comparison import Comparison
from agent.telemetry import recorded_metrics
from tests.support.agent_versions import write_versions
from tests.support.operations import Ops, notification, running_ops
from tests.support.stack import running_stack

WORSE = {"alertname": "VoiceAgentAgentVersionWorse", "agent": "hotel", "version": "2", "tier": "", "policy": ""}


async def do(ops: Ops, path: str, seen: int, **body: Any) -> httpx.Response:
    return await ops.do(f"agents/{path}", seen=seen, **body)


def live(ops: Ops) -> dict[int, int]:
    """Percents by version, of new sessions in this process now."""
    return {one.version: one.percent for one in ops.stack.wiring.agents.live() if one.agent == "hotel"}


def judge(ops: Ops, score: float) -> None:
    who = {"agent": "hotel", "version": "2"}
    ops.outside.samples = [
        (recorded_metrics.AGENT_SCORE, who | {"signal": "slow_turns"}, score),
        (recorded_metrics.AGENT_COMPARISON, who, Comparison.ALONE),
    ]


async def test_a_version_is_tried_promoted_and_rolled_back(tmp_path: Path) -> None:
    async with running_ops(agents_dir=write_versions(tmp_path, 1, 2), agent="hotel") as ops:
        (hotel,) = [one for one in await ops.ask("agents") if one["agent"] == "hotel"]
        assert (hotel["versions"], hotel["usual"], hotel["revision"]) == ([1, 2], 1, None)
        made = await do(ops, "hotel/canary", 0, version=2, share=10, reason="shorter prompt")
        assert (made.status_code, made.json()["actor"], made.json()["revision"]) == (200, "operator", 1)
        assert live(ops) == {1: 90, 2: 10}
        kept = await do(ops, "hotel/promote", 1, holdout=5)
        assert (kept.status_code, live(ops)) == (200, {1: 5, 2: 95})
        status = await ops.ask("agents/hotel")
        assert [(one["role"], one["percent"]) for one in status["live"]] == [("stable", 5), ("canary", 95)]
        assert (status["comparison"], status["scores"]["slow_turns"], status["decisions"]) == ("none", 0, [])
        assert (await do(ops, "hotel/promote", 2)).status_code == 200
        assert live(ops) == {2: 100}
        assert (await do(ops, "hotel/rollback", 3)).json()["restores"] == 2
        assert live(ops) == {1: 5, 2: 95}
        assert [one["cause"] for one in await ops.ask("agents/hotel/history")] == ["rollback", *["assign"] * 3]


async def test_what_is_wrong_is_told_as_it_is_of_policies(tmp_path: Path) -> None:
    async with running_ops(agents_dir=write_versions(tmp_path, 1, 2), agent="hotel") as ops:
        wrong: list[tuple[str, int, dict[str, Any], int, str]] = [
            ("motel/canary", 0, {"version": 2, "share": 10}, 404, "there is no agent motel: there are"),
            ("hotel/canary", 0, {"version": 7, "share": 10}, 409, "there is no version 7: there are 1, 2"),
            ("hotel/canary", 0, {"version": 2, "share": 100}, 400, "the body cannot be read"),
            ("hotel/canary", 0, {"version": 2, "percent": 10}, 400, "the body cannot be read"),
            ("hotel/canary", 3, {"version": 2, "share": 10}, 412, "revision 0 is in force, and 3 was expected"),
            ("hotel/canary", 0, {"version": 2, "share": 10, "reason": "x" * 201}, 400, "200 characters"),
            ("hotel/promote", 0, {}, 409, "no version is tried"),
            ("hotel/promote", 0, {"version": 2, "holdout": 60}, 400, "the body cannot be read"),
            ("hotel/rollback", 0, {}, 409, "no version was ever tried"),
        ]
        for path, seen, body, status, why in wrong:
            answer = await do(ops, path, seen, **body)
            assert (answer.status_code, why in answer.json()["detail"]) == (status, True), answer.text
        assert live(ops) == {1: 100}
        url = f"{ops.stack.ops_url}/v1/ops/agents"
        without = await ops.client.post(f"{url}/hotel/canary", headers=ops.operator, json={"version": 2, "share": 10})
        assert (without.status_code, "GET /v1/ops/agents shows" in without.json()["detail"]) == (428, True)
        for path in ("", "/hotel", "/hotel/history"):
            assert (await ops.client.get(url + path)).status_code == 401
        assert (await ops.client.get(f"{url}/motel", headers=ops.operator)).status_code == 404


async def test_the_routes_are_shut_until_there_is_a_token(tmp_path: Path) -> None:
    async with running_stack() as stack, httpx.AsyncClient(base_url=stack.ops_url) as client:
        answer = await client.get("/v1/ops/agents", headers={"authorization": "Bearer x"})
        assert (answer.status_code, "VOICE_AGENT_OPERATOR_TOKEN" in answer.json()["detail"]) == (403, True)


async def test_a_rollback_of_a_version_stands_among_the_decisions_and_can_be_undone(tmp_path: Path) -> None:
    async with running_ops(agents_dir=write_versions(tmp_path, 1, 2), agent="hotel") as ops:
        await do(ops, "hotel/canary", 0, version=2, share=50)
        judge(ops, 1.4)
        assert await ops.result(notification(**WORSE)) == "decided"
        assert await ops.result(notification(starts="2026-11-26T14:00:00Z")) == "decided"
        about = [(one["about"], one["tier"], one["reason"]) for one in await ops.ask("decisions")]
        assert ("agent", "hotel", "dwell") in about
        assert {kind for kind, *_ in about} == {"agent", "policy"}
        assert {one["about"] for one in await ops.ask("decisions?agent=hotel")} == {"agent"}
        assert {one["about"] for one in await ops.ask("decisions?tier=free")} == {"policy"}


async def test_an_operator_takes_the_rollback_of_a_version_back(tmp_path: Path) -> None:
    async with running_ops(agents_dir=write_versions(tmp_path, 1, 2), agent="hotel", rollback_dwell_s=0.0) as ops:
        await do(ops, "hotel/canary", 0, version=2, share=50)
        judge(ops, 1.4)
        assert await ops.result(notification(**WORSE)) == "decided"
        assert live(ops) == {1: 100}
        (decision,) = await ops.ask("decisions?agent=hotel")
        assert (decision["outcome"], decision["to_revision"]) == ("rolled_back", 2)
        undone = await ops.do(f"decisions/{decision['id']}/undo", seen=0, reason="a test call")
        assert (undone.status_code, undone.json()["weights"]) == (200, {"1": 50, "2": 50})
        assert live(ops) == {1: 50, 2: 50}
        again = await ops.do(f"decisions/{decision['id']}/undo", seen=0)
        assert (again.status_code, "no rollback to take back" in again.json()["detail"]) == (409, True)
