"""The scripted answer to a request for a topic summary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

SUMMARY_REQUEST: Final = "Summarise this topic"
_MAX_VALUES: Final = 24
_PAIRED: Final = re.compile(
    r"^[ \t]*[-*]?[ \t]*[\"']?[a-z_ ]{2,24}[\"']?[ \t]*[:=][ \t]*[\"']?([^\n\"']{1,60}?)[\"']?,?\s*$", re.MULTILINE
)
_SPEECH: Final = re.compile(
    r"^\s*(?:caller|user|agent|assistant|you|receptionist)\b[^\n:]{0,20}:", re.IGNORECASE | re.MULTILINE
)
_COUNT: Final = r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_LITERAL: Final = re.compile(
    r"[$€£]\s?\d[\d.,]*\d|[$€£]\d"
    r"|\b\d{1,2}:\d{2}\s?(?:[ap]\.?m\.?)?"
    r"|\b\d{1,2}\s?[ap]\.?m\b\.?"
    r"|\b[A-Z]{1,5}-?\d{2,}\b"
    r"|\b\d[\d.,]*\d\b|\b\d+\b"
    rf"|\b{_COUNT} (?:people|person|guests?|hours?|minutes?|nights?)\b"
    r"|\bhalf an hour\b|\ban hour\b"
    rf"|\b{_COUNT} (?:thirty|fifteen|forty five) [ap] m\b"
    r"|\b(?:today|tomorrow|tonight|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b",
    re.IGNORECASE,
)


def summarise(text: str, names: Sequence[str], *, drop_value: bool) -> str:
    """A plain sentence that repeats, word for word, the values in the text, at most 24; `drop_value` leaves out the
    last.

    Values are amounts, times, numbers, days, counts, the right-hand sides of `name: value` lines, and the given names.
    """
    body = text.replace(SUMMARY_REQUEST, " ")
    spoken = _SPEECH.sub(" ", body)
    found = [(match.start(1), match[1].strip()) for match in _PAIRED.finditer(body) if not _SPEECH.match(match[0])]
    found += [(match.start(), match[0].strip()) for match in _LITERAL.finditer(spoken)]
    for name in names:
        found += [(match.start(), match[0]) for match in re.finditer(rf"\b{re.escape(name)}\b", body, re.IGNORECASE)]
    values: list[str] = []
    for _, value in sorted(found):
        if not any(value.lower() in kept.lower() for kept in values):
            values = [kept for kept in values if kept.lower() not in value.lower()]
            values.append(value)
    values = values[:_MAX_VALUES]
    if drop_value:
        values = values[:-1]
    if not values:
        return "The caller and the receptionist talked, without any fixed details."
    return f"The caller and the receptionist settled these details: {'; '.join(values)}."
