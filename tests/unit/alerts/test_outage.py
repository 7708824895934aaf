"""When a provider is out, on made-up calls."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.telemetry.recorded_metrics import PROVIDER_OUTAGE, TOOL_OUT, TOOL_UNWELL
from alerts.__main__ import rule_file
from alerts.recording.groups import recording_groups
from tests.support.promtool import check, counters, needs_promtool

RULES = rule_file(recording_groups())
MINUTES = 60
HAIKU, SONNET = "claude-haiku-4-5", "claude-sonnet-4-5"


def calls(model: str, **per_minute: float) -> dict[str, float]:
    return {
        f'voice_agent_api_calls_total{{service="llm",provider="anthropic",model="{model}",outcome="{outcome}"}}': grown
        for outcome, grown in {"ok": 0.0, "timeout": 0.0, **per_minute}.items()
    }


def breaker(model: str, state: int) -> dict[str, str]:
    return {
        "series": f'voice_agent_breaker_state{{provider="anthropic",model="{model}"}}',
        "values": f"{state}x{MINUTES}",
    }


def outage(folder: Path, per_minute: dict[str, float], expected: int, *states: dict[str, str]) -> None:
    labels = f'{PROVIDER_OUTAGE.name}{{provider="anthropic", service="llm"}}'
    series = [*counters(per_minute, MINUTES), *(states or (breaker(HAIKU, 0), breaker(SONNET, 0)))]
    check(folder, RULES, series, {("30m", PROVIDER_OUTAGE.name): {labels: float(expected)}})


@needs_promtool
def test_a_provider_of_which_every_model_fails_is_out(tmp_path: Path) -> None:
    outage(tmp_path, {**calls(HAIKU, ok=1, timeout=4), **calls(SONNET, overloaded=4)}, 1)


@needs_promtool
def test_a_failing_haiku_beside_a_healthy_sonnet_is_no_outage(tmp_path: Path) -> None:
    outage(tmp_path, {**calls(HAIKU, timeout=10), **calls(SONNET, ok=0.5)}, 0)


@needs_promtool
def test_success_without_output_is_a_failure(tmp_path: Path) -> None:
    outage(tmp_path, {**calls(HAIKU, empty=4, ok=1), **calls(SONNET, empty=4)}, 1)


@needs_promtool
def test_cancelled_calls_and_requests_that_we_made_wrong_are_no_outage(tmp_path: Path) -> None:
    outage(tmp_path, {**calls(HAIKU, cancelled=40, ok=1), **calls(SONNET, bad_request=10)}, 0)


@needs_promtool
def test_a_few_failed_calls_are_no_outage(tmp_path: Path) -> None:
    outage(tmp_path, {**calls(HAIKU, timeout=0.6), **calls(SONNET)}, 0)


@needs_promtool
def test_open_breakers_are_an_outage_though_nothing_is_called(tmp_path: Path) -> None:
    quiet = {**calls(HAIKU, timeout=0.2), **calls(SONNET)}
    outage(tmp_path, quiet, 1, breaker(HAIKU, 2), breaker(SONNET, 1))
    outage(tmp_path, {**quiet, **calls(SONNET, ok=0.5)}, 0, breaker(HAIKU, 2), breaker(SONNET, 0))


@needs_promtool
def test_a_healthy_and_an_idle_provider_are_not_out(tmp_path: Path) -> None:
    outage(tmp_path, {**calls(HAIKU, ok=10, timeout=1), **calls(SONNET)}, 0)
    outage(tmp_path, {**calls(HAIKU), **calls(SONNET)}, 0)


def unwell(folder: Path, per_minute: dict[str, float], expected: int) -> None:
    turns = {'voice_agent_turns_owed_total{tier="free",policy="haiku_first"}': 20.0}
    labels = f'{TOOL_UNWELL.name}{{tool="book_room"}}'
    series = [*counters({**turns, **per_minute}, MINUTES)]
    check(
        folder,
        RULES,
        series,
        {
            ("30m", TOOL_UNWELL.name): {labels: float(expected)},
            ("30m", TOOL_OUT.name): {TOOL_OUT.name: float(expected)},
        },
    )


def tool(**per_minute: float) -> dict[str, float]:
    return {f'voice_agent_tool_calls_total{{tool="book_room",outcome="{name}"}}': n for name, n in per_minute.items()}


def took(seconds: float, per_minute: float) -> dict[str, float]:
    name = 'voice_agent_tool_seconds_%s{tool="book_room"}'
    return {name % "sum": seconds * per_minute, name % "count": per_minute}


@needs_promtool
@pytest.mark.parametrize(
    ("per_minute", "expected"),
    [
        (tool(ok=1, timeout=1, unavailable=2), 1),
        (tool(ok=2, refused=2, timeout=1), 0),  # a no is an answer
        (tool(ok=1, unknown=9, bad_arguments=9), 0),  # the model's fault
        (tool(ok=0, failed=0.9), 0),  # fewer than five, and few turns need it
        ({**tool(ok=2), **took(4.0, 2)}, 1),
        ({**tool(ok=2), **took(2.0, 2)}, 0),
        ({**tool(ok=1.02), **took(9.0, 1.02), 'voice_agent_turns_owed_total{tier="premium",policy="x"}': 90.0}, 0),
    ],
)
def test_a_tool_that_many_turns_need_is_unwell_while_it_fails_or_is_slow(
    tmp_path: Path, per_minute: dict[str, float], expected: int
) -> None:
    unwell(tmp_path, per_minute, expected)
