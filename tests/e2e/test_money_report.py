"""The report against a real Prometheus that scraped the service: counts, dollars, and the buckets of its quantiles."""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from agent.telemetry.catalog import TURN_BUCKETS
from agent.telemetry.timeline import STAGES
from tests.support.billing import HOUSE_RULES, ROOMS, TECHNICAL
from tests.support.paths import ROOT
from tests.support.stack import API_KEY, Stack, clip, running_stack
from voice_loadtest.caller import CallOptions
from voice_loadtest.run import run_load
from voice_loadtest.script import HangUp, Interrupt, Speak, Step, Type, Wait
from voice_loadtest.stack.ports import free_port
from voice_sandbox.faults import FaultKind, FaultRule

CONFIG = """
global: {{ scrape_interval: 1s, scrape_timeout: 1s }}
scrape_configs:
  - job_name: voice-agent
    static_configs: [{{ targets: ["{target}"] }}]
"""

needs_prometheus = pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not installed")


class PrometheusTotals:
    """A running Prometheus that scrapes one service every second."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=5)

    async def answers(self) -> bool:
        try:
            return (await self._client.get("/-/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def close(self) -> None:
        await self._client.aclose()

    async def query(self, expression: str, *labels: str) -> dict[tuple[str, ...], float]:
        """The values by these labels; NaN is left out."""
        answer = (await self._client.get("/api/v1/query", params={"query": expression})).json()
        assert answer["status"] == "success", answer
        values = {
            tuple(found["metric"].get(label, "") for label in labels): float(found["value"][1])
            for found in answer["data"]["result"]
        }
        return {key: value for key, value in values.items() if not math.isnan(value)}

    async def scraped(self, expression: str, expected: float) -> None:
        """Waits until a scrape has seen this."""
        async with asyncio.timeout(20):
            while (await self.query(expression)).get((), 0.0) != pytest.approx(expected, rel=1e-12):  # noqa: ASYNC110
                await asyncio.sleep(0.1)  # another process has no event


@asynccontextmanager
async def running_prometheus(folder: Path, target: str) -> AsyncGenerator[PrometheusTotals]:
    config, port = folder / "prometheus.yml", free_port()
    config.write_text(CONFIG.format(target=urlsplit(target).netloc))
    process = await asyncio.create_subprocess_exec(
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    prometheus = PrometheusTotals(f"http://127.0.0.1:{port}")
    try:
        async with asyncio.timeout(20):
            while not await prometheus.answers():  # noqa: ASYNC110  (another process has no event)
                await asyncio.sleep(0.1)
        yield prometheus
    finally:
        await prometheus.close()
        process.terminate()
        await process.wait()


def script(number: int) -> list[Step]:
    kinds: list[list[Step]] = [
        [Speak(clip("room_01")), Speak(clip("smalltalk_02"))],
        [Speak(clip("billing_02")), Type(TECHNICAL)],
        [Type(ROOMS), Interrupt(clip("barge_02"), after_s=0.4)],
        [Speak(clip("order_01")), Wait(0.2), HangUp()],
        [Speak(clip("smalltalk_03")), Speak(clip("smalltalk_01"))],
    ]
    return kinds[number % len(kinds)]


async def interrupted(stack: Stack) -> None:
    """A call of each tier whose caller talks into a reply while its voice is still being paid for: a slow voice."""
    stack.sandbox.world.faults.add(FaultRule(provider="elevenlabs", kind=FaultKind.SLOW_DRIP, interval_s=0.15))
    for key in (None, API_KEY):
        options = CallOptions(url=stack.url, api_key=key, gap_s=0.2)
        await run_load(1, lambda _: [Type(ROOMS), Interrupt(clip("barge_02"), after_s=0.4)], options)
    stack.sandbox.world.faults.clear()


async def calls(stack: Stack) -> None:
    await interrupted(stack)
    for rule in (
        FaultRule(provider="anthropic", kind=FaultKind.CUT, probability=0.1, after=3),
        FaultRule(provider="elevenlabs", kind=FaultKind.SERVER_ERROR, probability=0.2),
    ):
        stack.sandbox.world.faults.add(rule)
    for key in (None, API_KEY):
        options = CallOptions(url=stack.url, api_key=key, gap_s=0.2)
        await run_load(10, script, options, stagger_s=0.1)
    await stack.quiet()
    assert await stack.wiring.ledger.flush(20)


async def report(database: str) -> dict[str, Any]:
    """What `voice-agent report --json` prints."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VOICE_AGENT_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "agent", "report", "--since", "1h", "--json"),
        cwd=ROOT,
        env=environment | {"VOICE_AGENT_DATABASE_URL": database},
        stdout=subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(out)


