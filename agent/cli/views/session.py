"""One session in a terminal: the waterfall of every turn, then the bill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.cli.views.period import DIM, OVER, dollars, short_model, titled
from agent.core.audio import SAMPLE_RATE
from agent.core.calls import Unit
from agent.reports.session import Position, SessionReport, TurnView
from agent.telemetry.timeline import NETWORK_CAP_S, WITHOUT_REPLY

_BAR: Final = 56  # columns of a waterfall's time axis, where there is room
_NAME: Final = 26
_AROUND: Final = 2 + _NAME + 1 + len(" 12,345 ms")  # columns of a line beside its axis
_PATH: Final = ("speech_ended", "transcript_ready", "first_clause", "first_audio", "audio_sent")
_COLOURS: Final = {"stt": "cyan", "llm": "magenta", "tool": "blue", "tts": "yellow", "send": "white"}
_NETWORK: Final = "green"
_MICRO: Final = 6  # digits of an amount in a bill: what a turn costs is a fraction of a hundredth of a cent

_TOKENS: Final = {
    Unit.INPUT_TOKENS: "tokens in",
    Unit.CACHE_WRITE_TOKENS: "cache write",
    Unit.CACHE_READ_TOKENS: "cache read",
    Unit.OUTPUT_TOKENS: "tokens out",
}


def session_view(report: SessionReport, width: int) -> RenderableType:
    """The session's waterfalls and its bill, in so many columns."""
    how = report.outcome or "running, or its end was never written"
    lasted = "" if report.duration_s is None else f", {report.duration_s:.1f} s"
    head = Text.assemble(
        (f"session {report.session_id}", "bold"),
        f"\n{report.tier} · {report.policy} v{report.policy_version}",
        "" if report.agent is None else f" · {report.agent} v{report.agent_version}",
        f" · began {report.started_at:%Y-%m-%d %H:%M:%S} UTC{lasted} · {how}\n",
        (f"{dollars(report.usd, _MICRO)}", "bold"),
        "; listening and notes belong to no turn\n",
    )
    bar = max(10, min(_BAR, width - _AROUND))
    return Group(head, *(_waterfall(turn, bar) for turn in report.turns), _bill(report))


def _waterfall(turn: TurnView, bar: int) -> Text:
    """A line per stage and call on one time axis, from the first mark to the last thing that happened."""
    marks: Mapping[str, float] = turn.timeline["marks"]
    calls: Sequence[Mapping[str, Any]] = turn.timeline["calls"]
    last = max([*marks.values(), *(call["end_ms"] for call in calls)], default=0.0) or 1.0
    text = Text.assemble(
        (f"turn {turn.turn}", "bold"),
        f"  {turn.outcome}, {_waited(turn)}, {answering(turn)}, {dollars(turn.usd, _MICRO)}",
        (f"  over: {', '.join(turn.over_budget)}" if turn.over_budget else "", OVER),
        "\n",
    )
    before = marks.get(_PATH[0])
    for stage, mark in zip(("stt", "llm", "tts", "send"), _PATH[1:], strict=True):
        at = marks.get(mark)
        if before is None or at is None:
            break
        reached = max(before, at)
        if stage == "llm" and (tool_ms := float(turn.timeline.get("tool_ms", 0.0))):
            # stages stand one after the other, though a model is asked before and after a tool
            asked = max(before, reached - tool_ms)
            _line(text, stage, (before, asked), last, bar, _COLOURS[stage])
            stage, before = "tool", asked
        _line(text, stage, (before, reached), last, bar, _COLOURS[stage])
        before = reached
    else:
        if before is not None and turn.voice_to_voice_s is not None and turn.network_s is not None:
            network_ms = min(turn.network_s, NETWORK_CAP_S) * 1000
            _line(text, "network", (before, before + network_ms), max(last, before + network_ms), bar, _NETWORK)
    for call in calls:
        name = f"  {call['provider']}" + ("" if call["outcome"] == "ok" else f" ({call['outcome']})")
        style = DIM if call["outcome"] == "ok" else "red"
        _line(text, name, (call["start_ms"], call["end_ms"]), last, bar, style)
    return text


def answering(turn: TurnView) -> str:
    """The model that was chosen and, where another answered or none did, who."""
    if turn.model is None or turn.answered_by == turn.model:
        return turn.model or "no model"
    return f"{turn.model} → {turn.answered_by or 'nobody'}"


def _waited(turn: TurnView) -> str:
    if turn.spoken and turn.outcome in WITHOUT_REPLY:
        return "no reply"
    return "not measured" if turn.voice_to_voice_s is None else f"{turn.voice_to_voice_s * 1000:,.0f} ms voice to voice"


def _line(text: Text, name: str, span: tuple[float, float], last: float, bar: int, style: str) -> None:
    start, end = (min(max(at, 0.0), last) for at in span)
    left = min(int(bar * start / last), bar - 1)
    width = max(1, round(bar * end / last) - left)
    text.append(f"  {name[:_NAME]:<{_NAME}} ")
    text.append(" " * left + "█" * width + " " * (bar - left - width), style=style)
    text.append(f" {span[1] - span[0]:>6,.0f} ms\n")


def _bill(report: SessionReport) -> Table:
    table = titled("Bill")
    table.add_column("cause", no_wrap=True)
    table.add_column("quantity", no_wrap=True)
    table.add_column("cost", justify="right", no_wrap=True)
    table.add_column("price of", no_wrap=True)
    counted = [_quantity(line) for line in report.bill]
    widest = max((len(number) for number, _ in counted), default=0)
    for line, (number, unit) in zip(report.bill, counted, strict=True):
        table.add_row(
            short_model(f"{line.provider} {line.model}"),
            line.cause,
            f"{number:>{widest}} {unit}",
            Text(dollars(line.usd, _MICRO), style=OVER if line.usd is None else ""),
            "–" if line.price_version is None else line.price_version.partition("/")[0],
        )
    table.add_section()
    table.add_row("", "", "", Text(dollars(report.usd, _MICRO), style="bold"), "")
    if any(line.estimated for line in report.bill):
        table.caption, table.caption_justify = "≈ estimated by us: the call was broken off", "left"
    return table


def _quantity(line: Position) -> tuple[str, str]:
    """The number and what it counts; audio in seconds, as a person counts it."""
    unit, about = Unit(line.unit), "≈ " if line.estimated else ""
    if unit is Unit.AUDIO_SAMPLES:
        return f"{about}{line.quantity / SAMPLE_RATE:,.1f}", "s of audio"
    return f"{about}{line.quantity:,}", _TOKENS.get(unit, unit)
