"""Wrong claims about the calls of measure 5, and what they do to notes that hold the right ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from agent.memory import Claim, Conversation
from agent.memory.checks import checked
from agent.memory.flows import load_flows
from tools.evals.note_measures import NoteCase, falsehoods, heard, holding_lines, whole

WRITTEN = "written by hand"
_QUOTED = re.compile(r'([CA]\d+)(?: \(.*?\))?: (".*")$')


def wrong_claims(case: NoteCase) -> Iterator[tuple[str, Claim]]:
    """(kind of wrong, the claim)."""
    things = list(dict.fromkeys(claim.thing for claim in case.claims))
    right = {(claim.thing, claim.value.casefold()) for claim in case.claims}
    for claim in case.claims:
        yield "altered value", Claim(claim.thing, claim.attribute, _altered(claim.value), claim.turn, claim.by)
        other = "caller" if claim.by == "agent" else "agent"
        if claim.attribute == "status" or not _said(case, claim.turn, other, claim.value):
            yield "other speaker", Claim(claim.thing, claim.attribute, claim.value, claim.turn, other)
        wrong_turn = next(
            (t for t in range(len(case.turns)) if not _said(case, t, claim.by, claim.value)), len(case.turns)
        )
        yield "other turn", Claim(claim.thing, claim.attribute, claim.value, wrong_turn, claim.by)
        for thing in things:
            if thing != claim.thing and (thing, claim.value.casefold()) not in right and not _names(claim.value, thing):
                swapped = Claim(thing, claim.attribute, claim.value, claim.turn, claim.by)
                if swapped in case.either:
                    continue
                yield "swapped", swapped
        later = [
            c for c in case.claims if c.thing == claim.thing and c.attribute == claim.attribute and c.turn > claim.turn
        ]
        if later:
            yield "stale", claim
    for claim in case.wrong:
        yield WRITTEN, claim
    yield from _unsupported(case, things or ["call"])


def _unsupported(case: NoteCase, things: Sequence[str]) -> Iterator[tuple[str, Claim]]:
    """Statuses from the caller's words and from the agent's questions."""
    for turn, (caller, agent, _) in enumerate(case.turns):
        yield "status by the caller", Claim(things[0], "status", caller, turn, "caller")
        for sentence in re.findall(r"[^.?!]+\?", agent):
            yield "status from a question", Claim(things[0], "status", sentence.strip(), turn, "agent")
            yield "status from a question", Claim(things[0], "status", sentence.strip(" ?"), turn, "agent")


def _altered(value: str) -> str:
    digits = re.search(r"\d", value)
    if digits:
        at = digits.start()
        return value[:at] + str((int(value[at]) + 1) % 10) + value[at + 1 :]
    return f"{value} indeed"


def _said(case: NoteCase, turn: int, by: str, value: str) -> bool:
    caller, agent, _ = case.turns[turn]
    words = caller if by == "caller" else agent
    return value.casefold() in words.casefold()


def _names(value: str, thing: str) -> bool:
    return any(word in value.casefold() for word in thing.casefold().split() if len(word) > 2)


@dataclass(slots=True)
class Wrong:
    """What wrong claims did to notes that hold the right ones."""

    tried: int = 0
    dropped: int = 0
    adding: int = 0
    """They made the notes tell a sentence that the right claims do not."""
    losing: int = 0
    """They put in doubt what the right claims tell as it is."""
    false: list[str] = field(default_factory=list[str])
    """They made words stand together that must not."""


def wrong_ones(cases: Sequence[NoteCase], *, written: bool) -> Wrong:
    """Offers each wrong claim by itself after the right ones: those that a person wrote, or those made of these."""
    result = Wrong()
    for case in cases:
        call = heard(case)
        call.noted(whole(case), case.claims)
        before = _asked(call, case, ())
        known_notes = before.notes(case.question)
        right = holding_lines(known_notes)
        known = falsehoods(case, right)
        for kind, claim in wrong_claims(case):
            if (kind == WRITTEN) is not written:
                continue
            result.tried += 1
            if checked(before.graph, load_flows(), [claim])[1].total():
                result.dropped += 1
                continue
            notes = _asked(call, case, [claim]).notes(case.question)
            told = holding_lines(notes)
            result.adding += bool(_sentences(notes, held=True) - _sentences(known_notes))
            result.losing += any(line not in told for line in right)
            if falsehoods(case, told) - known:
                result.false.append(f"{kind}: {case.name}: {claim}")
    return result


def _sentences(notes: str, *, held: bool = False) -> set[str]:
    """What notes quote as what was said, with its turn and side, whatever is marked on it; `held`: but for what is in
    doubt as a whole.
    """
    lines = (line for line in notes.split("\n")[1:] if not held or any(map(_QUOTED.match, holding_lines(f"\n{line}"))))
    found = (_QUOTED.match(line) for line in lines)
    return {f"{line[1]} {line[2]}" for line in found if line is not None}


def _asked(call: Conversation, case: NoteCase, more: Sequence[Claim]) -> Conversation:
    """A copy of a call that has its right claims, with others too, at its question."""
    copied = deepcopy(call, {id(call.graph): call.graph, id(call.flows): call.flows})  # these two are frozen
    copied.noted(whole(case), more)
    copied.heard(case.question)
    return copied
