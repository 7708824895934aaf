"""`python -m dashboards` writes both boards to `dashboards/generated/`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from alerts.model import RunbookLinks
from dashboards import cost, ux
from dashboards.model import PREFIX, to_json

GENERATED: Final = Path(__file__).with_name("generated")


def files(links: RunbookLinks | None = None) -> dict[Path, str]:
    """Every generated file and its content."""
    boards = (ux.board(), cost.board())
    return {
        GENERATED / f"{board.uid.removeprefix(PREFIX)}.json": to_json(
            board, [(other.title, other.uid) for other in boards if other is not board], links
        )
        for board in boards
    }


@click.command()
@click.option("--runbooks", default=RunbookLinks().runbooks, help="Where the runbooks are served.", show_default=True)
def main(runbooks: str) -> None:
    """Writes the boards."""
    GENERATED.mkdir(exist_ok=True)
    for path, content in files(RunbookLinks(runbooks=runbooks.rstrip("/"))).items():
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
