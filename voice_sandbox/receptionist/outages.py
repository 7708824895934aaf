"""Outages that a caller asks for: the sample caller says one sentence, and what it is about fails for that turn alone.

What fails is told by the request itself, and no rule stays behind (`voice_sandbox.faults` has those). The service takes
it for what it looks like: its breaker lets the model rest, so for some seconds other callers of the process are
answered by the next one, too. That is how an outage is, and nobody pays where the model is this one.
"""

from __future__ import annotations

import re
from typing import Any, Final

from voice_sandbox.receptionist.notes import caller_words
from voice_sandbox.receptionist.slots import plain
from voice_sandbox.receptionist.summary import wants_notes

_MODEL: Final = re.compile(r"\bwhen your usual model is down\b")
_VOICE: Final = re.compile(r"\bthis is my other voice\b", re.IGNORECASE)
_SMALL: Final = "haiku"


def model_is_out(body: dict[str, Any], model: str) -> bool:
    """Whether the caller has just asked what happens without its language model: the small one does not answer then."""
    if _SMALL not in model or wants_notes(body):
        return False
    words, _ = caller_words(body["messages"][-1]["content"])
    return _MODEL.search(plain(words)) is not None


def voice_is_out(text: str) -> bool:
    """Whether this is the sentence that the usual voice does not say."""
    return _VOICE.search(text) is not None
