"""`python -m tools.docs` (`make docs`) writes every generated document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from agent.cli import schemas
from agent.telemetry.log import configure_logging
from tools.docs import alerts, cli, faults, metrics, overlap, protocol, settings

ROOT: Final = Path(__file__).parents[2]
REFERENCE: Final = "docs/reference"

DOCUMENTS: Final[Mapping[str, Callable[[], str]]] = {
    ".env.example": settings.env_example,
    f"{REFERENCE}/settings.md": settings.reference,
    f"{REFERENCE}/metrics.md": metrics.reference,
    f"{REFERENCE}/cli.md": cli.reference,
    f"{REFERENCE}/alerts.md": alerts.reference,
    f"{REFERENCE}/faults.md": faults.reference,
    f"{REFERENCE}/overlap.svg": overlap.picture,
    f"{REFERENCE}/protocol.md": protocol.reference,
    f"{REFERENCE}/openapi.json": schemas.openapi_document,
    f"{REFERENCE}/asyncapi.json": schemas.asyncapi_document,
}
"""Path below the project's root → what makes its content. A test compares every one with the file."""


def main() -> None:
    """Writes the documents that have changed, and names them."""
    configure_logging("console", "error")  # what the service would warn about at its start is no matter here
    for name, make in DOCUMENTS.items():
        path, content = ROOT / name, make()
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        print(f"wrote {name}")


if __name__ == "__main__":
    main()
