"""The scripted note-taker: the facts of the turns in a request, as JSON, with mistakes that its reader must find.

It notes what a careful reader would (acts of the agent, references, prices, and the day and time that an act names),
each with its turn. Some facts get a wrong sister, chosen by the words themselves, so that the same request always has
the same answer: an altered value, a value of another turn, a status that is only asked, and one that only the caller
claims.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any, Final

_TURN: Final = re.compile(r"\[turn (\d+)\]\nCaller: (.*)\nAgent: (.*)")
_SENTENCE: Final = re.compile(r"[^.?!]+(?:\.\d[^.?!]*)*[.?!]?")
_DONE: Final = re.compile(
    r"\b(?:is|are|has been|have been|I have|I've)\s+(?:now )?"
    r"(?:booked|confirmed|cancelled|moved|changed|sent|ordered|paid)\b",
    re.IGNORECASE,
)
_NOT_DONE: Final = re.compile(r"\?|\b(?:if|once|when|not|n't|will|shall|would|could|nothing)\b", re.IGNORECASE)
_REFERENCE: Final = re.compile(r"\breference (?:number )?(?:is )?([A-Z]{0,4}-?\d{3,})\b", re.IGNORECASE)
_PRICE: Final = re.compile(r"[$€£]\d[\d,]*(?:\.\d\d)?")
_THINGS: Final = re.compile(
    r"\b(room|booking|invoice|bill|order|delivery|appointment|table|card|payment|refund|transfer|flight)\b",
    re.IGNORECASE,
)
_EVERY: Final = 4  # one fact in so many gets a wrong sister
_MAX_FACTS: Final = 16

Fact = dict[str, Any]


def wants_notes(body: dict[str, Any]) -> bool:
    """Whether a request asks for an answer in JSON: the only one of that kind is the one for notes."""
    config = body.get("output_config")
    return isinstance(config, dict) and config.get("format") is not None


def summarise(text: str) -> str:
    """A summary of the transcript in a request: what the caller said first, and what the agent said last."""
    asked = re.findall(r"^caller: (.*)$", text, re.MULTILINE)
    told = re.findall(r"^agent: (.*)$", text, re.MULTILINE)
    wanted = f'The caller said: "{asked[0]}".' if asked else "The caller said nothing."
    return f'{wanted} The agent ended with: "{told[-1]}".' if told else wanted


def write_notes(text: str, *, drop_value: bool) -> str:
    """The notes of the turns in a request, 16 facts at most; `drop_value` leaves out the last."""
    turns = [(int(number), caller, agent) for number, caller, agent in _TURN.findall(text)]
    facts: list[Fact] = []
    for number, caller, agent in turns:
        for fact in _facts(number, caller, agent):
            facts.append(fact)
            if zlib.crc32(f"{number}{fact['value']}".encode()) % _EVERY == 0:
                facts.append(_mistake(fact, number, caller, agent))
    facts = facts[:_MAX_FACTS]
    return json.dumps({"facts": facts[:-1] if drop_value else facts}, ensure_ascii=False)


def _facts(number: int, caller: str, agent: str) -> Iterator[Fact]:
    thing = _THINGS.search(agent) or _THINGS.search(caller)
    if thing is None:
        return
    name = thing[1].lower()
    for sentence in map(str.strip, _SENTENCE.findall(agent)):
        if _DONE.search(sentence) and not _NOT_DONE.search(sentence):
            yield _fact(name, "status", sentence.rstrip("."), number)
        for reference in _REFERENCE.findall(sentence):
            yield _fact(name, "reference", reference, number)
        if not _NOT_DONE.search(sentence):
            for price in _PRICE.findall(sentence)[:1]:
                yield _fact(name, "price", price, number)


def _fact(thing: str, attribute: str, value: str, turn: int, by: str = "agent") -> Fact:
    return {"thing": thing, "attribute": attribute, "value": value, "turn": turn, "by": by, "supersedes": ""}


def _mistake(fact: Fact, number: int, caller: str, agent: str) -> Fact:
    """A wrong sister of a fact; which kind of wrong follows from its words."""
    kind = zlib.crc32(f"{fact['value']}{number}".encode()) % 4
    question = next((part.strip() for part in _SENTENCE.findall(agent) if part.rstrip().endswith("?")), "")
    if kind == 0 and question:
        return _fact(fact["thing"], "status", question.rstrip("?"), number)
    if kind == 1 and caller:
        return _fact(fact["thing"], "status", caller, number, "caller")
    if kind == 2 and number > 1:
        return {**fact, "turn": number - 1}
    return {**fact, "value": f"{fact['value']} as always"}
