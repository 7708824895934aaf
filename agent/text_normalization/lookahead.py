"""What a reader of one written word knows of its neighbours: the words said before it and the text that follows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from agent.text_normalization.language import CURRENCY, ENGLISH, SpokenLanguage

WORD_LIMIT: Final = 120
"""Characters: a longer run without a space is read in parts (a URL: its host, the rest in silence)."""

LOOKAHEAD_LIMIT: Final = 64
"""Characters after a word that a reading waits for at most; what is not known by then is taken as absent."""

WAIT: Final = "\0"
"""What a reader returns instead of text while the reading depends on text that has not arrived yet."""

_NEXT_WORD: Final = re.compile(r"[ \t]*([^\s|`\[\]—]+)")
_LINE_END: Final = re.compile(r"[\n|`\[\]—]")
_NUMERIC: Final = re.compile(rf"[-+~]?(?:{CURRENCY})?[0-9][0-9.,:/–-]*(?:%|{CURRENCY})?")
_SPACE_AND_MARKUP: Final = ' \t*_"'


@dataclass(slots=True)
class ReadAhead:
    """The words of the sentence so far; both are empty at the start of a sentence.

    before: the previous word as written, without the punctuation around it.
    earlier: the word before that.
    paused: whether punctuation stands between the previous word and the next.
    owed_unit: a unit still to be said, as "dollars" after the "$5" of "$5 million".
    currency: a sign or code that was passed over, since its amount follows: "EUR 25".
    taken: the words that follow and were said already: the "€" of "25 €".
    language: what the reply is spoken in.
    """

    before: str = ""
    earlier: str = ""
    paused: bool = False
    owed_unit: str = ""
    currency: str = ""
    taken: list[str] = field(default_factory=list[str])
    language: SpokenLanguage = ENGLISH
    passed: bool = False  # the word just read belongs to its number alone, as if it were not there

    def push(self, word: str, *, paused: bool = False) -> None:
        """Remembers a word that was just read, and whether punctuation follows it."""
        self.paused = paused
        if self.passed:
            self.passed = False
            return
        self.currency = ""
        if word:
            self.earlier, self.before = self.before, word

    def restart(self) -> None:
        """Forgets the words: a new sentence begins."""
        self.before = self.earlier = self.owed_unit = self.currency = ""
        self.taken = []

    def take(self, word: str) -> bool:
        """Whether the word was said with the number before it; if not, nothing that follows was."""
        if self.taken and self.taken[0] == word:
            self.taken = self.taken[1:]
            self.passed = True
            return True
        self.taken = []
        return False

    @property
    def after_number(self) -> bool:
        """Whether the previous word is a number, an amount or a time of day, with nothing between."""
        return not self.paused and _NUMERIC.fullmatch(self.before) is not None


@dataclass(frozen=True, slots=True)
class Ahead:
    """The text after a word: what has arrived of it, and whether more may come (`closed`: no)."""

    text: str
    closed: bool

    def char(self) -> str | None:
        """The next visible character on the same line, "" where there is none, None while it is not known."""
        rest = self.text.lstrip(_SPACE_AND_MARKUP)
        if rest:
            return "" if rest[0] == "\n" else rest[0]
        return "" if self._complete() else None

    def word(self) -> str | None:
        """The whole next word on the same line, "" where there is none, None while it is not known."""
        found = _NEXT_WORD.match(self.text)
        if found is None:
            return "" if self.text.strip(" \t") or self._complete() else None
        if found.end() == len(self.text) and not self._complete():
            return None
        return found[1].strip("*_\"'()")

    def words(self, count: int) -> list[str] | None:
        """The next words before the end of the line or cell, at most `count`; None while they are not known."""
        line = _LINE_END.split(self.text, maxsplit=1)[0]
        end = len(line) < len(self.text)
        found = [match for match, _ in zip(_NEXT_WORD.finditer(line), range(count), strict=False)]
        sure = end or self._complete() or (len(found) == count and found[-1].end() < len(line))
        return [match[1].strip("*_\"'()") for match in found] if sure else None

    def _complete(self) -> bool:
        return self.closed or len(self.text) >= LOOKAHEAD_LIMIT
