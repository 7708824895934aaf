"""Finds the outside data and turns it, at this edge only, into calls that memory can hear.

Nothing here is copied into the project: files are read from $VOICE_AGENT_DATA, else from ../shared/data beside it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tests.support.paths import DATA as ROOT

_MARKUP = re.compile(r"\{[a-z]+\}\s*")  # the transcribers' {disfmarker}, {vocalsound}, …: not speech


@dataclass(frozen=True, slots=True)
class Probe:
    """A point in a call where old turns are needed.

    `utterances` alternate caller, agent from the start of the call up to, and without, `ask`. Every need is a set of
    utterance numbers: any one of them is enough when `any_one`, else the share of them that is kept counts.
    """

    utterances: Sequence[str]
    ask: str
    needs: tuple[frozenset[int], ...]
    values: tuple[str, ...] = ()
    any_one: bool = True


def missing(*names: str) -> str | None:
    """Why the data cannot be used, or None when all files are there."""
    gone = [name for name in names if not (ROOT / name).is_file()]
    return f"no {', '.join(gone)} under {ROOT} (set VOICE_AGENT_DATA)" if gone else None


def rows(name: str) -> Iterator[dict[str, Any]]:
    """The JSON objects of one file, a line each."""
    with (ROOT / name).open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


@cache
def sgd() -> dict[str, dict[str, Any]]:
    """SGD dev dialogues by id."""
    return {row["id"]: row for row in rows("sgd/dev_partial.jsonl")}


@cache
def multiwoz() -> dict[str, dict[str, Any]]:
    """MultiWOZ 2.1 validation dialogues by id."""
    return {row["id"]: row for row in rows("multiwoz21/val.jsonl")}


def qmsum() -> Iterator[Probe]:
    """QMSum validation: questions about a meeting, asked at its end. Every other speech is taken as the caller's."""
    for meeting in rows("qmsum/val.jsonl"):
        texts = [_MARKUP.sub("", turn["text"]).strip() for turn in meeting["turns"]]
        for query in meeting["queries"]:
            evidence = {turn for first, last in query["spans"] for turn in range(first, last + 1)}
            if evidence:
                yield Probe(texts, query["query"], (frozenset(evidence),), any_one=False)


def sgd_own() -> Iterator[Probe]:
    """SGD dev: turns that take a value said only before the last exchange, each in its own dialogue."""
    for case in rows("sgd/dev_backref_cases.jsonl"):
        texts = [turn["x"] for turn in sgd()[case["dialogue"]]["turns"][: case["turn"]]]
        needs = tuple(frozenset(need["evidence_turns"]) for need in case["needs"])
        yield Probe(texts, case["utterance"], needs, tuple(need["values"][0] for need in case["needs"]))


def sgd_long() -> Iterator[Probe]:
    """SGD dev: the same kind of turn with about 12,000 tokens of other dialogues around the dialogue it belongs to."""
    for case in rows("sgd/dev_longcall_cases.jsonl"):
        before = [turn["x"] for name in case["before"] for turn in sgd()[name]["turns"]]
        own = [turn["x"] for turn in sgd()[case["dialogue"]]["turns"][: case["turn"]]]
        between = [turn["x"] for name in case["between"] for turn in sgd()[name]["turns"]]
        needs = tuple(frozenset(len(before) + turn for turn in need["evidence_turns"]) for need in case["needs"])
        yield Probe([*before, *own, *between], case["utterance"], needs, tuple(need["value"] for need in case["needs"]))


def multiwoz_own() -> Iterator[Probe]:
    """MultiWOZ validation: turns that take a value said only before the last exchange."""
    for case in rows("multiwoz21/val_backref_cases.jsonl"):
        texts = [turn["text"] for turn in multiwoz()[case["dialogue"]]["turns"][: case["turn"]]]
        needs = tuple(frozenset(need["evidence_turns"]) for need in case["needs"])
        yield Probe(texts, case["utterance"], needs, tuple(need["value"] for need in case["needs"]))


def multiwoz_long() -> Iterator[Probe]:
    """MultiWOZ validation: turns that point back in words, eight other dialogues before theirs and four after it.

    Which dialogues these are is drawn with a fixed seed.
    """
    chance, names = random.Random(7), list(multiwoz())
    for case in rows("multiwoz21/val_backref_cases.jsonl"):
        if not case["cue"]:
            continue
        drawn = [
            [turn["text"] for turn in whole_exchanges(name)]
            for name in chance.sample(names, 12)
            if name != case["dialogue"]
        ]
        before = [text for texts in drawn[:8] for text in texts]
        between = [text for texts in drawn[8:] for text in texts]
        own = [turn["text"] for turn in multiwoz()[case["dialogue"]]["turns"][: case["turn"]]]
        needs = tuple(frozenset(len(before) + turn for turn in need["evidence_turns"]) for need in case["needs"])
        yield Probe([*before, *own, *between], case["utterance"], needs, tuple(need["value"] for need in case["needs"]))


def whole_exchanges(dialogue: str) -> list[dict[str, Any]]:
    """The turns of a MultiWOZ dialogue without a last one that nobody answered."""
    turns = multiwoz()[dialogue]["turns"]
    return turns[: len(turns) // 2 * 2]


@dataclass(frozen=True, slots=True)
class LabelledTurn:
    """One exchange with the subject its caller's turn is about; None where the annotation names none or several."""

    caller: str
    agent: str
    subject: str | None


def sgd_subjects() -> Iterator[list[LabelledTurn]]:
    """SGD dev, several services. The subject is the service of the only new intent, else the only active service."""
    for dialogue in sgd().values():
        if len(dialogue["services"]) < 2:
            continue
        turns = dialogue["turns"]
        labelled: list[LabelledTurn] = []
        for turn, answer in zip(turns[::2], turns[1::2], strict=False):
            begun = [
                frame["svc"] for frame in turn["f"] if any(act[0] == "INFORM_INTENT" for act in frame.get("acts", []))
            ]
            active = [frame["svc"] for frame in turn["f"] if frame.get("acts") and frame.get("intent") != "NONE"]
            only = begun if len(begun) == 1 else active
            labelled.append(LabelledTurn(turn["x"], answer["x"], only[0] if len(only) == 1 else None))
        yield labelled


def multiwoz_subjects() -> Iterator[list[LabelledTurn]]:
    """MultiWOZ validation. The subject is the only domain whose belief state changes, else the turn's only domain."""
    for dialogue in multiwoz().values():
        turns = dialogue["turns"]
        labelled: list[LabelledTurn] = []
        for turn, answer in zip(turns[::2], turns[1::2], strict=False):
            changed = sorted({slot.split("-")[0] for slot in turn["state_set"]})
            domains = [name for name in turn["domains"] if name not in ("general", "booking")]
            only = changed or domains
            labelled.append(LabelledTurn(turn["text"], answer["text"], only[0] if len(only) == 1 else None))
        yield labelled


def tiage(part: str = "validation") -> Iterator[tuple[list[str], list[int]]]:
    """TIAGE chit-chat: utterances, and for each 1 when a topic ends after it."""
    for row in rows(f"topicseg/tiage_{part}.jsonl"):
        yield row["utterances"], row["boundary_after"]
