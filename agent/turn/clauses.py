"""Cuts the model's text, as it streams, into clauses: the units that are sent to the voice and counted as heard.

The first clause leaves early, because the caller waits for it: at the first sentence end, however short, or at a comma,
colon, semicolon or dash once it has `FIRST_PAUSE_LENGTH` characters. The price is prosody: a voice that gets half a
sentence does not know how it goes on, so only the first clause is cut at a pause, and not below 20 characters: "Sure,"
would be over before the next clause has been synthesised. Later clauses end with a sentence, once they have
`LATER_LENGTH` characters: short sentences go together, which sounds better and costs fewer calls. No clause grows past
its limit (one piece longer than that aside); it then ends at its last sentence end, else pause, else word boundary.

A cut falls between the pieces of `Speakable` only, so "Dr. Smith", "2.5", "p.m." or a phone number is never split.
Clauses depend on the text alone: not on time, and not on where the stream was cut.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Final

from agent.providers.base import TextDelta
from agent.text_normalization.normalizer import Speakable, TextPiece
from agent.text_normalization.words import PAUSE_MARKS, SENTENCE_MARKS

FIRST_PAUSE_LENGTH: Final = 20
"""Spoken characters from which the first clause may end at a comma, colon, semicolon or dash."""
FIRST_LIMIT: Final = 120
"""Spoken characters of the first clause at most: a sentence of 20 words, the longest that the voice prompt asks for."""
LATER_LENGTH: Final = 60
"""Spoken characters from which a later clause ends at a sentence end (about 4 seconds of speech)."""
LATER_LIMIT: Final = 180
"""Spoken characters of a later clause at most (about 12 seconds of speech)."""


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of the reply that is spoken in one go.

    index: 0 for the first clause of the reply, then counting up.
    written: the text as the model wrote it, with its spaces; the `written` of all clauses joined is the model's text,
        but for a tail that is not spoken (an emoji at the very end).
    spoken: what the voice reads; it holds a letter or digit, and no space at its ends.
    """

    index: int
    written: str
    spoken: str


class ClauseCutter:
    """Takes the deltas of one reply and returns its clauses; one object per reply."""

    def __init__(self, language: str = "en") -> None:
        self._language = language
        self._speakable = Speakable(language)
        self._index = 0
        self._opening = True  # somebody waits for the next clause
        self._pieces: list[TextPiece] = []
        self._length = 0  # of what is spoken in the pieces

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
        last = self._cut(end)
        return [*clauses, last] if last else clauses

    def end_sentence(self) -> list[Clause]:
        """Nothing that follows belongs to what was written so far; returns the clauses that were held back.

        What follows is waited for as the beginning was: its first clause leaves as early.
        """
        clauses = self.finish()
        self._speakable, self._opening = Speakable(self._language), True
        return clauses

    def _add(self, pieces: list[TextPiece]) -> list[Clause]:
        clauses: list[Clause] = []
        for piece in pieces:
            limit = FIRST_LIMIT if self._opening else LATER_LIMIT
            if self._length + len(piece.spoken) > limit and (clause := self._cut(self._best_end())):
                clauses.append(clause)
            self._pieces.append(piece)
            self._length += len(piece.spoken)
            if self._ends(piece) and (clause := self._cut(len(self._pieces))):
                clauses.append(clause)
        return clauses

    def _ends(self, piece: TextPiece) -> bool:
        """Whether the clause may end with this piece, which was just added."""
        if piece.spoken.endswith(tuple(SENTENCE_MARKS)):
            return self._opening or self._length >= LATER_LENGTH
        pauses = piece.spoken.endswith(tuple(PAUSE_MARKS))
        return pauses and self._opening and self._length >= FIRST_PAUSE_LENGTH

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

    def _cut(self, end: int) -> Clause | None:
        """Takes the first `end` pieces as a clause; None, and they stay, where they hold nothing that can be heard."""
        taken = self._pieces[:end]
        spoken = "".join(piece.spoken for piece in taken).strip()
        if not any(char.isalnum() for char in spoken):
            return None
        self._pieces = self._pieces[end:]
        self._length = sum(len(piece.spoken) for piece in self._pieces)
        self._index += 1
        self._opening = False
        return Clause(self._index - 1, "".join(piece.written for piece in taken), spoken)


async def speakable_clauses(deltas: AsyncIterator[TextDelta], language: str = "en") -> AsyncGenerator[Clause]:
    """Streams the clauses of a reply from the deltas of the model, each as soon as it is complete.

    `language`: what is spoken, ISO 639-1.

    Iterate it under `contextlib.aclosing`; closing it closes `deltas` too. What `deltas` raises passes through, and the
    text that was held back is then dropped: it was not said, and who takes over the reply is told only what was said.
    """
    cutter, cut = ClauseCutter(language), False
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
