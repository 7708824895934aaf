"""What is heard while a reply plays: does the caller take the turn, agree along the way, or is it the reply itself?

    nothing but backchannels ("uh-huh")  → the reply plays on, unless it has just asked something: then it is the answer
    the words of the reply itself        → an echo of the loudspeaker: the reply plays on
    everything else                      → the caller takes the turn

Where the caller speaks into an echo, both stand in one transcript: `echoed_head` finds the reply's words at its head.

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
from typing import Any, Final

ECHO_SHARE: Final = 0.7  # of the words heard that stand in the reply, in its order
ECHO_SPAN_WORDS: Final = 40  # of the reply before what plays now: an echo is late by a second or so, not by ten
ECHO_HEAD_WORDS: Final = 2  # at least, that were still to come when the turn began
REPEATED_WORD_S: Final = 0.2  # a word takes at least, of a caller who repeats
REPEATING_S: Final = 0.1  # a caller who repeats begins at least so long after a word, or a recogniser knows it so late
LONGEST_BACKCHANNEL: Final = 4  # words: "okay, yeah, uh-huh" agrees, a speech does not
_SEPARATE: Final = re.compile(r"[^\w]+")
_WORD: Final = re.compile(r"\w+")


class Overheard(StrEnum):
    """What words over a reply are."""

    TAKES_TURN = "takes_turn"
    BACKCHANNEL = "backchannel"
    ECHO = "echo"


def judge(text: str, said: str, language: str = "en", *, aloud: str = "") -> Overheard:
    """What `text` is, heard while the reply plays; `said` is the reply's text up to what plays now.

    `aloud` is the same as a voice says it: a recogniser writes an echoed number in either way.
    """
    words = words_of(text)
    if not words:
        return Overheard.TAKES_TURN
    if len(words) <= LONGEST_BACKCHANNEL and _consists_of(words, phrases_of("backchannels", language)):
        return Overheard.TAKES_TURN if asks(said) else Overheard.BACKCHANNEL
    forms = (words_of(form)[-ECHO_SPAN_WORDS:] for form in (said, aloud) if form)
    return Overheard.ECHO if any(_is_echo(words, form, language) for form in forms) else Overheard.TAKES_TURN


def begun_before_s(text: str) -> float:
    """How long ago, at least, a caller began to say the words that are known just now."""
    return REPEATING_S + REPEATED_WORD_S * word_count(text)


def echoed_head(text: str, said: str, heard: str) -> tuple[str, ...]:
    """The first words of `text` where the loudspeaker must have said them; else none.

    `said` is the reply's text up to what plays now, `heard` what of it had been heard when the turn began. Who repeats
    words has heard them before he begins with the first: words of the reply that were still to come then, in its order,
    are an echo. The word at which the turn began may be one of them.
    """
    words, reply, known = words_of(text), words_of(said), len(words_of(heard))
    for count in range(min(len(words), len(reply)), ECHO_HEAD_WORDS - 1, -1):
        for at in range(max(known - 1, 0), len(reply) - count + 1):
            if at + count - known >= ECHO_HEAD_WORDS and reply[at : at + count] == words[:count]:
                return tuple(words[:count])
    return ()


def after(head: Sequence[str], text: str) -> str:
    """`text` without its first words where they are `head` and others follow; else the whole of it."""
    found = list(_WORD.finditer(text))
    if len(found) <= len(head) or [word[0].lower() for word in found[: len(head)]] != [*head]:
        return text
    return text[found[len(head)].start() :]


def demands_turn(text: str, said: str, language: str = "en") -> bool:
    """Whether a word or two ask for the turn ("wait", "hold on") that the reply up to what plays now does not have."""
    words, known = words_of(text), words_of(said)[-ECHO_SPAN_WORDS:]
    return any(_has(words, phrase) and not set(phrase) & set(known) for phrase in phrases_of("takes_turn", language))


def word_count(text: str) -> int:
    """How many words a text has."""
    return len(words_of(text))


def ends_alike(text: str, said: str, language: str = "en") -> bool:
    """Whether both end with the same word."""
    ends = [_with_digits(words_of(one)[-1:], language)[-1:] for one in (text, said)]
    return bool(ends[0]) and ends[0] == ends[1]


def asks(said: str) -> bool:
    """Whether a reply has just asked something: the next words are its answer."""
    return said.rstrip().endswith(("?", "？", "؟"))


def _is_echo(words: Sequence[str], said: Sequence[str], language: str) -> bool:
    if set(words) & {word for phrase in phrases_of("takes_turn", language) for word in phrase if len(phrase) == 1}:
        return False
    words, said = _with_digits(words, language), _with_digits(said, language)
    blocks = SequenceMatcher(None, words, said, autojunk=False).get_matching_blocks()
    if len(words) < 3:
        return max(block.size for block in blocks) == len(words)
    return sum(block.size for block in blocks) >= ECHO_SHARE * len(words)


def _has(words: Sequence[str], phrase: Sequence[str]) -> bool:
    """Whether the words of a phrase stand beside each other."""
    return any(list(words[at : at + len(phrase)]) == list(phrase) for at in range(len(words)))


def _with_digits(words: Sequence[str], language: str) -> list[str]:
    """The words with every number as its digits, one by one, however it was written."""
    digits = _digits(language)
    parts = ([*written] if (written := digits.get(word, word)).isdigit() else [word] for word in words)
    return [part for word in parts for part in word]


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
    by_language = _document()[kind]
    return frozenset(tuple(words_of(phrase)) for phrase in by_language.get(language, by_language["en"]))


@cache
def _digits(language: str) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in _document()["digits"].get(language, "").split())
    return {word: digits for word, _, digits in pairs}


@cache
def _document() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("overheard.toml").read_text(encoding="utf-8"))
