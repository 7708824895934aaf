"""The report in a terminal. Experience and cost never share a table; amounts of a column stand point under point."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from rich.table import Table
from rich.text import Text

from agent.billing.pricing import CACHE
from agent.budgets import Budgets, Tier
from agent.reports.period import Experience, PeriodReport, PeriodSpending, Quantiles
from agent.telemetry.timeline import STAGES

OVER: Final = "bold red"
DIM: Final = "dim"
_FINE: Final = "green"
_NONE: Final = Text("–", style=DIM)


def dollars(amount: float | None, digits: int = 4) -> str:
    """An amount to a hundredth of a cent, or to so many digits; what is less than that but not nothing says so."""
    if amount is None:
        return "unpriced"
    least = 10.0**-digits
    return f"<${least:.{digits}f}" if 0 < amount < least / 2 else f"${amount:,.{digits}f}"


def percent(part: float, whole: float) -> str:
    """A share; a dash where there is nothing to share."""
    share = 100 * part / whole if whole else None
    return "–" if share is None else "100 %" if share >= 99.95 else f"{share:.1f} %"


def short_model(name: str) -> str:
    """A model without the provider, which its own name tells; cached speech has the name of the voice's model."""
    return name if name.startswith(CACHE) else name.split(" ", 1)[1]


def titled(title: str) -> Table:
    """An empty table with a first column for the names of its rows."""
    table = Table(title=title or None, title_justify="left", title_style="bold", show_edge=False, pad_edge=False)
    table.add_column("", overflow="fold")
    return table


# Experience: one column for each tier, one row for each signal; what is over its budget is red


def experience_table(report: PeriodReport, budgets: Budgets) -> Table:
    """How calls felt, by tier."""
    table, parts = titled("Experience"), report.experience
    for part in parts:
        table.add_column(part.tier, justify="right", no_wrap=True)
    limits = budgets.latency.seconds()

    def row(name: str, cell: Callable[[Experience], Text | str]) -> None:
        table.add_row(name, *(cell(part) for part in parts))

    def group(name: str, counts: Callable[[Experience], Mapping[str, int]]) -> None:
        names = _names(counts(part) for part in parts)
        table.add_row(name, *("" if names else _NONE for _ in parts))
        for one in names:
            row(f"  {one}", lambda part, one=one: f"{counts(part)[one]:,}" if one in counts(part) else _NONE)

    row("turns", lambda part: f"{part.turns:,}")
    row("  owed a reply", lambda part: f"{part.owed:,}")
    row("  slow", lambda part: _slow(part, budgets.objective.slow_turn_share))
    row("voice to voice p50", lambda part: _waited(part, 0.5))
    row("voice to voice p95", lambda part: _waited(part, 0.95, limits["voice_to_voice"]))
    for stage in STAGES:
        row(f"  {stage} p50 / p95", lambda part, stage=stage: _both(part.stages[stage], limits.get(stage)))
    table.add_section()
    group("outcomes", lambda part: part.outcomes)
    group("breaches", lambda part: part.breaches)
    group("fallbacks", lambda part: part.fallbacks)
    return table


def _names(groups: Iterable[Mapping[str, float]]) -> list[str]:
    """The names of all tiers together, those with the highest sum first."""
    sums: Counter[str] = Counter()
    for group in groups:
        sums.update(group)
    return [name for name, _ in sums.most_common()]


def _ms(seconds: float | None, budget_s: float | None = None) -> Text:
    if seconds is None:
        return _NONE
    style = "" if budget_s is None else OVER if seconds > budget_s else _FINE
    return Text(f"{seconds * 1000:,.0f} ms", style=style)


def _waited(part: Experience, share: float, budget_s: float | None = None) -> Text:
    """A quantile of voice-to-voice by nearest rank, p50 or p95: a turn that got no reply is no number."""
    if math.ceil(share * part.owed) > part.owed - part.unanswered:
        return Text("no reply", style=OVER)
    return _ms(part.voice_to_voice.p50 if share == 0.5 else part.voice_to_voice.p95, budget_s)


