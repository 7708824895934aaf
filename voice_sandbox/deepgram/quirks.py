"""What users of the real service report that its streams do now and then, message by message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

QUIRKS: Final = ("open_turn", "never_ends", "interim_only", "twice", "word_order")


KEEP_OPEN: Final = {"v1": ("interim_only",), "v2": ("open_turn", "never_ends")}
"""The quirks under which a turn goes on by itself for ever, by the version of the protocol."""


def apply_quirk(variant: str, payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is sent in place of a message under a quirk; no message where it is left out."""
    message = dict(payload)
    asked_for = message.get("trigger") == "manual" or bool(message.get("from_finalize"))
    ends = message.get("event") == "EndOfTurn" or message.get("type") == "UtteranceEnd"
    if variant == "never_ends" or (variant == "open_turn" and not asked_for):
        if ends or (asked_for and message.get("type") == "Results"):
            return []
        return [{**message, "speech_final": False} if "speech_final" in message else message]
    if variant == "interim_only" and message.get("type") in ("Results", "UtteranceEnd"):
        return [] if ends or message.get("is_final") else [message]
    if variant == "twice" and (ends or message.get("speech_final")):
        return [message, dict(message)]
    if variant == "word_order":
        return [_reversed_words(message)]
    return [message]


def _reversed_words(message: dict[str, Any]) -> dict[str, Any]:
    if message.get("type") == "TurnInfo":
        return {**message, "words": message["words"][::-1]}
    if message.get("type") != "Results":
        return message
    best, *others = message["channel"]["alternatives"]
    return {**message, "channel": {"alternatives": [{**best, "words": best["words"][::-1]}, *others]}}
