"""Where a key stands in a TOML file: the parser of the standard library keeps no line numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

Path = tuple[str | int, ...]
"""Keys and, in arrays of tables, positions from 0."""

_TABLE: Final = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY: Final = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART: Final = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_QUOTES: Final = ('"' * 3, "'" * 3)


def line_of(text: str, path: Sequence[str | int]) -> int:
    """The line, from 1, of the key at `path`, or of the table around it where the key itself is not there."""
    places = _places(text)
    wanted = tuple(path)
    while wanted and wanted not in places:
        wanted = wanted[:-1]
    return places.get(wanted, 1)


def _places(text: str) -> dict[Path, int]:
    places: dict[Path, int] = {}
    arrays: dict[Path, int] = {}
    table: Path = ()
    inside: str | None = None  # the quotes of a text of several lines
    for number, line in enumerate(text.splitlines(), start=1):
        if inside is not None:
            if inside in line:
                inside = None
            continue
        if found := _TABLE.match(line):
            table = _inside(_parts(found[2]), arrays, opens=found[1] == "[[")
            places.setdefault(table, number)
        elif found := _KEY.match(line):
            key = (*table, *_parts(found[1]))
            places.setdefault(key, number)
            value = line[found.end() :]
            inside = next((quotes for quotes in _QUOTES if value.count(quotes) == 1), None)
    return places


def _inside(parts: Path, arrays: dict[Path, int], *, opens: bool) -> Path:
    """The path of a table: behind the name of every array around it stands the position of its last table.

    `opens`: it is the next table of an array itself.
    """
    path: Path = ()
    for number, part in enumerate(parts, start=1):
        path = (*path, part)
        if opens and number == len(parts):
            arrays[path] = arrays.get(path, -1) + 1
        if path in arrays:
            path = (*path, arrays[path])
    return path


def _parts(name: str) -> Path:
    return tuple(part.strip("\"'") for part in _PART.findall(name))
