"""The calculators in a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.billing.estimate import Bill, UsageProfile
from agent.billing.prices import usd
from agent.cli.views.period import dollars
from agent.core.calls import Service
from agent.reports.published_figures import (
    AFTER,
    BEFORE,
    LARGE_MODEL,
    PLAIN,
    SMALL_MODEL,
    SONNET_SHARE,
    TOTAL_AFTER,
    TOTAL_BEFORE,
    Amounts,
    Rates,
    allowed_shapes,
    cost,
    widest,
)

_SERVICES: Final[Mapping[Service, str]] = {"stt": "speech to text", "llm": "model", "tts": "voice"}
_DEARER, _CHEAPER, _DIM = "red", "green", "dim"


def bills_table(shape: UsageProfile, left: Bill, right: Bill) -> RenderableType:
    """Two bills of the same session side by side: for each component its share, and every model below it."""
    bills = (left, right)
    table = _titled("", left.name, right.name, "change")
    for service, name in _SERVICES.items():
        sums = [made.of(service) for made in bills]
        cells = [_cell(_share(amount, made), amount) for amount, made in zip(sums, bills, strict=True)]
        table.add_row(name, *cells, _change(*sums), style="bold")
        for model in dict.fromkeys(line.model_name for made in bills for line in made.lines if line.service == service):
            found = [[line for line in made.lines if line.model_name == model] for made in bills]
            table.add_row(f"  {model}", *(_cell(one[0].quantity, one[0].nano_usd) if one else "–" for one in found))
        table.add_section()
    change = _change(*(made.nano_usd if made.complete else None for made in bills))
    table.add_row("session", *(_sum(made) for made in bills), change, style="bold")
    local = any(line.local for made in bills for line in made.lines)
    return Group(_told(shape, local=local), table)


def _told(shape: UsageProfile, *, local: bool) -> Text:
    repeated = f" ({float(100 * shape.repeated_share):g} % repeated)" if shape.repeated_share else ""
    return Text(
        f"{float(shape.minutes):g} minutes, {shape.characters:,} spoken characters{repeated}, {shape.turns:,} turns of"
        f" {shape.prompt_tokens:,} prompt tokens ({float(100 * shape.cached_share):g} % can be cached)"
        f" and {shape.reply_tokens:,} reply tokens, at today's prices"
        + ("; what is local costs nothing\n" if local else "\n"),
        style=_DIM,
    )


def _cell(told: str, nano_usd: int | None) -> Text:
    return Text.assemble((told, "not bold dim"), f"  {_amount(nano_usd)}")


def _sum(made: Bill) -> str:
    return _amount(made.nano_usd) if made.complete else f"unpriced + {_amount(made.nano_usd)}"


def _amount(nano_usd: int | None) -> str:
    return dollars(None if nano_usd is None else usd(nano_usd))


def _share(part: int | None, made: Bill) -> str:
    return f"{100 * part / made.nano_usd:.0f} %" if part is not None and made.complete and made.nano_usd else ""


def _change(before: int | None, after: int | None) -> Text:
    """How much more expensive the second is; unknown where a price is."""
    if not before or after is None:
        return Text("–", style=_DIM)
    change = 100 * (after - before) / before
    return Text(f"{change:+.1f} %", style=_DEARER if change > 0 else _CHEAPER if change < 0 else _DIM)


def article_view(today: Bill) -> RenderableType:
    """The published figures, which sessions they allow, and a plain spoken session then and now."""
    few, many = allowed_shapes()
    most = widest((few, many))
    rates = _titled("Published", "before", "after")
    rates.add_row("Whisper, then Nova-2: a minute", *(f"${float(r.minute):.4f}" for r in (BEFORE, AFTER)))
    rates.add_row("model: a million tokens", f"${LARGE_MODEL:.4f}", f"${float(SMALL_MODEL):.4f}")
    rates.add_row(
        f"  with {float(100 * SONNET_SHARE):g} % still at ${LARGE_MODEL}", "", f"${float(AFTER.token * 1_000_000):.4f}"
    )
    rates.add_row("voice: 1,000 characters", *(f"${float(r.character * 1_000):.4f}" for r in (BEFORE, AFTER)))
    rates.add_row("a session", *(f"${float(total):.4f}" for total in (TOTAL_BEFORE, TOTAL_AFTER)), style="bold")
    shapes = _titled("\nSessions that cost both totals", "minutes", "characters", "tokens")
    for name, end in (("from", few), ("to", many), ("at most", most)):
        shapes.add_row(name, *_amounts(end), style="bold" if end is most else "")
    verdict = Text(
        f"\nBoth totals hold only for sessions of at most {float(most.minutes):.2f} billed minutes and"
        f" {float(most.characters):.0f} spoken characters: about ten words. Three minutes of the new recogniser alone"
        f" cost ${float(3 * AFTER.minute):.4f}, more than the published ${float(TOTAL_AFTER):.3f}.\n"
    )
    return Group(rates, shapes, verdict, _plain(), _today(today))


def _titled(title: str, *columns: str) -> Table:
    table = Table(title=title or None, title_justify="left", title_style="bold", show_edge=False, pad_edge=False)
    table.add_column("", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right")
    return table


def _amounts(amounts: Amounts) -> tuple[str, str, str]:
    return f"{float(amounts.minutes):.2f}", f"{float(amounts.characters):.1f}", f"{float(amounts.tokens):,.0f}"


def _plain() -> RenderableType:
    head = Text(
        f"A plain spoken session of {float(PLAIN.minutes):g} minutes, {int(PLAIN.characters):,} characters and"
        f" {int(PLAIN.tokens):,} tokens at the published prices: ${float(cost(PLAIN, BEFORE)):.3f},"
        f" then ${float(cost(PLAIN, AFTER)):.3f}",
        style="bold",
    )
    table = _titled("", "before", "after")
    parts = {
        "speech to text": Amounts(PLAIN.minutes, Fraction(0), Fraction(0)),
        "model": Amounts(Fraction(0), Fraction(0), PLAIN.tokens),
        "voice": Amounts(Fraction(0), PLAIN.characters, Fraction(0)),
        "session": PLAIN,
    }
    for name, part in parts.items():
        table.add_row(name, _priced(part, BEFORE), _priced(part, AFTER), style="bold" if part is PLAIN else "")
    return Group(head, table)


def _priced(part: Amounts, rates: Rates) -> str:
    amount = cost(part, rates)
    return f"${float(amount):.4f}  {100 * float(amount / cost(PLAIN, rates)):>3.0f} %"


def _today(made: Bill) -> Table:
    table = _titled("\nThe same session at today's prices", "", "")
    table.show_header = False
    for line in made.lines:
        table.add_row(line.model_name, line.quantity, _amount(line.nano_usd))
    table.add_row("session", "", _sum(made), style="bold")
    return table
