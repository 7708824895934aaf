"""`python -m alerts` writes the rule files to `alerts/generated/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import click
import yaml

from alerts.recording import recording_groups

GENERATED: Final = Path(__file__).with_name("generated")


def rule_file(groups: list[dict[str, Any]]) -> str:
    """A Prometheus rule file."""
    note = "# Made by `make boards`. Do not edit.\n"
    return note + yaml.safe_dump({"groups": groups}, sort_keys=False, width=10_000)


def files(faster: float = 1.0) -> dict[str, str]:
    """The name of every generated file and its content."""
    return {"recording.yml": rule_file(recording_groups(faster))}


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=GENERATED, help="Folder to write to.")
@click.option("--faster", type=click.FloatRange(min=1.0), default=1.0, help="Divide all windows by this.")
def main(out: Path, faster: float) -> None:
    """Writes the rule files."""
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files(faster).items():
        (out / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
