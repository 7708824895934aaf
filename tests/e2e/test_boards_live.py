"""Both boards against a real Prometheus that scraped the real service under a load: no query may come back empty."""

from __future__ import annotations

import asyncio
import math
import os
import re
import sys
import time
from bisect import bisect_left
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent.billing.prices import PriceBook, load_prices
from agent.reports.period import Experience, PeriodReport, PeriodSpending, Quantiles, make_report
from agent.telemetry.catalog import STAGE_BUCKETS, TURN_BUCKETS
from agent.telemetry.exposition import MAX_SERIES
from agent.telemetry.recorded_metrics import KEEP
from alerts.recording.groups import recording_groups
from alerts.recording.model import Sample
from tests.support.board_traffic import UNPRICED_VOICE, mixed_load, policies_file, prices_file
from tests.support.boards import Asked, queries, with_variables
from tests.support.fakes import stand_in
from tests.support.operations import ALERTS, notification
from tests.support.paths import ROOT
from tests.support.prometheus import PrometheusServer, needs_prometheus, running_prometheus
from tests.support.receivers import Receiver, receiver, sentry_events, spans
from tests.support.stack import Stack, running_stack, sample
from voice_loadtest.records import CallRecord

FASTER = 60.0  # an hour of the rules is a minute
SAID = re.compile(rb"coffee|dark roast|raining|charged twice|meeting room|not-a-key", re.IGNORECASE)
STAGES = ("stt", "llm", "tts", "send", "network")

ALWAYS: dict[str, Any] = {"alert": "MadeUp", "expr": "vector(1)", "labels": {"severity": "page"}}
"""So that the list of alerts is not empty."""
QUIET = {
    "What holds it": "voice_agent:decision:held",
    "Connections refused and cut": "voice_agent_connections_refused_total",
    "Replies that models did not end": "voice_agent_llm_stops_total",
    "Sessions refused": "voice_agent_sessions_refused_total",
    "While callers were listened to": "voice_agent_listening_notes_total",
    "Facts noted for later": "voice_agent_noted_facts_total",
}
"""Panels that list only what is wrong: where they are empty, what they filter must be there all the same."""
OFF = {
    "Begun before the end of the turn, by",
    "What became of early replies",
    "What became of late calls",
    "Knobs switched off by their governor",
    "How often a governor switched",
    "What became of calls of tools",
    "Tools take (p95)",
    "Waiting where a tool is used",
    "MCP servers",
    "Paid tools, dollars an hour",
    "What became of first clauses that were spoken early",
    "Finished sessions told to the webhook",
    "Work beside calls that broke off",
    "How sure it is that a version is worse",
    "Decisions about versions",
}
"""Panels of what no policy of this test switches on."""


