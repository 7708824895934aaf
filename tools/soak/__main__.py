"""Runs a soak, prints what was seen, and ends with 1 where something grew."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT
from tools.soak.run import printed_in, soak, write

PAGE: Final = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- soak -->", "<!-- end of soak -->"


def main() -> None:
    """Entry of `make soak`."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=120.0)
    parser.add_argument("--calls", type=int, default=12, help="at a time")
    parser.add_argument("--write", action="store_true", help="write docs/scale.md")
    parser.add_argument("--printed", type=Path, help="write what a run has printed into this file")
    options = parser.parse_args()
    if options.printed is not None:
        write(PAGE, printed_in(options.printed.read_text()), BEGIN, END)
        return
    seen = asyncio.run(soak(options.minutes, options.calls))
    print(seen.text())
    if options.write:
        write(PAGE, seen.text(), BEGIN, END)
    for fault in seen.faults:
        print(fault, file=sys.stderr)
    sys.exit(1 if seen.faults else 0)


if __name__ == "__main__":
    main()
