"""`python -m alerts` writes the rule files to `alerts/generated/`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from alerts.recording import recording_groups

GENERATED: Final = Path(__file__).with_name("generated")


def rule_file(groups: list[dict[str, Any]]) -> str:
    """A Prometheus rule file."""
    note = "# Made by `make boards`. Do not edit.\n"
    return note + yaml.safe_dump({"groups": groups}, sort_keys=False, width=10_000)


def files() -> dict[Path, str]:
    """Every generated file and its content."""
    return {GENERATED / "recording.yml": rule_file(recording_groups())}


if __name__ == "__main__":
    GENERATED.mkdir(exist_ok=True)
    for path, content in files().items():
        path.write_text(content, encoding="utf-8")
