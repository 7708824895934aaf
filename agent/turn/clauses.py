"""Cuts the model's text, as it streams, into clauses: the units that are sent to the voice and counted as heard.

The first clause leaves early, because the caller waits for it: at the first sentence end, however short, or at a comma,
colon, semicolon or dash once it has `FIRST_PAUSE_LENGTH` characters. The price is prosody: a voice that gets half a
sentence does not know how it goes on, so only the first clause is cut at a pause, and not below 20 characters: "Sure,"
would be over before the next clause has been synthesised. Later clauses end with a sentence, once they have
`LATER_LENGTH` characters: short sentences go together, which sounds better and costs fewer calls. No clause grows past
its limit (one piece longer than that aside); it then ends at its last sentence end, else pause, else word boundary.

`FirstWords` asks for more haste: an opening that is recorded already ("Sure,") is a clause, since it costs no time at
all. The rest is synthesised while it plays, and cut as hastily as a first clause. And a first sentence without a pause
may be cut before a word that begins a phrase ("We have a large room | for six people").

A cut falls between the pieces of `Speakable` only, so "Dr. Smith", "2.5", "p.m." or a phone number is never split.
Clauses depend on the text and on which openings are recorded: not on time, and not on where the stream was cut.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from agent.providers.base import TextDelta
from agent.text_normalization.normalizer import Speakable, TextPiece
from agent.text_normalization.words import PAUSE_MARKS, SENTENCE_MARKS
from agent.turn.asked_openings import AskedOpenings

FIRST_PAUSE_LENGTH: Final = 20
"""Spoken characters from which the first clause may end at a comma, colon, semicolon or dash."""
FIRST_LIMIT: Final = 120
"""Spoken characters of the first clause at most: a sentence of 20 words, the longest that the voice prompt asks for."""
LATER_LENGTH: Final = 60
"""Spoken characters from which a later clause ends at a sentence end (about 4 seconds of speech)."""
LATER_LIMIT: Final = 180
"""Spoken characters of a later clause at most (about 12 seconds of speech)."""


_PHRASE_STARTS: Final = frozenset(
    "and but or so because which that who when where while if unless until before after for with without from at on in"
    " between through during".split()
    + "und aber oder denn weil dass wenn wo für mit ohne von bei auf in zwischen während nach vor".split()
    + "et mais ou car parce que qui quand si pour avec sans chez dans entre pendant après avant".split()
    + "y pero porque cuando para con sin en entre durante después antes".split()
)
"""Words that begin a phrase of their own, in the languages of `text_normalization`."""


class ClauseCut(StrEnum):
    """What a clause ends with. A metric label."""

    OPENING = "opening"  # it is an opening that is recorded
    PAUSE = "pause"  # a comma, colon, semicolon or dash
    PHRASE = "phrase"  # the end of a phrase
    SENTENCE = "sentence"
    REST = "rest"  # its limit, or the end of the reply


@dataclass(frozen=True, slots=True)
class FirstWords:
    """How hastily a reply begins.

    opening: the text of which a recording is there, for an opening as the model wrote it ("Of course," → "Of course.");
        None where there is none.
    phrase_length: spoken characters from which the first clause may end where a phrase begins; 0: nowhere.
    asked: the openings that the model is asked to begin with; None: it is not.
    before: the one of them that the last reply began with.
    """

    opening: Callable[[str], str | None] = lambda _said: None
    phrase_length: int = 0
    asked: AskedOpenings | None = None
    before: str | None = None

    def after(self, reply: str) -> FirstWords:
        """The same for the reply that comes after this one."""
        return self if self.asked is None else replace(self, before=self.asked.begins(reply))


USUAL_FIRST_WORDS: Final = FirstWords()


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of the reply that is spoken in one go.

    index: 0 for the first clause of the reply, then counting up.
    written: the text as the model wrote it, with its spaces; the `written` of all clauses joined is the model's text,
        but for a tail that is not spoken (an emoji at the very end) and an opening that was left out.
    spoken: what the voice reads; it holds a letter or digit, and no space at its ends.
    cut: what it ends with.
    """

    index: int
    written: str
    spoken: str
    cut: ClauseCut = field(default=ClauseCut.SENTENCE, compare=False)


