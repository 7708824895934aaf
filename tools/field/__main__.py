"""`make field`: plays every case and writes docs/field.md; fails when a case is wrong."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Final

import click

from tests.support.paths import ROOT
from tools.chaos.report import LIMIT_S
from tools.field.cases import CASES
from tools.field.report import document
from tools.field.running import run_cases

PAGE: Final = ROOT / "docs" / "field.md"


@click.command()
@click.option("--only", default="", help="Only cases whose group or fault holds this text; writes nothing.")
@click.option("--side-by-side", default=4, show_default=True, help="Stacks at once.")
def main(only: str, side_by_side: int) -> None:
    """Play the cases of the field."""
    chosen = [case for case in CASES if only in f"{case.group}: {case.fault}"]
    began = time.perf_counter()
    played = asyncio.run(run_cases(chosen, side_by_side=side_by_side))
    took = time.perf_counter() - began
    if not only:
        PAGE.write_text(document(played))
    wrong = 0
    for row in played.rows:
        problems = row.wrong(LIMIT_S)
        wrong += bool(problems)
        if only or problems:
            answer = "never" if row.answer_s is None else f"{row.answer_s:.2f} s"
            measured = "" if row.measured_s is None else f" (measured {row.measured_s:.2f} s)"
            click.echo(f"{row.case.fault}: {row.heard}; {answer}{measured}; {row.outcome}; {row.turns} turns;")
            click.echo(f"  {dict(row.counted)}; {row.others}")
            click.echo(f"  WRONG: {'; '.join(problems)}" if problems else "  as it should be")
    click.echo(f"{len(played.rows)} cases in {took:.0f} s, {wrong} wrong, {played.again} played again")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