@needs_prometheus
@pytest.mark.slow
async def test_boards_traces_reports_and_ledger_tell_the_same_story(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with receiver() as collector, receiver() as sentry, stand_in() as numbers:
        numbers.judge(KEEP)  # the real Prometheus starts after the service; what it says is not what this is about
        settings: dict[str, Any] = {
            "policies_file": policies_file(tmp_path),
            "prices_file": prices_file(tmp_path),
            "resume_grace_s": 0.5,
            "alerts_token": ALERTS,
            "prometheus_url": numbers.url,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "SENTRY_DSN": sentry.url.replace("://", "://public@") + "/42",
        }
        began = time.time()
        async with running_stack(**settings) as stack:
            groups = recording_groups(FASTER, least=Sample(turns=3, sessions=2))
            groups.append({"name": "firing", "rules": [ALWAYS]})
            async with running_prometheus(tmp_path, stack.ops_url, groups) as prometheus:
                await prometheus.scraped()
                records = await mixed_load(stack)
                await _an_alert_is_decided(stack)
                await prometheus.scraped()
                report = await _report(stack, began, load_prices(settings["prices_file"]))
                text = await stack.metrics()
                await _every_panel_has_data(prometheus, began)
                exemplars = await _exemplars(prometheus, began)
                await _draw(prometheus, began, tmp_path)
        _same_traces(exemplars, records, collector)
        _nothing_said_leaves(collector, sentry)
    _the_ledger_agrees(report, text)
    series = sum(not line.startswith("#") for line in text.splitlines())
    with capsys.disabled():
        sys.stdout.write(f"\n{series} series after {len(records)} calls\n")
    assert series <= MAX_SERIES


async def _an_alert_is_decided(stack: Stack) -> None:
    async with httpx.AsyncClient() as client:
        headers = {"authorization": f"Bearer {ALERTS}"}
        answer = await client.post(f"{stack.ops_url}/v1/ops/alerts", headers=headers, json=notification())
        assert answer.json() == {"results": ["decided"]}


async def _report(stack: Stack, began: float, book: PriceBook) -> PeriodReport:
    ledger = stack.wiring.ledger
    since, until = (datetime.fromtimestamp(at, UTC) for at in (began, time.time() + 1))
    return await make_report(ledger.engine, book, since, until)


async def _every_panel_has_data(prometheus: PrometheusServer, began: float) -> None:
    now = time.time()
    values = {
        "tier": ".*",
        "policy": ".*",
        "agent": ".*",
        "window": "1m",
        "__rate_interval": "10s",
        "__range_s": f"{now - began:.0f}",
        "__range": f"{now - began:.0f}s",
    }
    empty: list[Asked] = []
    for asked in queries():
        expr = with_variables(asked.expr, values)
        if asked.instant:
            found = [series["value"] for series in await prometheus.instant(expr)]
        else:
            found = [pair for series in await prometheus.over(expr, began, now, 1.0) for pair in series["values"]]
        if asked.title in QUIET and not any(math.isfinite(float(value)) for _, value in found):
            there = await prometheus.over(QUIET[asked.title], began, now, 1.0)
            found = [pair for series in there for pair in series["values"]]
        if asked.title not in OFF and not any(math.isfinite(float(value)) for _, value in found):
            empty.append(asked)
    assert not empty, "\n".join(f"{asked.board} #{asked.panel} {asked.title}: {asked.expr}" for asked in empty)


async def _draw(prometheus: PrometheusServer, began: float, folder: Path) -> None:
    """Where the board previewer is installed: draws both boards; no panel may be empty, in error or unsupported."""
    preview = Path(os.environ.get("VOICE_AGENT_PREVIEW", ROOT.parent / "shared" / "preview"))
    if not await asyncio.to_thread((preview / "node_modules").is_dir):
        return
    span = ["--from", f"{began * 1000:.0f}", "--to", f"{time.time() * 1000:.0f}", "--var", "window=1m"]
    for name in ("ux", "cost"):
        board = str(ROOT / "dashboards" / "generated" / f"{name}.json")
        command = ["node", "render.mjs", "--dashboard", board, "--prometheus", prometheus.url, *span]
        command += ["--scrape-interval", "500ms", "--out", str(folder / f"{name}.png"), "--strict"]
        drawing = await asyncio.create_subprocess_exec(
            *command, cwd=preview, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        said, _ = await drawing.communicate()
        assert drawing.returncode == 0, said.decode()


async def _exemplars(prometheus: PrometheusServer, began: float) -> set[str]:
    found = await prometheus.exemplars("voice_agent_turn_latency_seconds_bucket", began, time.time())
    return {exemplar["labels"]["trace_id"] for series in found for exemplar in series["exemplars"]}


def _same_traces(exemplars: set[str], records: list[CallRecord], collector: Receiver) -> None:
    """Exemplars on the board, `turn.metrics` at the caller and the traces at the collector name the same turns."""
    got = spans(collector)
    roots = {span.trace_id: span for span in got if span.name == "turn"}
    told = {turn.trace_id for record in records for turn in record.turns if turn.trace_id is not None}
    assert exemplars
    assert exemplars <= set(roots)
    assert told
    assert told <= set(roots)
    sessions = {(span.trace_id, span.span_id) for span in got if span.name == "session"}
    assert {link for root in roots.values() for link in root.links} <= sessions
    calls = {span.name.split()[0] for span in got if span.trace_id in roots and span.parent_id}
    assert {"chat", "text_to_speech", *STAGES[:4]} <= calls


def _nothing_said_leaves(collector: Receiver, sentry: Receiver) -> None:
    for _, body in (*collector.posts, *sentry.posts):
        assert not SAID.search(body)
    warnings = sentry_events(sentry)
    assert {event["message"] for event in warnings} & {"Turn over budget: llm", "Turn over budget: tts"}
    assert all(event["tags"]["tier"] in ("free", "premium") for event in warnings if event["level"] == "warning")


def _the_ledger_agrees(report: PeriodReport, text: str) -> None:
    """Counts and costs are equal, quantiles lie in the same bucket: the counters began at 0 with the report."""
    assert {found.tier for found in report.experience} == {"free", "premium"}
    for found in report.experience:
        _same_experience(found, text)
    for spent in report.spending:
        _same_spending(spent, text)
    unpriced = sum(
        count for spent in report.spending for name, count in spent.unpriced.items() if UNPRICED_VOICE in name
    )
    assert unpriced == sample(text, "voice_agent_unpriced_usage_total", model=UNPRICED_VOICE) > 0


def _same_experience(found: Experience, text: str) -> None:
    def counted(name: str, **labels: str) -> float:
        return sample(text, f"voice_agent_{name}", tier=found.tier, **labels)

    assert found.turns == counted("turns_total") > 0
    assert found.owed == counted("turns_owed_total") == counted("turn_latency_seconds_count") > 0
    for outcome, count in found.outcomes.items():
        assert count == counted("turns_total", outcome=outcome), outcome
    for budget in ("voice_to_voice", "stt", "llm", "tts", "network"):
        assert found.breaches.get(budget, 0) == counted("budget_breaches_total", budget=budget), budget
    assert found.slow == counted("budget_breaches_total", budget="voice_to_voice")
    _same_buckets(found.voice_to_voice, text, "turn_latency_seconds", TURN_BUCKETS, {"tier": found.tier})
    for stage in STAGES:
        labels = {"tier": found.tier, "stage": stage}
        _same_buckets(found.stages[stage], text, "stage_seconds", STAGE_BUCKETS, labels)


def _same_buckets(found: Quantiles, text: str, name: str, edges: tuple[float, ...], labels: Mapping[str, str]) -> None:
    """The value of the ledger lies in the bucket that Prometheus would interpolate in."""
    counts = [sample(text, f"voice_agent_{name}_bucket", le=repr(edge), **labels) for edge in edges]
    assert found.count == sample(text, f"voice_agent_{name}_count", **labels)
    for share, value in ((0.5, found.p50), (0.95, found.p95)):
        if value is not None:
            bucket = next((at for at, reached in enumerate(counts) if reached >= share * found.count), len(edges))
            assert bisect_left(edges, value) == bucket, (name, labels, share, value)


def _same_spending(spent: PeriodSpending, text: str) -> None:
    def paid(**labels: str) -> float:
        return sample(text, "voice_agent_cost_usd_total", tier=spent.tier, **labels)

    assert paid() == pytest.approx(spent.total_usd, abs=1e-9)
    for service, usd in spent.by_service.items():
        assert paid(service=service) == pytest.approx(usd, abs=1e-9), service
    for cause, usd in spent.by_cause.items():
        assert paid(cause=cause) == pytest.approx(usd, abs=1e-9), cause
    if spent.tier != "none":
        assert spent.sessions == sample(text, "voice_agent_sessions_total", tier=spent.tier)
