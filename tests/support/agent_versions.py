"""An agent of two versions, and what a caller of either meets."""

from __future__ import annotations

from pathlib import Path

PLAIN = 'name = "{name}"\nversion = {version}\nprompt = "You are version {version}."\n'


def write_versions(folder: Path, *numbers: int, name: str = "hotel", more: str = "") -> Path:
    """The first is the usual one; `more` stands in the files of the others, too."""
    for number in numbers:
        stem = name if number == numbers[0] else f"{name}-{number}"
        text = PLAIN.format(name=name, version=number) + (more if number != numbers[0] else "")
        (folder / f"{stem}.toml").write_text(text, encoding="utf-8")
    return folder
