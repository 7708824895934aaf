"""`python -m dashboards` writes both boards to `dashboards/generated/`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dashboards import cost, ux
from dashboards.model import to_json

GENERATED: Final = Path(__file__).with_name("generated")


def files() -> dict[Path, str]:
    """Every generated file and its content."""
    boards = (ux.board(), cost.board())
    return {
        GENERATED / f"{board.uid.removeprefix('voice-agent-')}.json": to_json(
            board, [(other.title, other.uid) for other in boards if other is not board]
        )
        for board in boards
    }


if __name__ == "__main__":
    GENERATED.mkdir(exist_ok=True)
    for path, content in files().items():
        path.write_text(content, encoding="utf-8")
