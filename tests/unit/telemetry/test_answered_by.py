"""Who answered a turn: the model that was chosen, the one that took over, or nobody; the same in every report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from agent.cli.views.session import session_view
from agent.core.calls import Call, CallOutcome, ErrorKind, Usage
from agent.ledger.rows import timeline_of
from agent.reports.session import SessionReport, TurnView
from agent.telemetry.stages import Mark
from agent.telemetry.timeline import Timeline, ToolCall, TurnOutcome, TurnRecord
from agent.transport.voice_agent_v1.translation import turn_metrics
from tests.support.factories import BUDGETS

IDS = {"haiku": "small-1", "sonnet": "large-1"}


def asked(model: str, outcome: CallOutcome, *, at: float = 0.5, wrote: bool = True) -> Call:
    return Call("llm", "anthropic", model, outcome, at, at + 0.1 if wrote else None, at + 0.2, Usage())


def answered(
    *calls: Call, outcome: TurnOutcome = TurnOutcome.REPLIED, ids: dict[str, str] = IDS, tool_s: float = 0.0
) -> TurnRecord:
    line = Timeline(turn=1, spoken=True, model="haiku", model_ids=ids)
    line.calls.extend(calls)
    for at, mark in enumerate(list(Mark)[:5]):
        line.mark(mark, float(at))
    if tool_s:
        line.waits.append((1.1, 1.1 + tool_s))
    return line.finish(outcome, ended_at=6.0, network_s=0.05, budgets=BUDGETS.latency)


TOOL = ToolCall("look", "ok", 1.1, 1.5)
OUT = asked("small-1", ErrorKind.OVERLOADED, wrote=False)


@pytest.mark.parametrize(
    ("calls", "outcome", "by"),
    [
        ((asked("small-1", "ok"),), TurnOutcome.REPLIED, "haiku"),
        ((OUT, asked("large-1", "ok", at=0.7)), TurnOutcome.REPLIED, "sonnet"),
        ((asked("small-1", ErrorKind.STALLED), asked("large-1", "ok", at=0.7)), TurnOutcome.REPLIED, "sonnet"),
        ((asked("small-1", "cancelled"),), TurnOutcome.INTERRUPTED, "haiku"),
        ((asked("small-1", "ok"), replace(asked("large-1", "cancelled", at=0.7), spare=True)), "replied", "haiku"),
        ((OUT, replace(OUT, model="large-1")), TurnOutcome.APOLOGY, None),
        ((asked("small-1", "ok"),), TurnOutcome.APOLOGY, None),
        ((asked("other-1", "ok"),), TurnOutcome.REPLIED, "other-1"),
    ],
)
def test_who_answered(calls: tuple[Call, ...], outcome: str, by: str | None) -> None:
    record = answered(*calls, outcome=TurnOutcome(outcome))
    assert (record.model, record.answered_by) == ("haiku", by)
    told = turn_metrics(record)
    assert (told.model, told.answered_by) == ("haiku", by)
    assert timeline_of(record)["answered_by"] == by


def test_one_model_behind_both_names_has_the_name_that_was_chosen() -> None:
    record = answered(asked("qwen", "ok"), ids={"sonnet": "qwen", "haiku": "qwen"})
    assert record.answered_by == "haiku"


def shown(record: TurnRecord, **known: Any) -> str:
    view = TurnView(
        1, True, record.outcome, record.model, None, "t", record.reply_after_s, record.network_s, (), 0.0,
        timeline_of(record), **({"answered_by": record.answered_by} | known),
    )  # fmt: skip
    report = SessionReport("s1", "free", "p", 1, None, None, datetime.now(UTC), None, None, None, 0.0, (view,), ())
    written = StringIO()
    Console(file=written, width=120).print(session_view(report, 120))
    return written.getvalue()


def test_the_report_of_a_session_names_who_took_over() -> None:
    assert ", haiku," in shown(answered(asked("small-1", "ok")))
    assert ", haiku → sonnet," in shown(answered(OUT, asked("large-1", "ok", at=0.7)))
    assert ", haiku → nobody," in shown(answered(OUT, outcome=TurnOutcome.APOLOGY))


def test_the_report_has_a_line_for_a_tool_and_its_stages_add_up() -> None:
    record = answered(asked("small-1", "ok"), tool_s=0.4)
    record = replace(record, tools=(TOOL,))
    words = shown(record)
    figures = {line.split()[0]: float(line.split()[-2].replace(",", "")) for line in words.splitlines() if "█" in line}
    stages = {name: figures[name] for name in ("stt", "llm", "tool", "tts", "send", "network")}
    assert (stages["llm"], stages["tool"]) == (600, 400)
    assert record.reply_after_s is not None
    assert sum(stages.values()) == pytest.approx(record.reply_after_s * 1000)
    assert "tool" not in shown(answered(asked("small-1", "ok")))
