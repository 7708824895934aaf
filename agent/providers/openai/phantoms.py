"""Words that nobody said: what recognisers of the Whisper family make of silence, noise and music.

The phrases are data (`phantoms.toml`). Beside them, a transcript that is a description of sounds ("[Music]", "♪") or
one phrase of some words over and over is invented too, in any language.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Final

UNSURE: Final = 0.6  # mean probability of the tokens under which a polite phrase is not believed
_SOUNDS: Final = re.compile(r"^[\s♪♫*]*(?:[\[(【（<♪♫*][^\])】）>♪♫*]{0,60}[\])】）>♪♫*][\s.,♪♫]*)+$")
_LOOPS: Final = re.compile(r"^(\S+(?: \S+){1,7}?)(?: \1){2,}$")
_SEPARATE: Final = re.compile(r"[^\w'’]+")


def is_phantom(text: str, confidence: float | None = None) -> bool:
    """Whether a whole transcript was invented. `confidence` is 0 to 1, None where the recogniser gives none."""
    if _SOUNDS.match(text.strip()):
        return True
    words = _plain(text)
    if _patterns("certain").fullmatch(words):
        return True
    if _LOOPS.match(words) and len(set(words.split())) > 1:
        return True
    return confidence is not None and confidence < UNSURE and _patterns("polite").fullmatch(words) is not None


def _plain(text: str) -> str:
    """Lower case, single spaces, no punctuation."""
    return _SEPARATE.sub(" ", text.lower()).replace("'", "").replace("’", "").strip()


@cache
def _patterns(kind: str) -> re.Pattern[str]:
    document = tomllib.loads(Path(__file__).with_name("phantoms.toml").read_text(encoding="utf-8"))
    return re.compile("|".join(re.escape(phrase).replace(r"\ \*", r"\b.*") for phrase in document[kind]))
