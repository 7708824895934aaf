"""The report and the waterfall in a terminal. Experience and cost never share a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.budgets import Budgets, Tier
from agent.ledger.meter import CACHE
from agent.ledger.report import Experience, Quantiles, Report, Spending
from agent.ledger.waterfall import SessionReport, TurnView
from agent.telemetry.timeline import STAGES

_BAR: Final = 56  # columns of a waterfall's time axis
_OVER, _FINE, _DIM = "bold red", "green", "dim"
_PATH: Final = ("speech_ended", "transcript_ready", "first_clause", "first_audio", "audio_sent")
_COLOURS: Final = {"stt": "cyan", "llm": "magenta", "tts": "yellow", "send": "white"}


def dollars(amount: float | None) -> str:
    """An amount with as many digits as it needs: cents for dollars, more for fractions of a cent."""
    if amount is None:
        return "unpriced"
    return (
        f"${amount:,.2f}" if amount >= 10 else f"${amount:,.4f}" if amount >= 0.01 or amount == 0 else f"${amount:.6f}"
    )


def experience_table(report: Report, budgets: Budgets) -> Table:
    """One column per tier, one row per signal; what is over its budget is red."""
    table = _table("Experience", [part.tier for part in report.experience])
    limits = budgets.latency.seconds()

    def row(name: str, cell: Callable[[Experience], Text | str]) -> None:
        table.add_row(name, *(cell(part) for part in report.experience))

    row("turns", lambda part: f"{part.turns:,}")
    row("  owed a reply", lambda part: f"{part.owed:,}")
    row("  slow", lambda part: _share(part.slow, part.owed, budgets.objective.slow_turn_share))
    row("voice to voice p50", lambda part: _ms(part.voice_to_voice.p50))
    row("voice to voice p95", lambda part: _ms(part.voice_to_voice.p95, limits["voice_to_voice"]))
    for stage in STAGES:
        row(f"  {stage} p50 / p95", lambda part, stage=stage: _both(part.stages[stage], limits.get(stage)))
    table.add_section()
    row("breaches", lambda part: _list(part.breaches))
    row("outcomes", lambda part: _list(part.outcomes))
    row("fallbacks", lambda part: _list(part.fallbacks))
    return table


def spending_table(report: Report, budgets: Budgets) -> Table:
    """One column per tier, one row per figure; sessions over their objective are red."""
    table = _table("Cost", [part.tier for part in report.spending])

    def row(name: str, cell: Callable[[Spending], Text | str]) -> None:
        table.add_row(name, *(cell(part) for part in report.spending))

    row("sessions ended", lambda part: f"{part.sessions:,}")
    row("cost per session p50", lambda part: _money(part.session_usd.p50, part, budgets))
    row("cost per session p95", lambda part: _money(part.session_usd.p95, part, budgets))
    row("total", lambda part: Text(dollars(part.total_usd), style="bold"))
    table.add_section()
    row("by service", lambda part: _shares(part.by_service))
    row("by model", lambda part: _shares({_short(name): amount for name, amount in part.by_model.items()}))
    row("by cause", lambda part: _shares(part.by_cause))
    row(
        "waste (retry, interrupted)",
        lambda part: f"{dollars(part.waste_usd)}  {_percent(part.waste_usd, part.total_usd)}",
    )
    row(
        "estimated by us", lambda part: f"{dollars(part.estimated_usd)}  {_percent(part.estimated_usd, part.total_usd)}"
    )
    table.add_section()
    row("Sonnet's share of turns", lambda part: _ratio(part.sonnet_ratio))
    row("prompt cache hit rate", lambda part: _ratio(part.prompt_cache_ratio))
    row("audio cache hit rate", lambda part: _ratio(part.audio_cache_ratio))
    row("  saved", lambda part: dollars(part.audio_cache_saved_usd))
    row("recogniser / session time", lambda part: f"{part.recogniser_s / 60:,.1f} / {part.session_s / 60:,.1f} min")
    row("unpriced", lambda part: Text(_list(part.unpriced), style=_OVER if part.unpriced else _DIM))
    return table


def _table(title: str, tiers: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for tier in tiers:
        table.add_column(tier, justify="right", overflow="fold")
    return table


def _ms(seconds: float | None, budget_s: float | None = None) -> Text:
    if seconds is None:
        return Text("–", style=_DIM)
    style = "" if budget_s is None else _OVER if seconds > budget_s else _FINE
    return Text(f"{seconds * 1000:,.0f} ms", style=style)


def _both(values: Quantiles, budget_s: float | None) -> Text:
    return _ms(values.p50).append(" / ").append_text(_ms(values.p95, budget_s))


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def _share(part: int, whole: int, limit: float) -> Text:
    over = whole > 0 and part / whole > limit
    return Text(f"{part:,}  {_percent(part, whole)}", style=_OVER if over else _FINE)


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _list(counts: Mapping[str, int]) -> str:
    return "\n".join(f"{name} {count:,}" for name, count in counts.items()) or "–"


def _shares(amounts: Mapping[str, float]) -> str:
    whole = sum(amounts.values())
    return "\n".join(f"{name} {dollars(usd)} {_percent(usd, whole):>7}" for name, usd in amounts.items()) or "–"


def _short(name: str) -> str:
    """A model without the provider that its own name tells."""
    return name if name.startswith(CACHE) else name.split(" ", 1)[1]


def _money(usd: float | None, part: Spending, budgets: Budgets) -> Text:
    if usd is None:
        return Text("–", style=_DIM)
    known = part.tier in set(Tier)
    over = known and usd > budgets.tiers[Tier(part.tier)].session_usd
    return Text(dollars(usd), style=_OVER if over else _FINE)


# One session


def session_view(report: SessionReport) -> RenderableType:
    """The waterfall of every turn, then the bill."""
    how = report.outcome or "running, or its end was never written"
    lasted = "" if report.duration_s is None else f", {report.duration_s:.1f} s"
    head = Text.assemble(
        (f"session {report.session_id}\n", "bold"),
        f"{report.tier} · {report.policy} v{report.policy_version}",
        f" · began {report.started_at:%Y-%m-%d %H:%M:%S} UTC{lasted} · {how}\n",
        (f"{dollars(report.usd)}\n", "bold"),
    )
    return Group(head, *(_waterfall(turn) for turn in report.turns), _bill(report))


def _waterfall(turn: TurnView) -> Text:
    """A line per stage and call on one time axis, from the first mark to the last thing that happened."""
    marks: Mapping[str, float] = turn.timeline["marks"]
    calls: Sequence[Mapping[str, Any]] = turn.timeline["calls"]
    last = max([*marks.values(), *(call["end_ms"] for call in calls)], default=0.0) or 1.0
    waited = (
        "not measured" if turn.voice_to_voice_s is None else f"{turn.voice_to_voice_s * 1000:,.0f} ms voice to voice"
    )
    text = Text(f"turn {turn.turn}  ", style="bold")
    text.append(f"{turn.outcome}, {waited}, {turn.model or 'no model'}, {dollars(turn.usd)}", style="")
    if turn.over_budget:
        text.append(f"  over: {', '.join(turn.over_budget)}", style=_OVER)
    text.append("\n")
    before = marks.get(_PATH[0])
    for stage, mark in zip(("stt", "llm", "tts", "send"), _PATH[1:], strict=True):
        at = marks.get(mark)
        if before is None or at is None:
            break
        reached = max(before, at)
        _line(text, stage, (before, reached), last, _COLOURS[stage])
        before = reached
    for call in calls:
        name = f"  {call['provider']}" + ("" if call["outcome"] == "ok" else f" ({call['outcome']})")
        style = _DIM if call["outcome"] == "ok" else "red"
        _line(text, name, (call["start_ms"], call["end_ms"]), last, style)
    return text


def _line(text: Text, name: str, span: tuple[float, float], last: float, style: str) -> None:
    start, end = (min(max(at, 0.0), last) for at in span)
    left = int(_BAR * start / last)
    width = max(1, round(_BAR * end / last) - left)
    text.append(f"  {name[:26]:<26} ")
    text.append(" " * left + "█" * width + " " * max(0, _BAR - left - width), style=style)
    text.append(f" {span[1] - span[0]:>7,.0f} ms\n")


def _bill(report: SessionReport) -> Table:
    table = Table(title="Bill", title_justify="left", title_style="bold", show_edge=False, pad_edge=False)
    for name in ("service", "model", "cause", "unit"):
        table.add_column(name, overflow="fold")
    table.add_column("quantity", justify="right")
    table.add_column("cost", justify="right")
    table.add_column("price of", overflow="fold")
    for line in report.bill:
        table.add_row(
            line.service,
            f"{line.provider} {line.model}",
            line.cause,
            line.unit.replace("_", " "),
            f"{line.quantity:,}" + (" (estimated)" if line.estimated else ""),
            Text(dollars(line.usd), style=_OVER if line.usd is None else ""),
            line.price_version or "–",
        )
    table.add_section()
    table.add_row("", "", "", "", "", Text(dollars(report.usd), style="bold"), "")
    return table
