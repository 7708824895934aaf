"""`make dialogues`: all dialogues of the corpus, and how long turns with tools take; writes docs/dialogues.md."""

from __future__ import annotations

import asyncio
import sys
import time

import click

from tests.support.paths import ROOT
from tools.dialogues.corpus import load
from tools.dialogues.figures import measure
from tools.dialogues.report import document
from tools.dialogues.runner import play


@click.command()
@click.option("--only", default="", help="Only dialogues whose name contains this; writes nothing.")
@click.option("--calls", default=12, show_default=True, help="Calls that are measured; with 0 nothing is written.")
def main(only: str, calls: int) -> None:
    """Play the dialogues."""
    chosen = [dialogue for dialogue in load() if only in dialogue.name]
    began = time.perf_counter()
    rows = asyncio.run(play(chosen))
    took = time.perf_counter() - began
    wrong = [row for row in rows if row.wrong]
    for row in wrong:
        click.echo(f"{row.dialogue.name}: {'; '.join(row.wrong)}\n   {' | '.join(row.replies)}", err=True)
    click.echo(f"{len(rows)} dialogues in {took:.0f} s, {len(wrong)} wrong")
    if not only and calls:
        (ROOT / "docs" / "dialogues.md").write_text(document(rows, asyncio.run(measure(calls)), calls))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
