"""`make chaos`: the whole matrix on the whole stack; writes docs/chaos.md and fails when a cell is wrong."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Final

import click

from tests.support.paths import ROOT
from tools.chaos.matrix import cells, pairwise
from tools.chaos.report import LIMIT_S, document
from tools.chaos.running import run_matrix

TABLE: Final = ROOT / "docs" / "chaos.md"


@click.command()
@click.option("--subset", is_flag=True, help="Only the pairwise subset; writes nothing.")
@click.option("--only", default="", help="Only cells whose name contains this; writes nothing.")
@click.option("--side-by-side", default=8, show_default=True, help="Stacks at once.")
def main(subset: bool, only: str, side_by_side: int) -> None:
    """Run the chaos matrix."""
    matrix = [cell for cell in (pairwise(cells()) if subset else cells()) if only in cell.name]
    began = time.perf_counter()
    rows = asyncio.run(run_matrix(matrix, side_by_side=side_by_side))
    took = time.perf_counter() - began
    wrong = [(row, problems) for row in rows if (problems := row.wrong(LIMIT_S))]
    if not subset and not only:
        TABLE.write_text(document(rows))
    elif only:
        for row in rows:
            answer = "never" if row.answer_s is None else f"{row.answer_s:.2f} s"
            click.echo(f"{row.cell.name}: {row.heard}; {answer}, {row.silence_s:.2f}; {row.served}; {row.counted}")
    for row, problems in wrong:
        click.echo(f"{row.cell.name}: {'; '.join(problems)}; heard {row.heard}; counted {row.counted}", err=True)
    click.echo(f"{len(rows)} cells in {took:.0f} s, {len(wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
