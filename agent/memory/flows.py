"""Loads `flows.toml`: what callers talk about (subjects) and the states such a thing goes through (flows)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Literal

from agent.memory.words import stems_of, words_of

Speaker = Literal["caller", "agent"]
GENERIC = "generic"
_NEGATED = re.compile(r"(?:\b(?:not|never|cannot|dont)|n't)(?: (?:want|wish|like|need|have|mean|going) to)?$")
_NEGATED_REACH = 16  # characters before a cue that a negation can stand in
_FILE = Path(__file__).with_name("flows.toml")


class FlowsError(ValueError):
    """`flows.toml` names a flow that does not exist or a speaker other than caller and agent."""


@dataclass(frozen=True, slots=True)
class FlowRule:
    """One transition: fires when `who` says one of `cues` while the thing is in one of `origins` ("*" = any)."""

    who: Speaker
    origins: frozenset[str]
    to: str
    cues: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """A state machine for one kind of thing."""

    name: str
    start: str
    final: frozenset[str]
    rules: tuple[FlowRule, ...]
    keeps_request: bool = False
    """Whether a new thing keeps the caller's opening words: for what no value can name ("the heating won't start")."""

    def next(self, state: str, who: Speaker, text: str) -> tuple[str, str] | None:
        """The state that `text` moves to and the cue that did it, or None when nothing fires."""
        for rule in self.rules:
            if rule.who != who or rule.to == state or not (state in rule.origins or "*" in rule.origins):
                continue
            for cue in rule.cues:
                if (not cue.endswith("?") or cue in text.lower()) and says(text, cue):
                    return rule.to, cue
        return None


def says(text: str, cue: str) -> bool:
    """Whether a cue stands in a text as whole words, other than after a negation ("I don't want to cancel")."""
    spoken, words = _spoken(text), _spoken(cue)
    at = spoken.find(words)
    while at >= 0:
        if not _NEGATED.search(spoken, max(0, at - _NEGATED_REACH), at):
            return True
        at = spoken.find(words, at + 1)
    return False


@lru_cache(maxsize=1_000)
def _spoken(text: str) -> str:
    """The words of a text, a space before and after each."""
    return f" {' '.join(words_of(text))} "


@dataclass(frozen=True, slots=True)
class Flows:
    """All flows by name, all subjects with the flow each uses, and the cues that tell subjects apart."""

    flows: Mapping[str, Flow]
    subjects: Mapping[str, str]
    cues: Mapping[str, tuple[tuple[tuple[str, ...], str, bool], ...]]
    """First stem of a cue -> (all its stems, the subject, whether it is a noun that names the subject)."""

    def flow(self, name: str) -> Flow:
        """A flow by name; the generic one for a name that a restored call has and `flows.toml` no longer does."""
        return self.flows.get(name) or self.flows[GENERIC]

    def flow_of(self, subject: str | None) -> Flow:
        """The flow of a subject; the generic one for anything undeclared."""
        return self.flow(self.subjects.get(subject or "", GENERIC))

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
    flows = {name: _flow(name, table) for name, table in declared["flows"].items()}
    if GENERIC not in flows:
        raise FlowsError(f"{path.name} declares no flow {GENERIC!r}")
    cues: dict[str, list[tuple[tuple[str, ...], str, bool]]] = {}
    subjects: dict[str, str] = {}
    for subject, table in declared["subjects"].items():
        if table["flow"] not in flows:
            raise FlowsError(f"subject {subject!r} uses the undeclared flow {table['flow']!r}")
        subjects[subject] = table["flow"]
        for cue, noun in [(c, True) for c in table["nouns"]] + [(c, False) for c in table["words"]]:
            stems = tuple(stems_of(cue))
            cues.setdefault(stems[0], []).append((stems, subject, noun))
    return Flows(flows, subjects, {first: tuple(entries) for first, entries in cues.items()})


def _flow(name: str, table: Mapping[str, Any]) -> Flow:
    rules: list[FlowRule] = []
    for entry in table.get("transitions", []):
        if entry["who"] not in ("caller", "agent"):
            raise FlowsError(f"flow {name!r}: {entry['who']!r} is neither caller nor agent")
        rules.append(FlowRule(entry["who"], frozenset(entry["from"]), entry["to"], tuple(entry["cues"])))
    return Flow(name, table["start"], frozenset(table["final"]), tuple(rules), bool(table.get("keeps_request")))
