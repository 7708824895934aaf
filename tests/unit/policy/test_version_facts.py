"""What Prometheus says of a version of an agent, when an alert about it is judged."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from agent.policy.comparison import Comparison
from agent.policy.decisions import RollbackAlert
from agent.rollback.prometheus import PrometheusEvidence
from agent.telemetry.recorded_metrics import AGENT_COMPARISON, AGENT_SCORE, ROLL_BACK, TOOL_OUT
from tests.support.policies import NOW

ALERT = RollbackAlert("VoiceAgentAgentVersionWorse", "print", NOW, "hotel", "2", "experience")


@pytest.mark.parametrize(
    ("comparison", "explains"), [(Comparison.ALONE, False), (Comparison.COMPARING, True), (Comparison.FEW_SUFFER, True)]
)
async def test_a_tool_that_is_out_explains_nothing_where_a_version_suffers_alone(
    comparison: Comparison, explains: bool
) -> None:
    version = {"agent": "hotel", "version": "2"}
    recorded: dict[str, list[tuple[dict[str, str], float]]] = {
        AGENT_SCORE.name: [(version | {"signal": "no_reply"}, 1.4)],
        AGENT_COMPARISON.name: [(version, comparison.value)],
        TOOL_OUT.name: [({}, 1.0)],
    }

    def answer(request: httpx.Request) -> httpx.Response:
        name = parse_qs(request.content.decode())["query"][0].partition("{")[0]
        result: list[Any] = [{"metric": labels, "value": [0, str(value)]} for labels, value in recorded.get(name, [])]
        return httpx.Response(200, json={"data": {"result": result}})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        facts = await PrometheusEvidence(client, "http://prometheus").facts(ALERT)
    assert (facts.verdict, facts.comparison, facts.tool_out) == (ROLL_BACK, comparison, explains)
