"""The scripted receptionist behind the simulated language model. It reads nothing but the request: same request, same
answer.

The conversation is replayed from the user messages of the request, so what the service does not send, the receptionist
does not know. Booking values are also picked up from the notes around the caller's words and from the system prompt
(`brain_notes`); what the caller says in the messages wins over them.

For tests and demonstrations: "say something with markdown" answers with everything that must not be spoken as it
stands; "tell me about the rooms" gives a long answer to interrupt; "what happens when your usual model is down", or
"your voice", lets just that fail (`outages`); a request for an answer in JSON gets the notes of
the turns in it, with mistakes (see `summary`).
"""

from __future__ import annotations

import functools
import re
import tomllib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from voice_sandbox.receptionist.digits import spelled_number
from voice_sandbox.receptionist.foreign import is_foreign
from voice_sandbox.receptionist.front_desk import (
    USUAL,
    ReceptionistReply,
    after_results,
    booking_of,
    holds_results,
    tools_of,
    unheard,
    wishes_for,
)
from voice_sandbox.receptionist.notes import caller_words, noted_values, text_of
from voice_sandbox.receptionist.slots import SLOTS, Slot, as_slot, find_values, plain
from voice_sandbox.receptionist.summary import summarise, wants_notes, write_notes

_CHANGE: Final = re.compile(r"\b(?:make it|make that|change (?:it|that) to|i meant|i mean|rather)\s+(.+)$")
_EARLIER: Final = re.compile(r"\b(not that one|the earlier one|the other one|the previous one|the one before)\b")
_BACK: Final = re.compile(r"\b(go back|going back|back to|return to|again about|as for)\b")
_YES: Final = re.compile(r"^(yes|yeah|yep|sure|please do|go ahead|correct|right|ok|okay)\b")
_NO: Final = re.compile(r"^(no|nope|not yet|dont)\b")
_CANCEL: Final = re.compile(r"\bcancel (that|it|the booking|my booking)\b")


@functools.cache
def _script() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("dialogue.toml").read_text(encoding="utf-8"))


def _locations() -> list[str]:
    return _script()["booking"]["locations"]


def answer(body: dict[str, Any], *, drop_value: bool = False, insists: bool = False) -> ReceptionistReply:
    """The reply to a validated Messages request, with the tools that it asks for.

    `drop_value` makes notes leave out their last fact. `insists`: it asks for a booking whose values it knows, whatever
    was said and done since.
    """
    system = text_of(body.get("system"))
    last = text_of(body["messages"][-1]["content"])
    if wants_notes(body):
        return ReceptionistReply(write_notes(last, drop_value=drop_value))
    if "summarise telephone calls" in system:
        return ReceptionistReply(summarise(last))
    tools, waited = tools_of(body), False
    dialogue = _Dialogue(usual=USUAL if "book_room" in {tool["name"] for tool in body.get("tools") or []} else {})
    dialogue.read(noted_values(system, _locations()))
    reply, words, notes = "", "", ""
    for message in body["messages"]:
        if message["role"] == "user" and not holds_results(message):
            words, notes = caller_words(message["content"])
            dialogue.read(noted_values(notes, _locations()))
            waited = dialogue.booking is not None and dialogue.booking.confirming
            reply = _respond(dialogue, plain(words))
    booking = dialogue.booking
    slots: dict[Slot, str] = (
        {} if booking is None else {slot: booking.slots[slot] for slot in SLOTS if slot in booking.slots}
    )
    if holds_results(body["messages"][-1]):
        return after_results(body["messages"], slots, tools)
    asks = (
        booking is not None
        and booking.confirming
        and reply.endswith("Shall I book it?")
        and not is_foreign(plain(words))
    )
    if insists and len(slots) == len(SLOTS) and "book_room" in tools:
        return ReceptionistReply("", booking_of(slots))
    # a yes that has not booked anything: with a tool for it, only that tool does
    ready = len(slots) == len(SLOTS) and (asks or (waited and reply.startswith("Your room is booked")))
    decision = wishes_for(plain(words), slots, ready=ready, tools=tools, known=notes)
    if decision is not None:
        return decision
    first = unheard(notes) if tools else ""
    if first and reply == _script()["unknown"]["reply"]:
        reply = ""
    return ReceptionistReply(f"{first} {reply}".strip())


