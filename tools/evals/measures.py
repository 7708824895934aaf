"""Measures 1 to 3; 4 is in value_measures.py.

All of them go through `Conversation.heard`, `answered` and `context`, as a live turn does.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from agent.memory import Conversation, MemoryContext, Part, context
from agent.memory.context import RECALL_TOKENS
from agent.memory.words import plain, tokens_of
from tools.evals.baselines import CosineTopics, Select
from tools.evals.data import LabelledTurn, Probe

BUDGETS = (1_000, 2_000, 4_000)
LIVE_BUDGET = 6_000  # the shipped setting


@dataclass(slots=True)
class Recall:
    """Sums over the probes of one set at one budget."""

    kept: float = 0.0
    needs: int = 0
    distractors: int = 0
    probes: int = 0
    values_said: int = 0
    values: int = 0

    @property
    def recall(self) -> float:
        """The share of needed evidence that is in the context."""
        return self.kept / max(1, self.needs)

    @property
    def distractor_tokens(self) -> float:
        """Mean tokens of the context that are neither evidence nor the utterance itself."""
        return self.distractors / max(1, self.probes)

    @property
    def verbatim(self) -> float:
        """The share of needed values that stand verbatim somewhere in the context."""
        return self.values_said / max(1, self.values)

    def add(self, probe: Probe, chosen: Collection[int], used: int, text: str) -> None:
        """Counts one probe: the utterances chosen, the tokens used for old turns, and the whole text."""
        held = set(chosen)
        for need in probe.needs:
            self.kept += float(bool(need & held)) if probe.any_one else len(need & held) / len(need)
        self.needs += len(probe.needs)
        evidence = frozenset[int]().union(*probe.needs) & held
        self.distractors += used - sum(tokens_of(probe.utterances[place]) for place in evidence)
        self.probes += 1
        said = text.lower()
        self.values_said += sum(value.lower() in said for value in probe.values)
        self.values += len(probe.values)


class Live:
    """A call that has heard a probe's utterances; probes that go on from the same call share the work."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.conversation = Conversation()

    def at(self, probe: Probe) -> Conversation:
        """A copy of the call at the probe, its question already heard. An odd last utterance is an unanswered one."""
        texts = list(probe.utterances)
        if len(texts) < len(self.heard) or texts[: len(self.heard)] != self.heard:
            self.heard, self.conversation = [], Conversation()
        whole = len(texts) - len(texts) % 2
        for place in range(len(self.heard), whole, 2):
            self.conversation.heard(texts[place])
            self.conversation.answered(texts[place + 1], interrupted=False)
        self.heard = texts[:whole]
        call = copy.copy(self.conversation)
        call.index = copy.deepcopy(self.conversation.index)
        call.restart_log()
        if len(texts) > whole:
            call.heard(texts[whole])
            call.answered("", interrupted=False)
        call.heard(probe.ask)
        return call


def memory_recall(probes: Iterable[Probe], without: Collection[Part] = ()) -> dict[int, Recall]:
    """Measure 1 for `memory.context()` at every budget."""
    results = {budget: Recall() for budget in BUDGETS}
    live = Live()
    for probe in probes:
        call = live.at(probe)
        for budget, result in results.items():
            built = context(call, system="", utterance=probe.ask, budget_tokens=budget, without=without)
            text = everything(built)
            result.add(probe, _chosen(built, probe, text), tokens_of(text), text)
    return results


@dataclass(frozen=True, slots=True)
class LiveRecall:
    """What a live request finds of the evidence, and what it recalls for it."""

    recall: float
    tokens: float
    """Mean tokens of recalled turns."""


def live_recall(probes: Iterable[Probe]) -> LiveRecall:
    """Measure 1 as a live request has it: recall by what the words tell, at most `RECALL_TOKENS`; never whole."""
    result, live, tokens = Recall(), Live(), 0
    for probe in probes:
        built = context(
            live.at(probe),
            system="",
            utterance=probe.ask,
            budget_tokens=LIVE_BUDGET,
            recall_tokens=RECALL_TOKENS,
            without=("whole",),
        )
        text = everything(built)
        result.add(probe, _chosen(built, probe, text), 0, text)
        tokens += built.tokens["recalled"]
    return LiveRecall(result.recall, tokens / max(1, result.probes))


def _chosen(built: MemoryContext, probe: Probe, text: str) -> list[int]:
    """The utterances of a probe that a context holds in full."""
    return [
        place
        for turn in built.turns
        for place in (2 * turn, 2 * turn + 1)
        if place < len(probe.utterances) and plain(probe.utterances[place]) in text
    ]


