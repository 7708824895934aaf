"""What the receptionist does when it is given the tools of a front desk: it asks for them, and answers what they say.

It knows `check_availability`, `book_room`, `cancel_booking` and `end_call`, and asks for none that it was not given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from voice_sandbox.receptionist.notes import text_of
from voice_sandbox.receptionist.slots import NUMBERS, Slot

Wish = tuple[str, dict[str, Any]]
"""A tool, and its arguments."""
SORRY: Final = "I am sorry, that did not work. Nothing was changed. Shall I try again?"
_CANCEL: Final = re.compile(r"\bcancel\b")
_FREE: Final = re.compile(r"\b(?:free|available|availability)\b")
_BYE: Final = re.compile(r"\b(?:goodbye|good bye|bye)\b")
_DAY: Final = re.compile(r"\b((?:mon|tues|wednes|thurs|fri|satur|sun)day|today|tomorrow)\b")
_REFERENCE: Final = re.compile(r'"reference": (\d+)|\breference (?:is )?(\d{3,})\b')


_UNHEARD: Final = re.compile(
    r"^\[turn \d+\] (\w+)\((.*?)\) returned: (.*) \(the caller has not heard of it\b", re.MULTILINE
)
_RUNNING: Final = re.compile(r"^(\w+)\(.*\) is still running\b", re.MULTILINE)
_NOT_KNOWN: Final = "It is not known whether it happened"
STILL_RUNNING: Final = "I am still on it, one moment."
NOBODY_KNOWS: Final = "I am sorry, I do not know whether that went through."


USUAL: Final[dict[Slot, str]] = {"location": "Harbour Street", "duration": "an hour"}
"""What a booking is where the caller says nothing else: with tools the receptionist asks for the rest only."""


@dataclass(frozen=True, slots=True)
class ReceptionistReply:
    """What the model says, and which tools it asks for then."""

    text: str
    wishes: tuple[Wish, ...] = ()


def tools_of(body: Mapping[str, Any]) -> frozenset[str]:
    """The names of the tools that may be asked for."""
    choice = body.get("tool_choice") or {}
    if choice.get("type") == "none":
        return frozenset()
    return frozenset(tool["name"] for tool in body.get("tools") or [])


def holds_results(message: Mapping[str, Any]) -> bool:
    """Whether a message is the results of tools and nobody's words."""
    content = message["content"]
    return isinstance(content, list) and any(part["type"] == "tool_result" for part in content)


def wishes_for(
    words: str, slots: Mapping[Slot, str], *, ready: bool, tools: frozenset[str], known: str
) -> ReceptionistReply | None:
    """What to ask for, for the caller's words; None where they need no tool.

    `ready`: all values of a booking are known. `known` is what the prompt holds of references.
    """
    if "cancel_booking" in tools and _CANCEL.search(words):
        number = _digits(words) or _last_reference(known)
        if not number:
            return ReceptionistReply("What is the reference?")
        return ReceptionistReply("", (("cancel_booking", {"reference": int(number)}),))
    if "end_call" in tools and _BYE.search(words):
        return ReceptionistReply("", (("end_call", {}),))
    days = list(dict.fromkeys(day.title() for day in _DAY.findall(words)))
    if "check_availability" in tools and _FREE.search(words) and days:
        place = slots.get("location", "Mountain View")
        return ReceptionistReply(
            "Let me look.", tuple(("check_availability", {"location": place, "day": day}) for day in days)
        )
    if ready and "check_availability" in tools:
        return ReceptionistReply("", (("check_availability", _arguments(slots, "location", "day", "time", "people")),))
    if ready and "book_room" in tools:
        return ReceptionistReply("", booking_of(slots))
    return None


def booking_of(slots: Mapping[Slot, str]) -> tuple[Wish, ...]:
    """The call that books these values."""
    return (("book_room", _arguments(slots, *slots)),)


def unheard(notes: str) -> str:
    """What the notes say that the caller has to be told before anything else; empty where that is nothing."""
    told = [_told(name, content) for name, _, content in _UNHEARD.findall(notes)]
    if not told and _RUNNING.search(notes):
        return STILL_RUNNING
    return " ".join(dict.fromkeys(told))


def _told(name: str, content: str) -> str:
    if _NOT_KNOWN in content:
        return NOBODY_KNOWS
    made = _parsed(content)
    if not made:
        return SORRY
    return _done(name, made)


def _done(name: str, made: Mapping[str, Any]) -> str:
    if name == "book_room":
        return f"Your room is booked. The reference is {made.get('reference')}."
    if name == "cancel_booking":
        return f"The booking {made.get('cancelled')} is cancelled. Is there anything else?"
    return "Thank you for calling. Goodbye." if name == "end_call" else "All right."


def after_results(
    messages: Sequence[Mapping[str, Any]], slots: Mapping[Slot, str], tools: frozenset[str]
) -> ReceptionistReply:
    """What follows on the results of the last message."""
    asked = {part["id"]: part["name"] for part in messages[-2]["content"] if part["type"] == "tool_use"}
    results = [
        (asked[part["tool_use_id"]], _content(part), bool(part.get("is_error")))
        for part in messages[-1]["content"]
        if part["type"] == "tool_result"
    ]
    if any(failed for _, _, failed in results):
        if any(failed and _NOT_KNOWN in content for _, content, failed in results):
            return ReceptionistReply(NOBODY_KNOWS)
        reason = next(content for _, content, failed in results if failed)
        # what a back end says in its own words is told; anything else is not repeated to a caller
        return ReceptionistReply(
            f"I am sorry, {reason}." if re.fullmatch(r"(?:no|there is no) [\w :]+", reason) else SORRY
        )
    name, content, _ = results[0]
    if name == "check_availability":
        return _availability([_parsed(content) for _, content, _ in results], slots, tools)
    return ReceptionistReply(_done(name, _parsed(content)))


def _availability(
    found: Sequence[dict[str, Any]], slots: Mapping[Slot, str], tools: frozenset[str]
) -> ReceptionistReply:
    if len(found) == 1 and len(slots) == len(("location", "day", "time", "duration", "people")):
        if not found[0].get("free"):
            return ReceptionistReply("I am sorry, nothing is free then. Would another time do?")
        if "book_room" in tools:
            return ReceptionistReply("", (("book_room", _arguments(slots, *slots)),))
    told = [f"On {one.get('day')} there is the {' and the '.join(one['free'])}." for one in found if one.get("free")]
    return ReceptionistReply(" ".join(told) or "I am sorry, nothing is free then.")


def _arguments(slots: Mapping[Slot, str], *names: Slot) -> dict[str, Any]:
    """The values as a model writes them down: how many people is a number."""
    return {name: _count(slots[name]) if name == "people" else slots[name] for name in names if name in slots}


def _count(people: str) -> int:
    word = people.split()[0]
    return int(word) if word.isdigit() else NUMBERS.get(word, 1)


def _digits(words: str) -> str:
    """`4472`, or `four four seven two`: a reference has three digits or more."""
    digits = "".join(word if word.isdigit() else str(NUMBERS[word]) for word in words.split() if _is_digit(word))
    return digits if len(digits) >= 3 else ""


def _last_reference(known: str) -> str:
    return next((number for pair in reversed(_REFERENCE.findall(known)) for number in pair if number), "")


def _is_digit(word: str) -> bool:
    return word.isdigit() or NUMBERS.get(word, 10) < 10


def _content(part: Mapping[str, Any]) -> str:
    return text_of(part.get("content"))


def _parsed(content: str) -> dict[str, Any]:
    try:
        made = json.loads(content)
    except ValueError:
        return {}
    return made if isinstance(made, dict) else {}
