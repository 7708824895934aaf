"""Loads `flows.toml`: the words of confirmed acts, and names for what callers talk about."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from agent.memory.words import stems_of

ActKind = Literal["confirmed", "changed", "ended"]
ACT_KINDS: tuple[ActKind, ...] = get_args(ActKind)
_FILE = Path(__file__).with_name("flows.toml")


class FlowsError(ValueError):
    """`flows.toml` has an unknown table, or a word of a confirmed act stands under two kinds."""


@dataclass(frozen=True, slots=True, eq=False)
class Flows:
    """The words of confirmed acts by kind, and the cues that name subjects. Compared by identity: a cache's key."""

    acts: Mapping[str, ActKind]
    """Participle in lower case -> what it does to a thing."""
    cues: Mapping[str, tuple[tuple[tuple[str, ...], str, bool], ...]] = field(
        default_factory=dict[str, tuple[tuple[tuple[str, ...], str, bool], ...]]
    )
    """First stem of a cue -> (all its stems, the subject, whether it is a noun that names the subject)."""

    @property
    def subjects(self) -> frozenset[str]:
        """The declared subjects."""
        return frozenset(subject for entries in self.cues.values() for _, subject, _ in entries)

    def found_in(self, text: str) -> list[tuple[int, str, bool]]:
        """Every cue in `text`: (word position, subject, names it outright), in order of speaking."""
        stems = stems_of(text)
        found: list[tuple[int, str, bool]] = []
        for position, first in enumerate(stems):
            for cue, subject, noun in self.cues.get(first, ()):
                if tuple(stems[position : position + len(cue)]) == cue:
                    found.append((position, subject, noun))
        return found


@cache
def load_flows(path: Path = _FILE) -> Flows:
    """Reads and checks a flows file. Raises FlowsError when it contradicts itself, OSError when it cannot be read."""
    declared = tomllib.loads(path.read_text(encoding="utf-8"))
    unknown = declared.keys() - {"acts", "subjects"}
    if unknown:
        raise FlowsError(f"{path.name}: unknown table {sorted(unknown)[0]!r}")
    return Flows(_acts(declared.get("acts", {}), path.name), _cues(declared.get("subjects", {})))


def _acts(declared: Mapping[str, list[str]], file: str) -> dict[str, ActKind]:
    acts: dict[str, ActKind] = {}
    unknown = declared.keys() - set(ACT_KINDS)
    if unknown:
        raise FlowsError(f"{file}: acts are {', '.join(ACT_KINDS)}, not {sorted(unknown)[0]!r}")
    for kind in ACT_KINDS:
        for word in declared.get(kind, ()):
            if acts.setdefault(word.lower(), kind) != kind:
                raise FlowsError(f"{file}: {word!r} is both {acts[word.lower()]} and {kind}")
    return acts


def _cues(declared: Mapping[str, Any]) -> dict[str, tuple[tuple[tuple[str, ...], str, bool], ...]]:
    cues: dict[str, list[tuple[tuple[str, ...], str, bool]]] = {}
    for subject, table in declared.items():
        for cue, noun in [(c, True) for c in table["nouns"]] + [(c, False) for c in table["words"]]:
            stems = tuple(stems_of(cue))
            cues.setdefault(stems[0], []).append((stems, subject, noun))
    return {first: tuple(entries) for first, entries in cues.items()}
