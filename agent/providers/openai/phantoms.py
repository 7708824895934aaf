"""Words that nobody said: what recognisers of the Whisper family make of silence, noise and music.

The phrases are data (`phantoms.toml`). Beside them, a transcript that is a description of sounds ("[Music]", "♪") or
one phrase of some words over and over is invented too, in any language.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

UNSURE: Final = 0.6  # mean probability of the tokens under which a polite phrase is not believed
_OPEN: Final = frozenset("[(【（<♪♫*")
_CLOSE: Final = frozenset("])】）>♪♫*")
_BEFORE: Final = frozenset("♪♫*")
_BETWEEN: Final = frozenset(".,♪♫")
_LONGEST_SOUND: Final = 60  # characters of one description
_LOOPED: Final = range(2, 9)  # words of a phrase that comes over and over
_LEAST_ROUNDS: Final = 3
_SEPARATE: Final = re.compile(r"[^\w'’]+")


def is_phantom(text: str, confidence: float | None = None) -> bool:
    """Whether a whole transcript was invented. `confidence` is 0 to 1, None where the recogniser gives none."""
    if _only_sounds(text.strip()):
        return True
    words = _plain(text)
    if _patterns("certain").fullmatch(words):
        return True
    if _is_loop(words.split()):
        return True
    return confidence is not None and confidence < UNSURE and _patterns("polite").fullmatch(words) is not None


def _only_sounds(text: str) -> bool:
    """Whether the text is descriptions of sounds in brackets or between notes, and nothing else.

    A note opens, closes and stands between, so every reading is followed at once: the time grows with the text alone.
    """
    before, after = True, False
    inside: int | None = None  # characters since a description began, by the reading with the fewest
    for character in text:
        opens = (before or after) and character in _OPEN
        closes = inside is not None and character in _CLOSE
        grows = inside is not None and not closes and inside < _LONGEST_SOUND
        before = before and (character.isspace() or character in _BEFORE)
        after = closes or (after and (character.isspace() or character in _BETWEEN))
        inside = 0 if opens else (inside or 0) + 1 if grows else None
        if not before and not after and inside is None:
            return False
    return after


def _is_loop(words: Sequence[str]) -> bool:
    """Whether the words are one phrase at least three times; one word over and over is what callers say."""
    rounds = (size for size in _LOOPED if len(words) % size == 0 and len(words) >= _LEAST_ROUNDS * size)
    return len(set(words)) > 1 and any(words[size:] == words[:-size] for size in rounds)


def _plain(text: str) -> str:
    """Lower case, single spaces, no punctuation."""
    return _SEPARATE.sub(" ", text.lower()).replace("'", "").replace("’", "").strip()


@cache
def _patterns(kind: str) -> re.Pattern[str]:
    document = tomllib.loads(Path(__file__).with_name("phantoms.toml").read_text(encoding="utf-8"))
    return re.compile("|".join(re.escape(phrase).replace(r"\ \*", r"\b.*") for phrase in document[kind]))