def _both(values: Quantiles, budget_s: float | None) -> Text:
    return Text.assemble(_ms(values.p50), " / ", _ms(values.p95, budget_s))


def _slow(part: Experience, limit: float) -> Text:
    over = part.owed > 0 and part.slow / part.owed > limit
    return Text(f"{percent(part.slow, part.owed)}  {part.slow:,}", style=OVER if over else _FINE)


# Cost: an amount and its share for each tier, one row for each figure; sessions over their objective are red


def spending_table(report: PeriodReport, budgets: Budgets) -> Table:
    """What calls cost, by tier."""
    table, parts = titled("Cost"), report.spending
    for part in parts:
        table.add_column(part.tier, justify="right", no_wrap=True)
        table.add_column("", justify="right", no_wrap=True, style=DIM)

    def row(
        name: str, amount: Callable[[PeriodSpending], Text | str], share: Callable[[PeriodSpending], str] | None = None
    ) -> None:
        cells = [(amount(part), "" if share is None else share(part)) for part in parts]
        table.add_row(name, *(cell for pair in cells for cell in pair))

    def paid(name: str, usd: Callable[[PeriodSpending], float | None]) -> None:
        def share(part: PeriodSpending) -> str:
            amount = usd(part)
            return "" if amount is None else percent(amount, part.total_usd)

        row(name, lambda part: _NONE if (amount := usd(part)) is None else dollars(amount), share)

    def group(
        name: str, amounts: Callable[[PeriodSpending], Mapping[str, float]], shown: Callable[[str], str] = str
    ) -> None:
        row(name, lambda _: "")
        for one in _names(amounts(part) for part in parts):
            paid(f"  {shown(one)}", lambda part, one=one: amounts(part).get(one))

    row("sessions ended", lambda part: f"{part.sessions:,}")
    row("cost per session p50", lambda part: _session(part.session_usd.p50, part, budgets))
    row("cost per session p95", lambda part: _session(part.session_usd.p95, part, budgets))
    row("total", lambda part: Text(dollars(part.total_usd), style="bold"))
    table.add_section()
    group("by service", lambda part: part.by_service)
    own = {name for part in parts for name in part.local}
    group("by model", lambda part: part.by_model, lambda name: short_model(name) + " · local" * (name in own))
    group("by cause", lambda part: part.by_cause)
    paid("waste", lambda part: part.waste_usd)
    paid("estimated by us", lambda part: part.estimated_usd)
    table.add_section()
    row("Sonnet's share of turns", lambda part: _ratio(part.sonnet_ratio))
    row("prompt cache hit rate", lambda part: _ratio(part.prompt_cache_ratio))
    row("audio cache hit rate", lambda part: _ratio(part.audio_cache_ratio))
    row("  saved", lambda part: dollars(part.audio_cache_saved_usd))
    row("recogniser time", lambda part: f"{part.recogniser_s / 60:,.1f} min")
    row("session time", lambda part: f"{part.session_s / 60:,.1f} min")
    row("ended at a ceiling", lambda part: f"{part.ended_by_ceiling:,}")
    unpriced = _names(part.unpriced for part in parts)
    row("unpriced", lambda _: "" if unpriced else _NONE)
    for one in unpriced:
        row(f"  {one}", lambda part, one=one: Text(f"{part.unpriced[one]:,}", OVER) if one in part.unpriced else _NONE)
    return table


def _session(usd: float | None, part: PeriodSpending, budgets: Budgets) -> Text:
    if usd is None:
        return _NONE
    over = part.tier in set(Tier) and usd > budgets.tiers[Tier(part.tier)].session_usd
    return Text(dollars(usd), style=OVER if over else _FINE)


def _ratio(value: float | None) -> Text | str:
    return _NONE if value is None else percent(value, 1)
