"""What is heard while a reply plays: does the caller take the turn, agree along the way, or is it the reply itself?

    nothing but backchannels ("uh-huh")  → the reply plays on, unless it has just asked something: then it is the answer
    the words of the reply itself        → an echo of the loudspeaker: the reply plays on
    everything else                      → the caller takes the turn

The words are data by language (`overheard.toml`). An echo is found by its words: what comes back has the words of the
reply in its order. One or two such words are only believed to be an echo where no caller interrupts with them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from difflib import SequenceMatcher
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

ECHO_SHARE: Final = 0.7  # of the words heard that stand in the reply, in its order
ECHO_SPAN_WORDS: Final = 40  # of the reply before what plays now: an echo is late by a second or so, not by ten
LONGEST_BACKCHANNEL: Final = 4  # words: "okay, yeah, uh-huh" agrees, a speech does not
_SEPARATE: Final = re.compile(r"[^\w]+")


class Overheard(StrEnum):
    """What words over a reply are."""

    TAKES_TURN = "takes_turn"
    BACKCHANNEL = "backchannel"
    ECHO = "echo"


def judge(text: str, said: str, language: str = "en") -> Overheard:
    """What `text` is, heard while the reply plays; `said` is the reply's text up to what plays now."""
    words = words_of(text)
    if not words:
        return Overheard.TAKES_TURN
    if len(words) <= LONGEST_BACKCHANNEL and _consists_of(words, phrases_of("backchannels", language)):
        return Overheard.TAKES_TURN if asks(said) else Overheard.BACKCHANNEL
    return Overheard.ECHO if _is_echo(words, words_of(said)[-ECHO_SPAN_WORDS:], language) else Overheard.TAKES_TURN


def word_count(text: str) -> int:
    """How many words a text has."""
    return len(words_of(text))


def asks(said: str) -> bool:
    """Whether a reply has just asked something: the next words are its answer."""
    return said.rstrip().endswith(("?", "？", "؟"))


def _is_echo(words: Sequence[str], said: Sequence[str], language: str) -> bool:
    if set(words) & {word for phrase in phrases_of("takes_turn", language) for word in phrase if len(phrase) == 1}:
        return False
    blocks = SequenceMatcher(None, words, said, autojunk=False).get_matching_blocks()
    if len(words) < 3:
        return max(block.size for block in blocks) == len(words)
    return sum(block.size for block in blocks) >= ECHO_SHARE * len(words)


def _consists_of(words: Sequence[str], phrases: frozenset[tuple[str, ...]]) -> bool:
    """Whether the words can be cut into these phrases without a rest."""
    reachable = {0}
    for start in range(len(words)):
        if start in reachable:
            fits = (phrase for phrase in phrases if tuple(words[start : start + len(phrase)]) == phrase)
            reachable |= {start + len(phrase) for phrase in fits}
    return len(words) in reachable


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case and without punctuation."""
    return [word for word in _SEPARATE.split(text.lower()) if word]


@cache
def phrases_of(kind: str, language: str) -> frozenset[tuple[str, ...]]:
    """The phrases of a table of `overheard.toml`, as words; in English where a language has none."""
    by_language = tomllib.loads(Path(__file__).with_name("overheard.toml").read_text(encoding="utf-8"))[kind]
    return frozenset(tuple(words_of(phrase)) for phrase in by_language.get(language, by_language["en"]))
