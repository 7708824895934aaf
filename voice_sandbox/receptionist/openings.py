"""A model that is asked to begin its replies with one of a few words, and does so in a share of them.

The share is a parameter that is fixed beforehand: nobody here has measured how often Claude does it. Of what the prompt
asks besides, the sandbox keeps that a refusal, an apology and a goodbye have none, and nor has what follows on a tool;
it does not keep from saying the same word twice in a row, as models forget that, too.
"""

from __future__ import annotations

import random
import re
from typing import Any, Final

from voice_sandbox.receptionist.front_desk import holds_results
from voice_sandbox.receptionist.notes import text_of

FOLLOWS: Final = 0.6
"""Of the replies that a word fits: fixed before anything was tuned with it."""
_ASKED: Final = re.compile(r'begin with one of these: ((?:"[^"\n]{1,24}" ?)+)')
_BEGUN: Final = re.compile(r"(?:\w+[' ]?){1,2}[.,!]")
_UNFIT: Final = re.compile(
    r"\b(?:don't|can't|cannot|afraid|sorry|unfortunately|goodbye|thank you for calling|not booked)\b|^(?:hello|good)\b",
    re.IGNORECASE,
)


def fits(reply: str) -> bool:
    """Whether a word of assent may stand before this reply."""
    return bool(reply) and not _BEGUN.match(reply) and not _UNFIT.search(reply)


def begin(reply: str, body: dict[str, Any], session: str | None, share: float) -> str:
    """The reply, with one of the words before it that the prompt asks for; in `share` of those that one fits.

    The same request of the same session has the same answer.
    """
    asked = _ASKED.search(text_of(body.get("system")))
    messages = body["messages"]
    if asked is None or holds_results(messages[-1]) or not fits(reply):
        return reply
    said = "\n".join(text_of(message["content"]) for message in messages)
    dice = random.Random(f"{session}:{said}")
    if dice.random() >= share:
        return reply
    word = dice.choice(re.findall(r'"([^"]+)"', asked[1]))
    return f"{word} {reply}"