@dataclass(slots=True)
class _Booking:
    slots: dict[Slot, str] = field(default_factory=dict[Slot, str])
    before: dict[Slot, str] = field(default_factory=dict[Slot, str])
    """The value that each changed slot had before its last change."""
    asked: Slot | None = None
    latest: Slot | None = None
    """The slot that was filled or changed last: what `make it seven` is about."""
    confirming: bool = False

    def fill(self, slot: Slot, value: str) -> None:
        if slot in self.slots and self.slots[slot] != value:
            self.before[slot] = self.slots[slot]
        self.slots[slot] = value
        self.latest = slot

    def next_question(self, heard: str = "") -> str:
        """Asks for the first value that is missing, or says them all and asks for a yes."""
        for slot in SLOTS:
            if slot not in self.slots:
                self.asked = slot
                question = _script()["booking"]["questions"][slot]
                return f"{heard[0].upper()}{heard[1:]}, good. {question}" if heard else question
        self.asked, self.confirming = None, True
        values = self.slots
        return (
            f"So that is {values['location']}, {values['day']} at {values['time']}. "
            f"For {values['duration']}, with {values['people']}. Shall I book it?"
        )


@dataclass(slots=True)
class _Dialogue:
    """What the conversation has come to so far: the bookings, the newest last, and the topic talked about."""

    bookings: list[_Booking] = field(default_factory=list[_Booking])
    topic: str = ""
    item: dict[str, int] = field(default_factory=dict[str, int])
    """Per topic the item talked about: 0 is the newest, 1 the one before."""
    usual: Mapping[Slot, str] = field(default_factory=dict[Slot, str])
    """What a new booking holds before anything was said."""

    def new_booking(self) -> _Booking:
        """A booking of which nothing was said yet."""
        return _Booking(dict(self.usual))

    @property
    def booking(self) -> _Booking | None:
        return self.bookings[-1] if self.bookings else None

    def open_booking(self) -> _Booking:
        """The booking talked about, started if there is none."""
        self.topic = "booking"
        if not self.bookings:
            self.bookings.append(self.new_booking())
        return self.bookings[-1]

    def read(self, values: dict[Slot, str]) -> None:
        """Takes values from notes where the conversation itself has none."""
        if values:
            slots = self.bookings[-1].slots if self.bookings else self.open_booking().slots
            slots.update({slot: value for slot, value in values.items() if slot not in slots})


def _respond(dialogue: _Dialogue, words: str) -> str:
    """The first of the attempts that has an answer gives it."""
    for attempt in _ATTEMPTS:
        reply = attempt(dialogue, words)
        if reply is not None:
            return reply
    return _script()["unknown"]["reply"]


def _foreign(dialogue: _Dialogue, words: str) -> str | None:
    """`how old is the brooklyn bridge`: it says what it is, and asks again what it had asked."""
    if not is_foreign(words):
        return None
    booking, script = dialogue.booking, _script()
    pending = dialogue.topic == "booking" and booking is not None and booking.asked is not None
    again = [script["booking"]["questions"][booking.asked]] if pending and booking is not None else []
    return " ".join([script["foreign"]["reply"], *again])


def _change(dialogue: _Dialogue, words: str) -> str | None:
    """`actually make it seven`: a new value for the slot it fits, the latest one first."""
    change, booking = _CHANGE.search(words), dialogue.booking
    if change is None or booking is None:
        return None
    found = find_values(change[1], _locations())
    candidates: tuple[Slot | None, ...] = () if found else (booking.latest, "people", "time")
    for slot in candidates:
        value = None if slot is None else as_slot(change[1], slot, _locations())
        if slot is not None and value is not None:
            found[slot] = value
            break
    if not found:
        return "Of course. What should I change it to?"
    dialogue.topic = "booking"
    for slot, value in found.items():
        booking.fill(slot, value)
    return f"No problem, I changed it to {' and '.join(found.values())}. {booking.next_question()}"


def _earlier(dialogue: _Dialogue, words: str) -> str | None:
    """`not that one, the earlier one`: the item or booking before this one, or the value before the last change.

    A change that was meant for the earlier booking moves there.
    """
    if not _EARLIER.search(words):
        return None
    items = _script().get(dialogue.topic, {}).get("items")
    if items:
        dialogue.item[dialogue.topic] = min(dialogue.item.get(dialogue.topic, 0) + 1, len(items) - 1)
        return items[dialogue.item[dialogue.topic]]["short"]
    booking = dialogue.booking
    if booking is None or booking.latest is None:
        return "Which one do you mean?"
    slot, value = booking.latest, booking.slots[booking.latest]
    if len(dialogue.bookings) > 1:
        _undo(booking, slot)
        dialogue.bookings.insert(0, dialogue.bookings.pop())
        earlier = dialogue.bookings[-1]
        earlier.fill(slot, value)
        return f"The one {_when(earlier)} then: I changed it to {value}. {earlier.next_question()}"
    if slot in booking.before:
        booking.fill(slot, booking.before[slot])
        return f"All right, back to {booking.slots[slot]}. {booking.next_question()}"
    return "Which one do you mean?"


