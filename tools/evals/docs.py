"""`python -m tools.evals.docs`: writes the tables of measures 5 and 7 into docs/memory.md, between their marks."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console

from tools.evals import cost_measures, note_measures
from tools.evals.memory import NOTE_RUNS, note_sets

PAGE = Path(__file__).resolve().parents[2] / "docs" / "memory.md"


def notes_table() -> str:
    """What the notes assert, as Markdown."""
    lines = [
        "| calls | notes | right | missing | false | right claims kept | wrong ones taken | … when alone |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, calls in note_sets(Console(quiet=True)).items():
        refused = note_measures.refusals(calls)
        for label, claims, other in NOTE_RUNS:
            result = note_measures.judge(calls, claims=claims, other=other)
            counts = " | ".join(str(result.verdicts[verdict]) for verdict in ("right", "missing", "false"))
            kept = f"{result.kept} of {result.claims}" if claims else ""
            taken, alone = (refused.share(alone=False), refused.share(alone=True)) if claims and not other else ("", "")
            lines.append(f"| {name} ({result.cases}) | {label} | {counts} | {kept} | {taken} | {alone} |")
    return "\n".join(lines)


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
