"""Measure 4: exact values of the thing that a caller points back at, on constructed cases."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from agent.memory import Conversation, Part, context
from agent.memory.flows import load_flows
from tools.evals.backref_cases import BackrefCase
from tools.evals.baselines import Select
from tools.evals.measures import everything


@dataclass(slots=True)
class Values:
    """Sums over constructed cases: needed values that are present anywhere in the context."""

    present: int = 0
    values: int = 0
    cases: int = 0

    @property
    def share_present(self) -> float:
        """Needed values that stand verbatim in the context, wherever."""
        return self.present / max(1, self.values)


def memory_values(
    cases: Iterable[BackrefCase], budget: int, without: Collection[Part] = (), *, declared: bool = True
) -> Values:
    """Measure 4 for `memory.context()` at one budget, with the subjects of `flows.toml` or with none declared."""
    flows = load_flows() if declared else replace(load_flows(), cues={})
    result = Values()
    for case in cases:
        call = Conversation(flows)
        for caller, agent in case.turns:
            call.heard(caller)
            call.answered(agent, interrupted=False)
        call.heard(case.ask)
        built = context(call, system="", utterance=case.ask, budget_tokens=budget, without=without)
        _add_presence(result, case, everything(built) + "\n" + case.ask)
    return result


def baseline_values(cases: Iterable[BackrefCase], budget: int, select: Select) -> Values:
    """Measure 4 for a baseline."""
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
