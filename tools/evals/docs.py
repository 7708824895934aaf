"""`python -m tools.evals.docs`: writes the tables of measures 5 and 7 into docs/memory.md, between their marks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console

from tools.evals import cost_measures
from tools.evals.memory import NOTE_COLUMNS, WRONG_COLUMNS, note_rows, note_sets, wrong_rows

PAGE = Path(__file__).resolve().parents[2] / "docs" / "memory.md"


def notes_table() -> str:
    """What the notes assert, and what wrong claims do to them, as Markdown."""
    sets = note_sets(Console(quiet=True))
    notes = [row for name, calls in sets.items() for row in note_rows(name, calls)]
    wrong = [row for name, calls in sets.items() for row in wrong_rows(name, calls)]
    return f"{_table(NOTE_COLUMNS, notes)}\n\n{_table(WRONG_COLUMNS, wrong)}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = [f"| {' | '.join(columns)} |", "|---|---|" + "--:|" * (len(columns) - 2)]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows)])


def cost_table() -> str:
    """Tokens and dollars by length of the call, as Markdown; a table for each model."""
    tables: list[str] = []
    for model in cost_measures.MODELS:
        lengths = " | ".join(f"{turns} turns" for turns in cost_measures.LENGTHS)
        lines = [f"| {model} | {lengths} |", "|---|" + "--:|" * len(cost_measures.LENGTHS)]
        for label, send in cost_measures.SENDERS.items():
            costs = [cost_measures.cost(send, model, turns) for turns in cost_measures.LENGTHS]
            cells = " | ".join(f"{cost.tokens:,.0f}, ${cost.usd(model):.4f}" for cost in costs)
            lines.append(f"| {label} | {cells} |")
        tables.append("\n".join(lines))
    return "\n\n".join(tables)


def with_table(page: str, name: str, table: str) -> str:
    """The page with a table between the marks of that name."""
    marked = rf"(<!-- {name} -->\n).*?(<!-- end of {name} -->)"
    return re.sub(marked, lambda found: f"{found[1]}{table}\n{found[2]}", page, flags=re.DOTALL)


def main() -> None:
    """Writes both tables."""
    page = PAGE.read_text(encoding="utf-8")
    page = with_table(page, "notes", notes_table())
    PAGE.write_text(with_table(page, "cost", cost_table()), encoding="utf-8")


if __name__ == "__main__":
    main()
