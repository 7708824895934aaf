"""One case of the field: a fault of the real world, a scripted caller who meets it, and what must come of it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from agent.core.calls import Service
from tests.support.stack import Stack
from tools.chaos.caller import CallerLine
from voice_loadtest.audio import CallerRecording
from voice_sandbox.faults import FaultRule

Group = Literal["models", "voices", "audio", "words", "recognisers", "turn-taking", "line"]
GROUPS: Final[tuple[Group, ...]] = ("models", "voices", "audio", "words", "recognisers", "turn-taking", "line")
GOOD: Final = frozenset({"replied", "typed"})
"""Outcomes of turns that count as good ones."""
FLATTERED_S: Final = 0.25
"""So much shorter than the caller's wait may a turn's own figure be: what an answer takes over a socket."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a scripted caller has at hand."""

    stack: Stack
    line: CallerLine
    case: Case
    sounds: Mapping[str, CallerRecording]

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
    once: names of which exactly one was counted.
    charged: services that must have cost something.
    turns: how many turns the answer to the judged words took; None is any number.
    settings: of the service, beside the usual ones.
    policies: replacements in the file of policies, as (text, other text).
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
    once: tuple[str, ...] = ()
    charged: tuple[Service, ...] = ()
    turns: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    policies: tuple[tuple[str, str], ...] = ()
    instant: bool = True

    @property
    def spoken(self) -> bool:
        """Whether the one who must not notice speaks, too."""
        return self.group in ("recognisers", "turn-taking", "line")


@dataclass(frozen=True, slots=True)
class CaseRow:
    """What became of a case. Seconds and dollars.

    answer_s: until the caller heard something; None = never.
    measured_s: what the service itself says of that turn; None where it was typed.
    """

    case: Case
    text: str
    heard: str
    answer_s: float | None
    measured_s: float | None
    silence_s: float
    outcome: str  # of the last turn
    slow: bool  # over the voice-to-voice budget
    turns: int
    counted: Mapping[str, int]
    usd: float
    usd_by_service: Mapping[str, float]
    others: str
    others_answer_s: float | None
    others_moved: bool

    def wrong(self, limit_s: float) -> list[str]:
        """What this row must not be; `limit_s` is the chain's deadline plus the margin."""
        case, problems = self.case, list[str]()
        if self.answer_s is None:
            problems.append("no answer")
        elif self.answer_s < 0:
            problems.append(f"answered {-self.answer_s:.2f} s before the caller was done")
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
        if case.good and self.measured_s is not None and self.measured_s < (self.answer_s or 0.0) - FLATTERED_S:
            problems.append(f"measured as {self.measured_s:.2f} s")
        if case.turns is not None and self.turns != case.turns:
            problems.append(f"taken as {self.turns} turns")
        problems += [f"not counted: {name}" for name in case.counted if not self._counts(name)]
        problems += [f"{self.counted.get(name, 0)} times: {name}" for name in case.once if self.counted.get(name) != 1]
        problems += [f"{name} was free" for name in case.charged if not self.usd_by_service.get(name)]
        if self.others_answer_s is None or self.others_answer_s > limit_s:
            problems.append("another caller got no answer in time")
        elif self.others_moved and not case.everybody:
            problems.append(f"another caller was moved: {self.others}")
        return problems

    def _counts(self, name: str) -> bool:
        return any(name in counted for counted in self.counted)