def _undo(booking: _Booking, slot: Slot) -> None:
    if slot in booking.before:
        booking.slots[slot] = booking.before.pop(slot)
    else:
        del booking.slots[slot]


def _when(booking: _Booking) -> str:
    return f"for {booking.slots['day']}" if "day" in booking.slots else "before"


def _confirm(dialogue: _Dialogue, words: str) -> str | None:
    booking = dialogue.booking
    if booking is not None and dialogue.topic == "booking" and _CANCEL.search(words):
        dialogue.bookings.pop()
        return "All right, that booking is cancelled. Is there anything else?"
    if booking is None or not booking.confirming or dialogue.topic != "booking":
        return None
    if _YES.search(words):
        booking.confirming = False
        reference = zlib.crc32("|".join(booking.slots[slot] for slot in SLOTS).encode()) % 9000 + 1000
        return f"Your room is booked. The reference is {reference}."
    if _NO.search(words) and len(words.split()) <= 3:
        booking.confirming = False
        return "All right, I have not booked it. What should I change?"
    return None


def _asked_slot(dialogue: _Dialogue, words: str) -> str | None:
    """The answer to the question that was asked last, given in a few words."""
    booking = dialogue.booking
    if booking is None or booking.asked is None or dialogue.topic != "booking" or len(words.split()) > 8:
        return None
    value = as_slot(words, booking.asked, _locations())
    if value is None:
        return None
    booking.fill(booking.asked, value)
    for slot, other in find_values(words, _locations()).items():
        booking.fill(slot, other)
    return booking.next_question(value)


def _booking(dialogue: _Dialogue, words: str) -> str | None:
    """A new booking, a way back to one, or values for it in any order."""
    script = _script()["booking"]
    found = find_values(words, script["locations"])
    starts = re.search(script["start"], words) is not None
    returns = re.search(script["topic"], words) is not None
    if not starts and not returns and not (found and (dialogue.booking or len(words.split()) <= 5)):
        return None
    if starts and "another" in words:
        dialogue.bookings.append(dialogue.new_booking())
    booking = dialogue.open_booking()
    for slot, value in found.items():
        booking.fill(slot, value)
    opening = "Sure." if starts else ("Sure, back to your booking." if returns else "")
    return f"{opening} {booking.next_question(' '.join(found.values()))}".strip()


def _items(dialogue: _Dialogue, words: str) -> str | None:
    """Billing and orders: the newest item, the one that was named, a detail of it, or the way back to it."""
    script = _script()
    topic = next((name for name in ("billing", "orders") if re.search(script[name]["topic"], words)), None)
    named = topic is not None
    if topic is None and dialogue.topic in ("billing", "orders"):
        topic = dialogue.topic
    if topic is None:
        return None
    about = script[topic]
    returning = named and bool(_BACK.search(words)) and topic in dialogue.item
    index = dialogue.item.get(topic, 0)
    number = spelled_number(words)
    for i, item in enumerate(about["items"]):
        if number and number in item["number"]:
            index, named = i, True
    extra = next((extra["reply"] for extra in about["extras"] if re.search(extra["pattern"], words)), None)
    detail = not returning and re.search(about["detail"], words) is not None
    if not named and not detail and extra is None:
        return None
    dialogue.topic, dialogue.item[topic] = topic, index
    if extra is not None:
        return extra
    if detail:
        return about["items"][index]["detail"]
    short = about["items"][index]["short"]
    return f"{about['opening']} {short}" if returning else short


def _rooms(dialogue: _Dialogue, words: str) -> str | None:
    rooms = _script()["rooms"]
    if not re.search(rooms["topic"], words):
        return None
    dialogue.topic = "rooms"
    return rooms["reply"]


def _small_talk(_: _Dialogue, words: str) -> str | None:
    return next((talk["reply"] for talk in _script()["small_talk"] if re.search(talk["pattern"], words)), None)


_ATTEMPTS: Final[tuple[Callable[[_Dialogue, str], str | None], ...]] = (
    _foreign,
    _change,
    _earlier,
    _confirm,
    _asked_slot,
    _items,
    _rooms,
    _booking,
    _small_talk,
)
