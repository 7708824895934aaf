"""Measure 4: exact values of the thing that a caller points back at, on constructed cases."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from agent.memory import Conversation, Graph, Part, context
from agent.memory.flows import load_flows
from tools.evals.backref_cases import BackrefCase
from tools.evals.baselines import Select
from tools.evals.measures import everything

OUTCOMES = ("right", "incomplete", "mixed", "rival's", "none")
"""What the line of the state in focus holds: every needed value and no rival's; some needed values and no rival's;
needed and rivals' values; rivals' only; none of either. A needed value said in the ask itself counts for `right` alone.
"""
PHRASES = frozenset(
    (
        *("product", "fault", "event", "room", "job", "goods", "car", "pet", "trouble", "class", "medicine"),
        *("garment", "boat", "damage", "cabin", "wine", "unit", "occasion", "dish", "plumbing", "office", "plan"),
    )
)
"""Sorts of values that are plain phrases ("a dripping tap"), without the form that times, prices or names have."""
STAGES = ("caught by some state", "held by one state, no rival's with them", "held so by the state in focus")
"""How far the needed values of a case come; each stage needs the one before it."""


@dataclass(slots=True)
class Values:
    """Sums over constructed cases: values present anywhere, and what the line of the state in focus holds."""

    present: int = 0
    values: int = 0
    cases: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict[str, Counter[str]])
    """Per form of pointing, how often each of `OUTCOMES`."""
    caught: Counter[str] = field(default_factory=Counter[str])
    """Per sort of value, the needed ones that some state of the call holds verbatim or held before a change."""
    sorts: Counter[str] = field(default_factory=Counter[str])
    """Per sort of value, the needed ones."""
    stages: Counter[str] = field(default_factory=Counter[str])
    """Cases that reach each of `STAGES` with all they need."""
    stages_formed: Counter[str] = field(default_factory=Counter[str])
    """The same, of the values that are no `PHRASES`."""

    @property
    def share_present(self) -> float:
        """Needed values that stand verbatim in the context, wherever."""
        return self.present / max(1, self.values)

    @property
    def share_resolved(self) -> float:
        """Cases in which the line of the state in focus has every needed value and no rival's."""
        return self.total("right") / max(1, self.cases)

    def total(self, outcome: str) -> int:
        """Cases of all forms with an outcome."""
        return sum(count[outcome] for count in self.outcomes.values())


def memory_values(
    cases: Iterable[BackrefCase], budget: int, without: Collection[Part] = (), *, declared: bool = True
) -> Values:
    """Measure 4 for `memory.context()` at one budget, with the subjects of `flows.toml` or with none declared."""
    flows = load_flows() if declared else replace(load_flows(), subjects={}, cues={})
    result = Values()
    for case in cases:
        call = Conversation(flows)
        for caller, agent in case.turns:
            call.heard(caller)
            call.answered(agent, interrupted=False)
        call.heard(case.ask)
        built = context(call, system="", utterance=case.ask, budget_tokens=budget, without=without)
        _add_presence(result, case, everything(built) + "\n" + case.ask)
        focus = next((line for line in built.parts["state"].split("\n") if line.startswith("State in focus")), "")
        result.outcomes.setdefault(case.form, Counter())[outcome(focus, case)] += 1
        _add_stages(result, case, call.graph)
    return result


def _add_stages(result: Values, case: BackrefCase, graph: Graph) -> None:
    held = [[slot.value for slot in state.slots] for state in graph.states]
    ever = [value for values in held for value in values] + [s.value for state in graph.states for s in state.past]
    focus = [] if graph.state is None else [slot.value for slot in graph.state.slots]
    result.sorts.update(case.sorts)
    needs = tuple(zip(case.sorts, case.needs, strict=True))
    result.caught.update(sort for sort, need in needs if _all_in(ever, [need]))
    formed = [need for sort, need in needs if sort not in PHRASES]
    for wanted, stages in ((case.needs, result.stages), (formed, result.stages_formed)):
        reached = (
            _all_in(ever, wanted),
            any(_all_in(values, wanted) and not _any_in(values, case.rivals) for values in held),
            _all_in(focus, wanted) and not _any_in(focus, case.rivals),
        )
        stages.update(stage for stage, there in zip(STAGES, reached, strict=True) if there)


def _all_in(held: Sequence[str], wanted: Iterable[str]) -> bool:
    return all(any(value in text for text in held) for value in wanted)


def _any_in(held: Sequence[str], unwanted: Iterable[str]) -> bool:
    return any(value in text for value in unwanted for text in held)


def outcome(focus: str, case: BackrefCase) -> str:
    """Which of `OUTCOMES` the line of the state in focus is."""
    rival = any(value in focus for value in case.rivals)
    if not rival and all(value in focus for value in case.needs):
        return "right"
    own = any(value in focus for value in case.needs if value not in case.ask)
    if own:
        return "mixed" if rival else "incomplete"
    return "rival's" if rival else "none"


def baseline_values(cases: Iterable[BackrefCase], budget: int, select: Select) -> Values:
    """Measure 4 for a baseline: it has no state, so only presence is counted."""
    result = Values()
    for case in cases:
        texts = [text for turn in case.turns for text in turn]
        chosen = select(texts, case.ask, budget)
        _add_presence(result, case, "\n".join([*(texts[place] for place in sorted(chosen)), case.ask]))
    return result


def _add_presence(result: Values, case: BackrefCase, text: str) -> None:
    result.present += sum(value in text for value in case.needs)
    result.values += len(case.needs)
    result.cases += 1
