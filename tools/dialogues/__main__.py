"""`make dialogues`: all dialogues of the corpus, and how long turns with tools take; writes docs/dialogues.md."""

from __future__ import annotations

import asyncio
import sys
import time

import click

from tests.support.paths import ROOT
from tools.dialogues.corpus import load
from tools.dialogues.figures import measure
from tools.dialogues.report import document, with_waits
from tools.dialogues.runner import play

PAGE = ROOT / "docs" / "dialogues.md"


@click.command()
@click.option("--only", default="", help="Only dialogues whose name contains this; writes nothing.")
@click.option("--calls", default=12, show_default=True, help="Calls that are measured; with 0 nothing is written.")
@click.option("--timing", is_flag=True, help="Only measure, and write that part of the page.")
def main(only: str, calls: int, *, timing: bool) -> None:
    """Play the dialogues."""
    if timing:
        page = PAGE.read_text()
        PAGE.write_text(with_waits(page, asyncio.run(measure(calls)), calls))
        return
    chosen = [dialogue for dialogue in load() if only in dialogue.name]
    began = time.perf_counter()
    rows = asyncio.run(play(chosen))
    took = time.perf_counter() - began
    wrong = [row for row in rows if row.wrong]
    for row in wrong:
        click.echo(f"{row.dialogue.name}: {'; '.join(row.wrong)}\n   {' | '.join(row.replies)}", err=True)
    click.echo(f"{len(rows)} dialogues in {took:.0f} s, {len(wrong)} wrong")
    if not only and calls:
        PAGE.write_text(document(rows, asyncio.run(measure(calls)), calls))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
