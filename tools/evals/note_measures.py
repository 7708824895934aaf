"""Measures 5 and 6: what the notes assert.

5 counts short calls as right, missing or false, on the notes alone and never on the transcript: by the lexical part by
itself, and with claims from a file instead of a model. 6 counts answers that hold the word of an act without doing it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from agent.memory import Claim, Conversation
from agent.memory.checks import checked
from agent.memory.flows import load_flows
from agent.memory.nodes import OPEN
from agent.memory.notes import NotesRequest
from agent.memory.sentences import clauses, sentences
from tools.evals import data

HERE = Path(__file__).parent
CASES, PHRASINGS = HERE / "note_cases.toml", HERE / "status_phrasings.toml"
THIRD = HERE / "note_cases_third.toml"  # written after the rules, first run after them
FOURTH = HERE / "note_cases_fourth.toml"  # in five more subjects, first run after that
FIFTH = HERE / "note_cases_fifth.toml"  # in five more, by somebody who had not read the rules, first run after that
SIXTH = HERE / "note_cases_sixth.toml"  # a small one, after the rules were mended with the fifth
SEVENTH = HERE / "note_cases_seventh.toml"  # in five more, by somebody who had not read the rules, first run after that
EIGHTH = HERE / "note_cases_eighth.toml"  # in five more, by the same; its first run was held out
LATER = (
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "twentyfirst",
    "twentysecond",
)  # five more subjects each
GIVEN = HERE / "note_cases_given.toml"  # for the outside cases: what must not stand together, and right claims
EIGHTH_PHRASINGS = HERE / "phrasings_eighth.toml"
FILLER = HERE / "backref_templates.toml"
OTHER_TURNS = 40
PHRASING_PARTS = ("dev", "held_out", "second", "third", "fourth", "fifth", "seventh")


@dataclass(frozen=True, slots=True)
class NoteCase:
    """A short call, what its notes must hold and what they must not, and right claims about it."""

    name: str
    turns: tuple[tuple[str, str, bool], ...]
    question: str
    needs: tuple[str, ...]
    false: tuple[tuple[str, ...], ...]
    claims: tuple[Claim, ...]
    held_out: bool = False
    wrong: tuple[Claim, ...] = ()
    either: tuple[Claim, ...] = ()


def own_cases(path: Path = CASES) -> Iterator[NoteCase]:
    """Every scenario in the words of every subject."""
    declared = tomllib.loads(path.read_text(encoding="utf-8"))
    for subject, words in declared["subjects"].items():
        for scenario in declared["scenarios"]:
            held_out = bool(words.get("held_out") or scenario.get("held_out"))
            yield _case(f"{subject}: {scenario['id']}", scenario, words, held_out=held_out)


def _case(name: str, scenario: dict[str, Any], words: dict[str, Any], *, held_out: bool) -> NoteCase:
    def fill(text: str) -> str:
        filled = re.sub(r"\{(\w+)\}", lambda found: str(words[found[1]]), text)
        return re.sub(r"(^|[.?!] )([a-z])", lambda found: found[1] + found[2].upper(), filled)

    said = [fill(text) for text in scenario["turns"]]
    turns = tuple((said[i], said[i + 1].removesuffix("|"), said[i + 1].endswith("|")) for i in range(0, len(said), 2))
    return NoteCase(
        name,
        turns,
        fill(scenario["question"]),
        tuple(_plain(need, words) for need in scenario["needs"]),
        tuple(tuple(_plain(part, words) for part in parts) for parts in scenario["false"]),
        tuple(claim_of(_plain(line, words)) for line in scenario["facts"]),
        held_out,
        tuple(claim_of(_plain(line, words)) for line in scenario.get("wrong", ())),
        tuple(claim_of(line) for line in scenario.get("either", ())),
    )


def _plain(text: str, words: dict[str, Any]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: str(words[found[1]]), text)


def claim_of(line: str) -> Claim:
    """A claim from "thing / attribute / turn and side / value"."""
    thing, attribute, where, value = line.split(" / ", 3)
    return Claim(thing, attribute, value, int(where[:-1]) - 1, "agent" if where[-1] == "a" else "caller")


def given_cases() -> Iterator[NoteCase]:
    """The outside calls, which nobody here wrote, with our reading of what would be false in words."""
    read = tomllib.loads(GIVEN.read_text(encoding="utf-8"))
    with (data.ROOT / "calls/memory_cases.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            ours = read[f"case{row['id']}"]
            yield NoteCase(
                f"given {row['id']}: {row['about']}",
                tuple((turn["caller"], turn["agent"], turn["interrupted"]) for turn in row["turns"]),
                row["question"],
                tuple(row["needed_verbatim"]),
                tuple(tuple(parts) for parts in ours["false"]),
                tuple(claim_of(line) for line in ours["facts"]),
            )


def other_talk(turns: int = OTHER_TURNS) -> list[tuple[str, str]]:
    """Talk about other things."""
    filler = tomllib.loads(FILLER.read_text(encoding="utf-8"))["filler"]
    talk = [tuple(turn) for entry in filler for turn in entry["turns"]]
    return [(talk[i % len(talk)][0], talk[i % len(talk)][1]) for i in range(turns)]


@dataclass(slots=True)
class Asserted:
    """Cases by verdict, and the names of those that are not right."""

    verdicts: Counter[str] = field(default_factory=Counter[str])
    names: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    kept: int = 0
    claims: int = 0
    dropped: Counter[str] = field(default_factory=Counter[str])

    @property
    def cases(self) -> int:
        """How many cases were judged."""
        return self.verdicts.total()


def judge(cases: Sequence[NoteCase], *, claims: bool, other: int = 0, careless: bool = False) -> Asserted:
    """Judges the notes of each case before its question, after `other` turns of other talk.

    `careless`: the wrong claims that a person wrote come in the same answer as the right ones.
    """
    result = Asserted()
    for case in cases:
        call = heard(case)
        if claims:
            dropped = checked(call.graph, load_flows(), case.claims)[1]
            result.dropped.update(dropped)
            result.claims += len(case.claims)
            result.kept += len(case.claims) - dropped.total()
            call.noted(whole(case), [*case.claims, *(case.wrong if careless else ())])
        for caller, agent in other_talk(other):
            call.heard(caller)
            call.answered(agent, interrupted=False)
        call.heard(case.question)
        held = holding_lines(call.notes(case.question))
        text = "\n".join(held).casefold()
        needs = spoken_of(case) if claims else case.needs
        verdict = "right" if all(need.casefold() in text for need in needs) else "missing"
        if falsehoods(case, held):
            verdict = "false"
        result.verdicts[verdict] += 1
        result.names.setdefault(verdict, []).append(case.name)
    return result


def whole(case: NoteCase) -> NotesRequest:
    """The request for notes that covers a call."""
    return NotesRequest(len(case.turns) - 1, "")


def falsehoods(case: NoteCase, lines: Sequence[str]) -> set[tuple[str, ...]]:
    """What must not stand together in a call's notes and does."""
    return {parts for parts in case.false if any(is_false(parts, line) for line in lines)}


