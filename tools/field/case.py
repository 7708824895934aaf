"""One case of the field: a fault of the real world, a scripted caller who meets it, and what must come of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from tests.support.stack import Stack
from tools.chaos.caller import CallerLine
from voice_sandbox.faults import FaultRule

Group = Literal["models", "voices", "audio", "words", "recognisers", "turn-taking", "line"]
GROUPS: Final[tuple[Group, ...]] = ("models", "voices", "audio", "words", "recognisers", "turn-taking", "line")
GOOD: Final = frozenset({"replied", "typed"})
"""Outcomes of turns that count as good ones."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a scripted caller has at hand."""

    stack: Stack
    line: CallerLine
    case: Case

    def inject(self) -> None:
        """Puts the faults of the case in force: for this caller alone, unless a rule says that it is everybody's."""
        for rule in self.case.rules(self.line.session):
            self.stack.sandbox.world.faults.add(rule)


Script = Callable[[Scene], Awaitable[None]]
"""Plays the caller's part; returns when the answer was heard, or is known not to come."""
Rules = Callable[[str], list[FaultRule]]
"""Session id → the faults in force."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A declared case. `fault` is what goes wrong, as the table says it.

    says: a pattern that the last reply's text holds; what the caller must have heard.
    never: a pattern that it must not hold.
    good: whether a caller would call the turn a good one; a turn that counts as good where this is False is wrong.
    everybody: the fault is not one caller's, so that others may be moved too; nobody is left without a reply.
    counted: names that must stand among what was counted, as `provider outcome` or `from → to (reason)`.
    settings: of the service, beside the usual ones.
    instant: the client says that it has played each piece of audio as it comes, so that long replies need no patience.
    """

    group: Group
    fault: str
    rules: Rules
    script: Script
    says: str = r"\w"
    never: str = r"(?!)"
    good: bool = True
    everybody: bool = False
    counted: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    instant: bool = True


@dataclass(frozen=True, slots=True)
class CaseRow:
    """What became of a case. Seconds and dollars; `answer_s` None = the caller heard nothing."""

    case: Case
    text: str
    heard: str
    answer_s: float | None
    silence_s: float
    outcome: str  # of the last turn
    counted: Mapping[str, int]
    usd: float
    others: str
    others_answer_s: float | None
    others_moved: bool

    def wrong(self, limit_s: float) -> list[str]:
        """What this row must not be; `limit_s` is the chain's deadline plus the margin."""
        case, problems = self.case, list[str]()
        if self.answer_s is None:
            problems.append("no answer")
        elif self.answer_s > limit_s:
            problems.append(f"answered after {self.answer_s:.2f} s")
        if self.silence_s > limit_s:
            problems.append(f"silent for {self.silence_s:.2f} s")
        if not re.search(case.says, self.text):
            problems.append(f"said {self.text!r}, not {case.says!r}")
        if re.search(case.never, self.text):
            problems.append(f"said {self.text!r}, which holds {case.never!r}")
        if (self.outcome in GOOD) is not case.good:
            problems.append(f"counts as {self.outcome or 'nothing'}")
        problems += [f"not counted: {name}" for name in case.counted if not self._counts(name)]
        if self.others_answer_s is None or self.others_answer_s > limit_s:
            problems.append("another caller got no answer in time")
        elif self.others_moved and not case.everybody:
            problems.append(f"another caller was moved: {self.others}")
        return problems

    def _counts(self, name: str) -> bool:
        return any(name in counted for counted in self.counted)