def baseline_recall(probes: Iterable[Probe], select: Select) -> dict[int, Recall]:
    """Measure 1 for a baseline at every budget."""
    results = {budget: Recall() for budget in BUDGETS}
    for probe in probes:
        for budget, result in results.items():
            chosen = select(probe.utterances, probe.ask, budget)
            text = "\n".join(probe.utterances[place] for place in sorted(chosen))
            result.add(probe, chosen, sum(tokens_of(probe.utterances[place]) for place in chosen), text)
    return results


def everything(built: MemoryContext) -> str:
    """All text of a context before the caller's current words."""
    return "\n".join([built.memory, *(message.text for message in built.messages[:-1])])


Tracker = Callable[[Sequence[LabelledTurn]], list[int]]


def memory_topics(turns: Sequence[LabelledTurn]) -> list[int]:
    """The topic of every turn of a call, as memory tracks it live."""
    call = Conversation()
    topics: list[int] = []
    for turn in turns:
        topics.append(call.heard(turn.caller).topic)
        call.answered(turn.agent, interrupted=False)
    return topics


def one_topic(turns: Sequence[LabelledTurn]) -> list[int]:
    """Everything is one topic."""
    return [0] * len(turns)


def cosine_topics(least: float) -> Tracker:
    """The causal cosine tracker; it sees the caller's words of a turn, and the answer joins that topic."""

    def track(turns: Sequence[LabelledTurn]) -> list[int]:
        tracker = CosineTopics(least)
        topics: list[int] = []
        for turn in turns:
            topics.append(tracker.topic_of(turn.caller))
            tracker.words[topics[-1]].update(CosineTopics.bag(turn.agent))
        return topics

    return track


@dataclass(slots=True)
class Returns:
    """Measure 2: returns to an earlier subject, and the topics made per true subject (1 is perfect)."""

    right: int = 0
    returns: int = 0
    topics: int = 0
    subjects: int = 0

    @property
    def share(self) -> float:
        """Returns that were put back into the earlier topic."""
        return self.right / max(1, self.returns)

    @property
    def topics_per_subject(self) -> float:
        """Above 1: subjects are split; below 1: subjects are lumped together."""
        return self.topics / max(1, self.subjects)


def returns(calls: Iterable[Sequence[LabelledTurn]], track: Tracker) -> Returns:
    """A return is a turn whose subject differs from the previous labelled turn's and was talked about before.

    Right: the turn gets the topic of the subject's last turn, and that is not the previous labelled turn's topic.
    """
    result = Returns()
    for turns in calls:
        topics = track(turns)
        last: dict[str, int] = {}
        before: tuple[str, int] | None = None
        for turn, topic in zip(turns, topics, strict=True):
            if turn.subject is None:
                continue
            if before is not None and turn.subject != before[0] and turn.subject in last:
                result.returns += 1
                result.right += topic == last[turn.subject] and topic != before[1]
            last[turn.subject] = topic
            before = (turn.subject, topic)
        result.topics += len(set(topics))
        result.subjects += len(last)
    return result


@dataclass(slots=True)
class Shifts:
    """Measure 3 over several talks: Pk (Beeferman 1999), WindowDiff (Pevzner and Hearst 2002), F1 of boundaries."""

    pk_sum: float = 0.0
    wd_sum: float = 0.0
    talks: int = 0
    hits: int = 0
    found: int = 0
    true: int = 0

    def add(self, true: Sequence[int], found: Sequence[int]) -> None:
        """Counts one talk; both sequences hold 1 where a topic ends, without the end of the talk."""
        length = len(true) + 1
        k = max(2, round(length / (sum(true) + 1) / 2))
        spans = range(max(1, length - k))
        wrong = [(sum(true[i : i + k]), sum(found[i : i + k])) for i in spans]
        self.pk_sum += sum((a == 0) != (b == 0) for a, b in wrong) / len(wrong)
        self.wd_sum += sum(a != b for a, b in wrong) / len(wrong)
        self.talks += 1
        self.hits += sum(a and b for a, b in zip(true, found, strict=True))
        self.found += sum(found)
        self.true += sum(true)

    @property
    def scores(self) -> tuple[float, float, float]:
        """Pk, WindowDiff (both: lower is better), F1."""
        return self.pk_sum / self.talks, self.wd_sum / self.talks, 2 * self.hits / max(1, self.found + self.true)


def memory_shifts(utterances: Sequence[str]) -> list[int]:
    """For every utterance but the last, 1 when memory moves to another topic after it. Each is a turn of its own."""
    call = Conversation()
    topics: list[int] = []
    for text in utterances:
        topics.append(call.heard(text).topic)
        call.answered("", interrupted=False)
    return [int(a != b) for a, b in pairwise(topics)]
