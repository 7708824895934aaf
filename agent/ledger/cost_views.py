"""The calculators in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.ledger.article import (
    AFTER,
    BEFORE,
    PLAIN,
    TOTAL_AFTER,
    TOTAL_BEFORE,
    Amounts,
    Rates,
    allowed_shapes,
    cost,
    widest,
)
from agent.ledger.cost import Bill, BillLine
from agent.ledger.report_views import dollars
from agent.prices import usd
from agent.providers.base import Service

_SERVICES: Final[Mapping[Service, str]] = {"stt": "speech to text", "llm": "model", "tts": "voice"}

_PLAIN: Final = (
    f"A plain spoken session at the published prices: {float(PLAIN.minutes):g} minutes,"
    f" {int(PLAIN.characters):,} characters, {int(PLAIN.tokens):,} tokens"
)


def bills_table(left: Bill, right: Bill) -> RenderableType:
    """Two bills of the same session side by side, by component."""
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("")
    for made in (left, right):
        table.add_column(made.name, overflow="fold")
        table.add_column("", justify="right", no_wrap=True)
    table.add_column("difference", justify="right", no_wrap=True)
    for service, name in _SERVICES.items():
        columns = [[line for line in made.lines if line.service == service] for made in (left, right)]
        for number in range(max(map(len, columns))):
            cells = [_cells(lines[number]) if number < len(lines) else ("", "") for lines in columns]
            table.add_row(name if number == 0 else "", *cells[0], *cells[1], "")
        table.add_row(
            "", "", _sum(left, service), "", _sum(right, service), _change(left.of(service), right.of(service))
        )
        table.add_section()
    whole = [dollars(usd(made.nano_usd)) + ("" if made.complete else " + unpriced") for made in (left, right)]
    change = _change(left.nano_usd, right.nano_usd)
    table.add_row("session", "", whole[0], "", whole[1], change, style="bold")
    return table


def _cells(line: BillLine) -> tuple[str, str]:
    amount = None if line.nano_usd is None else usd(line.nano_usd)
    return f"{line.provider} {line.model}, {line.quantity}", dollars(amount)


def _sum(made: Bill, service: Service) -> Text:
    lines = [line for line in made.lines if line.service == service]
    part = sum(line.nano_usd or 0 for line in lines)
    share = f"{100 * part / made.nano_usd:.0f} %" if made.nano_usd else "–"
    return Text(share, style="dim")


def _change(before: int, after: int) -> str:
    return f"{100 * (after - before) / before:+.1f} %" if before else "–"


def article_view(today: Bill) -> RenderableType:
    """The published figures, which sessions they allow, and a plain spoken session then and now."""
    few, many = allowed_shapes()
    most = widest((few, many))
    rates = _titled("Published", "before", "after")
    rates.add_row("speech to text, a minute", *(f"${float(r.minute):.4f}" for r in (BEFORE, AFTER)))
    rates.add_row("model, a million tokens", *(f"${float(r.token * 1_000_000):.3f}" for r in (BEFORE, AFTER)))
    rates.add_row("voice, 1,000 characters", *(f"${float(r.character * 1_000):.2f}" for r in (BEFORE, AFTER)))
    rates.add_row("a session", *(f"${float(total):.3f}" for total in (TOTAL_BEFORE, TOTAL_AFTER)), style="bold")
    shapes = _titled("\nSessions that cost both totals", "minutes", "characters", "tokens")
    for name, end in (("from", few), ("to", many), ("at most", most)):
        shapes.add_row(name, *_amounts(end), style="bold" if end is most else "")
    verdict = Text(
        f"\nBoth totals hold only for sessions of at most {float(most.minutes):.2f} billed minutes and"
        f" {float(most.characters):.0f} spoken characters: about ten words. Three minutes of the new recogniser alone"
        f" cost ${float(3 * AFTER.minute):.4f}, more than the published ${float(TOTAL_AFTER):.3f}.\n"
    )
    return Group(
        rates, shapes, verdict, _plain(), Text("\nThe same session at today's prices", style="bold"), _today(today)
    )


def _titled(title: str, *columns: str) -> Table:
    table = Table(title=title or None, title_justify="left", title_style="bold", show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _amounts(amounts: Amounts) -> tuple[str, str, str]:
    return f"{float(amounts.minutes):.2f}", f"{float(amounts.characters):.1f}", f"{float(amounts.tokens):,.0f}"


def _plain() -> Table:
    table = _titled("", "before", "after")
    parts = {
        "speech to text": Amounts(PLAIN.minutes, Fraction(0), Fraction(0)),
        "model": Amounts(Fraction(0), Fraction(0), PLAIN.tokens),
        "voice": Amounts(Fraction(0), PLAIN.characters, Fraction(0)),
    }
    for name, part in parts.items():
        table.add_row(name, _priced(part, BEFORE), _priced(part, AFTER))
    table.add_row("session", f"${float(cost(PLAIN, BEFORE)):.3f}", f"${float(cost(PLAIN, AFTER)):.3f}", style="bold")
    return table


def _priced(part: Amounts, rates: Rates) -> str:
    amount = cost(part, rates)
    return f"${float(amount):.4f}  {100 * float(amount / cost(PLAIN, rates)):.0f} %"


def _today(made: Bill) -> Table:
    table = Table(show_edge=False, pad_edge=False, show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    for line in made.lines:
        text, amount = _cells(line)
        table.add_row(text, amount)
    table.add_row("session", dollars(usd(made.nano_usd)), style="bold")
    return table