@pytest.mark.slow
@needs_prometheus
async def test_the_report_says_what_prometheus_says(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'ledger.db'}"
    settings: dict[str, Any] = {
        "database_url": database,
        "extra_prompt": HOUSE_RULES,
        "free_lag_s": 10.0,
        "any_lag_s": 10.0,
    }
    async with (
        running_stack("instant", context_tokens=12_000, **settings) as stack,
        running_prometheus(tmp_path, stack.ops_url) as prometheus,
    ):
        await prometheus.scraped("sum(voice_agent_turns_total)", 0)
        assert await prometheus.query("voice_agent_turns_total > 0 or voice_agent_cost_usd_total > 0") == {}
        await calls(stack)
        made = await report(database)
        await prometheus.scraped("sum(voice_agent_cost_usd_total)", sum(part["total_usd"] for part in made["spending"]))
        for part in made["experience"]:
            await check_experience(part, prometheus)
        for part in made["spending"]:
            await check_spending(part, prometheus)
        await check_moves(made["experience"], prometheus)
    assert {part["tier"] for part in made["experience"]} == {"free", "premium"}


async def check_experience(part: Mapping[str, Any], prometheus: PrometheusTotals) -> None:
    tier = f'tier="{part["tier"]}"'
    outcomes = await prometheus.query(f"sum by (outcome) (voice_agent_turns_total{{{tier}}}) > 0", "outcome")
    assert {(name,): count for name, count in part["outcomes"].items()} == outcomes
    assert part["turns"] == sum(outcomes.values())
    [owed] = (await prometheus.query(f"sum(voice_agent_turn_latency_seconds_count{{{tier}}})")).values()
    assert part["owed"] == owed == part["voice_to_voice"]["count"] > 0
    breaches = await prometheus.query(
        f'sum by (budget) (voice_agent_budget_breaches_total{{{tier},budget!="session_cost"}}) > 0', "budget"
    )
    assert {(name,): count for name, count in part["breaches"].items()} == breaches
    await check_quantiles("voice_agent_turn_latency_seconds_bucket", tier, part["voice_to_voice"], prometheus)
    for stage in STAGES:
        found = part["stages"][stage]
        labels = f'{tier},stage="{stage}"'
        await check_quantiles("voice_agent_stage_seconds_bucket", labels, found, prometheus)


async def check_moves(parts: Sequence[Mapping[str, Any]], prometheus: PrometheusTotals) -> None:
    labels = ("service", "from_provider", "to_provider", "reason")
    moves = await prometheus.query(f"sum by ({', '.join(labels)}) (voice_agent_fallbacks_total) > 0", *labels)
    told = Counter[str]()
    for part in parts:
        told.update(part["fallbacks"])
    assert told == {f"{service} {one} → {other} ({why})": n for (service, one, other, why), n in moves.items()}
    assert told


async def check_quantiles(metric: str, labels: str, found: Mapping[str, Any], prometheus: PrometheusTotals) -> None:
    """Nearest rank and `histogram_quantile` differ, but never by a bucket."""
    for share, name in ((0.5, "p50"), (0.95, "p95")):
        got = await prometheus.query(f"histogram_quantile({share}, sum by (le) ({metric}{{{labels}}}))")
        if found[name] is None:
            assert got == {}
            continue
        edges = sorted({float(le) for (le,) in await prometheus.query(f"{metric}{{{labels}}}", "le")})
        assert bucket(edges, found[name]) == bucket(edges, got[()]), (labels, name)
        assert set(edges) >= {*TURN_BUCKETS} or metric != "voice_agent_turn_latency_seconds_bucket"


def bucket(edges: list[float], value: float) -> float:
    """The upper edge of the bucket; what lies over the highest finite edge is told as that edge by Prometheus."""
    return next((edge for edge in edges[:-1] if value <= edge), edges[-2])


async def check_spending(part: Mapping[str, Any], prometheus: PrometheusTotals) -> None:
    tier = f'tier="{part["tier"]}"'

    async def dollars(*labels: str) -> dict[str, float]:
        metric = f"sum by ({', '.join(labels)}) (voice_agent_cost_usd_total{{{tier}}}) > 0"
        return {" ".join(key): value for key, value in (await prometheus.query(metric, *labels)).items()}

    def paid(amounts: Mapping[str, float]) -> Any:
        return pytest.approx({name: usd for name, usd in amounts.items() if usd > 0}, rel=1e-9)

    assert await dollars("service") == paid(part["by_service"])
    assert await dollars("provider", "model") == paid(part["by_model"])
    assert await dollars("cause") == paid(part["by_cause"])
    if part["tier"] == "none":  # a busy machine made a provider look slow, and it was probed
        assert (set(part["by_cause"]), part["sessions"]) == ({"probe"}, 0)
        return
    count = await prometheus.query(f"sum(voice_agent_session_cost_usd_count{{{tier}}})")
    total = await prometheus.query(f"sum(voice_agent_session_cost_usd_sum{{{tier}}})")
    assert part["sessions"] == count[()] == 11
    assert part["total_usd"] == pytest.approx(total[()], rel=1e-9)
    await check_quantiles("voice_agent_session_cost_usd_bucket", tier, part["session_usd"], prometheus)
    # levers, from the ledger alone
    assert 0 < part["prompt_cache_ratio"] < 1
    assert 0 < part["audio_cache_ratio"] < 1
    assert 0 < part["sonnet_ratio"] < 1
    assert 0 < part["recogniser_s"] <= part["session_s"]
    assert part["unpriced"] == {}
    assert "interrupted" in part["by_cause"]