class ClauseCutter:
    """Takes the deltas of one reply and returns its clauses; one object per reply."""

    def __init__(self, language: str = "en", first: FirstWords = USUAL_FIRST_WORDS) -> None:
        self._language, self._first = language, first
        self._speakable = Speakable(language)
        self._index = 0
        self._opening = True  # somebody waits for the next clause
        self._pieces: list[TextPiece] = []
        self._length = 0  # of what is spoken in the pieces
        self._goes_on = False  # a tool was used
        self._left_out: list[TextPiece] = []  # an opening that is not said unless it is all there is

    def feed(self, text: str) -> list[Clause]:
        """Takes the next part of the model's text, of any length; returns the clauses that are complete by now."""
        return self._add(self._speakable.feed(text))

    def finish(self, *, cut: bool = False) -> list[Clause]:
        """Ends the reply; returns the clauses that were held back.

        `cut`: the reply was broken off, perhaps within a sentence, so it ends at its last sentence end. Where it has
        none at all, what there is is better than nothing.
        """
        clauses = self._add(self._speakable.finish())
        end = len(self._pieces)
        if cut:
            whole = [i for i, piece in enumerate(self._pieces, 1) if piece.spoken.endswith(tuple(SENTENCE_MARKS))]
            end = whole[-1] if whole else 0 if self._index else end
        if self._left_out and not clauses and not self._audible():
            return [clause] if (clause := self._all_there_is()) else []
        last = self._cut(end, ClauseCut.REST)
        return [*clauses, last] if last else clauses

    def end_sentence(self) -> list[Clause]:
        """Nothing that follows belongs to what was written so far; returns the clauses that were held back.

        What follows is waited for as the beginning was: its first clause leaves as early.
        """
        clauses = self.finish()
        self._speakable, self._opening, self._goes_on = Speakable(self._language), True, True
        return clauses

    def _add(self, pieces: list[TextPiece]) -> list[Clause]:
        clauses: list[Clause] = []
        for piece in pieces:
            if self._begins_phrase(piece) and (clause := self._cut(len(self._pieces), ClauseCut.PHRASE)):
                clauses.append(clause)
            limit = FIRST_LIMIT if self._opening else LATER_LIMIT
            if self._length + len(piece.spoken) > limit and (clause := self._cut(self._best_end(), ClauseCut.REST)):
                clauses.append(clause)
            self._pieces.append(piece)
            self._length += len(piece.spoken)
            if self._unwanted(piece):
                self._left_out, self._pieces, self._length = self._left_out + self._pieces, [], 0
            elif (cut := self._ends(piece)) is not None and (clause := self._cut(len(self._pieces), cut)):
                clauses.append(clause)
        return clauses

    def _ends(self, piece: TextPiece) -> ClauseCut | None:
        """What makes the clause end with this piece, which was just added; None where it goes on."""
        pauses = piece.spoken.endswith(tuple(PAUSE_MARKS))
        if self._opening and (pauses or piece.spoken.endswith(tuple(SENTENCE_MARKS))) and self._recorded() is not None:
            return ClauseCut.OPENING
        if piece.spoken.endswith(tuple(SENTENCE_MARKS)):
            return ClauseCut.SENTENCE if self._opening or self._length >= LATER_LENGTH else None
        return ClauseCut.PAUSE if pauses and self._opening and self._length >= FIRST_PAUSE_LENGTH else None

    def _unwanted(self, piece: TextPiece) -> bool:
        """Whether this piece, which was just added, ends an opening that should not be said here."""
        asked, marks = self._first.asked, (*PAUSE_MARKS, *SENTENCE_MARKS)
        if asked is None or not self._opening or not piece.spoken.endswith(marks):
            return False
        which = asked.which("".join(piece.spoken for piece in self._pieces).strip())
        return which is not None and (self._goes_on or which == self._first.before)

    def _audible(self) -> bool:
        return any(char.isalnum() for piece in self._pieces for char in piece.spoken)

    def _all_there_is(self) -> Clause | None:
        """An opening that was left out, and after which nothing came."""
        self._pieces, self._left_out = self._left_out, []
        return self._cut(len(self._pieces), ClauseCut.OPENING)

    def _recorded(self) -> str | None:
        """The recorded text of what was written so far."""
        return self._first.opening("".join(piece.spoken for piece in self._pieces).strip())

    def _begins_phrase(self, piece: TextPiece) -> bool:
        """Whether the first clause is long enough, and may end before this piece."""
        least = self._first.phrase_length
        if not least or not self._opening or self._length < least:
            return False
        before = self._pieces[-1].spoken.strip().lower()
        return piece.spoken.strip().lower() in _PHRASE_STARTS and before not in _PHRASE_STARTS

    def _best_end(self) -> int:
        """Where a full clause ends: at its last sentence end, a pause in its second half, or its end."""
        count, length = len(self._pieces), self._length
        pause = 0
        for end in range(count, 0, -1):
            spoken = self._pieces[end - 1].spoken
            if spoken.endswith(tuple(SENTENCE_MARKS)):
                return end
            if not pause and length > self._length / 2 and spoken.endswith(tuple(PAUSE_MARKS)):
                pause = end
            length -= len(spoken)
        return pause or count

    def _cut(self, end: int, cut: ClauseCut) -> Clause | None:
        """Takes the first `end` pieces as a clause; None, and they stay, where they hold nothing that can be heard."""
        taken = self._pieces[:end]
        recorded = self._recorded() if cut is ClauseCut.OPENING else None
        spoken = recorded or "".join(piece.spoken for piece in taken).strip()
        if not any(char.isalnum() for char in spoken):
            return None
        self._pieces = self._pieces[end:]
        self._length = sum(len(piece.spoken) for piece in self._pieces)
        self._index += 1
        self._opening = cut is ClauseCut.OPENING  # over in half a second: what follows is waited for as well
        written = "".join(piece.written for piece in taken)
        if self._left_out:  # a sentence begins here after all
            self._left_out = []
            written, spoken = _capital(written.lstrip()), _capital(spoken)
        return Clause(self._index - 1, written, spoken, cut)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


async def speakable_clauses(
    deltas: AsyncIterator[TextDelta], language: str = "en", first: FirstWords = USUAL_FIRST_WORDS
) -> AsyncGenerator[Clause]:
    """Streams the clauses of a reply from the deltas of the model, each as soon as it is complete.

    `language`: what is spoken, ISO 639-1. `first`: how hastily the reply begins.

    Iterate it under `contextlib.aclosing`; closing it closes `deltas` too. What `deltas` raises passes through, and the
    text that was held back is then dropped: it was not said, and who takes over the reply is told only what was said.
    """
    cutter, cut = ClauseCutter(language, first), False
    try:
        async for delta in deltas:
            cut = delta.cut
            for clause in cutter.end_sentence() if delta.ends else cutter.feed(delta.text):
                yield clause
        for clause in cutter.finish(cut=cut):
            yield clause
    finally:
        if isinstance(deltas, AsyncGenerator):
            await deltas.aclose()
