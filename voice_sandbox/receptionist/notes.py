"""What a Messages request says, read apart: the caller's words, and the notes around them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from voice_sandbox.receptionist.slots import Slot, as_slot, plain

_SECTION: Final = re.compile(r"<(\w[\w-]*)[^>]*>.*?</\1>", re.DOTALL)
_BRACKETED: Final = re.compile(r"^\s*\[.*\]\s*$", re.MULTILINE)
_SPEAKER: Final = re.compile(r"^\s*(?:caller|user)(?: said| says)?\s*:\s*", re.IGNORECASE)
_PAIR: Final = re.compile(
    r"\b(location|place|day|date|time|duration|people|guests)\b[\"']?(?:\s*[:=]\s*[\"']?|\s*\")([^\n;,|\"'<]+)",
    re.IGNORECASE,
)
_NAMES: Final[dict[str, Slot]] = {
    "location": "location",
    "place": "location",
    "day": "day",
    "date": "day",
    "time": "time",
    "duration": "duration",
    "people": "people",
    "guests": "people",
}


def text_of(content: Any) -> str:
    """All text of a message or system prompt, block after block."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part["type"] == "text")


def caller_words(content: Any) -> tuple[str, str]:
    """A user message as (the caller's words, the notes around them).

    The words are the last line of the last text block, once `<tag>…</tag>` sections, `[bracketed]` lines, a leading
    `Caller:` and quotation marks are gone.
    """
    whole = text_of(content)
    last = whole
    if not isinstance(content, str):
        last = next((part["text"] for part in reversed(content) if part["type"] == "text"), "")
    lines = [line for line in _BRACKETED.sub("", _SECTION.sub("", last)).splitlines() if line.strip()]
    if not lines:
        return "", whole
    return _SPEAKER.sub("", lines[-1]).strip().strip('"“”'), whole.replace(lines[-1], "")


def noted_values(notes: str, locations: Sequence[str]) -> dict[Slot, str]:
    """Booking values that the notes give as `time: 2:30 PM` or `time "2:30 PM"`; the last of each name stands."""
    values: dict[Slot, str] = {}
    for name, value in _PAIR.findall(notes):
        slot = _NAMES[name.lower()]
        spoken = as_slot(plain(value), slot, locations)
        if spoken is not None:
            values[slot] = spoken
    return values