def spoken_of(case: NoteCase) -> tuple[str, ...]:
    """What a case needs and any of its right claims speaks of: the rest no notes made from them can hold."""
    told: list[str] = []
    for claim in case.claims:
        caller, agent, _ = case.turns[claim.turn]
        words = caller if claim.by == "caller" else agent
        start = words.casefold().find(claim.value.casefold())
        own = [one for one in sentences(words) if one.start < start + len(claim.value) and start < one.end]
        told += [words[own[0].start : own[-1].end].casefold()] if own else []
    return tuple(need for need in case.needs if any(need.casefold() in words for words in told))


def heard(case: NoteCase) -> Conversation:
    """A call that has heard a case's turns, without its question."""
    call = Conversation()
    for caller, agent, interrupted in case.turns:
        call.heard(caller)
        call.answered(agent, interrupted=interrupted)
    return call


def holding_lines(notes: str) -> list[str]:
    """The lines of notes that tell something as it is: not the header, what another line points back to, what was
    replaced or may have changed, or is so on a condition. Of these the values that stand all the same count.
    """
    lines: list[str] = []
    for line in notes.split("\n")[1:]:
        mark = line.partition(': "')[0]
        if line.startswith("("):
            continue
        single = re.findall(r'(?:for|not) "([^"]+)"', mark)
        mark = re.sub(r'for "[^"]+" see turn \d+', "", mark)
        if re.search(r"see turn |may have changed|not settled", mark):
            lines += re.findall(r', but "(.*?)" stands', mark)
        else:
            for value in single:
                line = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", line)
            lines.append(line)
    return lines


def is_false(parts: Sequence[str], line: str) -> bool:
    """Whether words that must not stand together do so in one clause of a line.

    A sentence that was said of two things ("With Dr. Brandt it is $48, with Dr. Osei $65") says nothing false of them.
    """
    if not all(part.casefold() in line.casefold() for part in parts):
        return False
    spoken = line.partition(': "')[2] or line
    told = [text for one in sentences(spoken) for _, text in clauses(one.text)]
    return len(parts) == 1 or any(all(part.casefold() in text.casefold() for part in parts) for text in told)


def phrasings(part: str, path: Path = PHRASINGS) -> Iterator[tuple[str, str]]:
    """(form, answer) of every phrasing with every pair; the form `confirmed` is the one that does confirm."""
    declared = tomllib.loads(path.read_text(encoding="utf-8"))
    confirmed = {"confirmed": declared["confirmed"][part]} if "confirmed" in declared else {}
    forms = {**declared[part], **confirmed}
    pairs = forms.pop("pairs", None) or declared["pairs"]
    for form, texts in forms.items():
        for text in texts:
            for thing, done in pairs:
                words = {"thing": thing, "Thing": thing[0].upper() + thing[1:], "done": done}
                yield form, text.format(**words)


def asserted(answer: str, question: str = "What about it?") -> bool:
    """Whether the lexical notes take a status from an answer."""
    call = Conversation()
    call.heard(question)
    call.answered(answer, interrupted=False)
    return bool(call.graph.states)


def phrasing_parts(path: Path) -> tuple[str, ...]:
    """The parts of a file of phrasings: its tables but that of the confirmations of all."""
    declared = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(part for part, forms in declared.items() if isinstance(forms, dict) and part != "confirmed")


@cache
def _all_pairs(path: Path) -> tuple[tuple[str, str], ...]:
    declared = tomllib.loads(path.read_text(encoding="utf-8"))
    pairs = [declared.get("pairs", []), *(declared[part].get("pairs", []) for part in phrasing_parts(path))]
    return tuple((thing, done) for part in pairs for thing, done in part)


def believed(answer: str, path: Path = PHRASINGS) -> bool:
    """Whether claims made of the words of an answer say of anything that it is confirmed, changed or ended."""
    for thing, done in _all_pairs(path):
        if thing in answer.casefold() and done in answer:
            call = Conversation()
            call.heard("What about it?")
            call.answered(answer, interrupted=False)
            name = thing.removeprefix("the ").removeprefix("your ")
            tries = (done, f"is {done}", f"been {done}", f"{thing} is {done}", f"has been {done}")
            claims = [Claim(name, "status", value, 0, "agent") for value in tries]
            call.noted(NotesRequest(0, ""), claims)
            if any(state.state != OPEN for state in call.graph.states):
                return True
    return False
