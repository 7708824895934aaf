"""Writes the sizing table of docs/scale.md from the figures on the same page."""

from __future__ import annotations

import sys
from typing import Final

from tests.support.paths import ROOT
from tools.sizing.table import share_of_a_call, table

PAGE: Final = ROOT / "docs" / "scale.md"
BEGIN, END = "<!-- sizing -->", "<!-- end of sizing -->"


def written(page: str) -> str:
    """The page with its table made again."""
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}\n{table(share_of_a_call(page))}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Entry of `make sizing`."""
    page = written(PAGE.read_text())
    PAGE.write_text(page)
    sys.stdout.write(page.partition(BEGIN)[2].partition(END)[0])


if __name__ == "__main__":
    main()
