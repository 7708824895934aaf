"""Follows all clips at once through a stream: token passing over a library whose clips run at their own speed.

A token sits on every column (10 ms of a clip) and moves one column per stream frame. Its score is the evidence for
"this clip, at this place"; the score of the free state is that of everything heard so far that was no clip. Entering
a clip costs ENTRY_PENALTY, so a clip counts only after enough evidence, and evidence never comes from audio ahead.
(Bridle, Brown, Chamberlain 1982: one-pass connected word recognition, without time warping.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from voice_sandbox.recognizer.features import Floats
from voice_sandbox.recognizer.library import ClipLibrary, LibraryClip

BATCH: Final = 10
_NEVER: Final = np.float32(-1e9)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A clip heard from stream frame `start` to `end` (exclusive); `offset` is the clip's frame at `start`."""

    clip: LibraryClip
    start: int
    end: int
    offset: int

    @property
    def position(self) -> int:
        """The clip's frame at `end`."""
        return self.offset + self.end - self.start

    def reached(self, frame: int) -> int:
        """The clip's frame reached by stream frame `frame`.

        What is left of a clip may be too faint to be evidence; then time alone carries on to the end of its voice.
        """
        if self.position < self.clip.faint_from:
            return self.position
        return max(self.position, min(self.clip.voiced_end, self.position + frame - self.end))

    def completed_by(self, frame: int) -> bool:
        """Whether the clip was heard to the end of its voice by stream frame `frame`."""
        return self.reached(frame) >= self.clip.voiced_end


@dataclass(frozen=True, slots=True)
class _Past:
    stretch: Stretch
    before: _Past | None


class Decoder:
    """Tokens of one utterance. Memory: two numbers per column and one link per frame; made anew for every turn."""

    def __init__(self, library: ClipLibrary) -> None:
        self._library = library
        self._scores = np.full(library.size, _NEVER, np.float32)
        self._starts = np.zeros(library.size, np.int32)
        self._free = np.float32(0.0)
        self._past: list[_Past | None] = [None]
        self._frame = 0

    @property
    def frames(self) -> int:
        """Frames advanced so far."""
        return self._frame

    def advance(self, spectrum: Floats, weight: Floats) -> None:
        """Moves on by frames of unit spectra (n, BANDS) with their voice weights (n,)."""
        if not self._library.size:
            self._frame += weight.size
            self._past.extend([self._past[-1]] * weight.size)
            return
        for first in range(0, weight.size, BATCH):
            for evidence in self._library.evidence(spectrum[first : first + BATCH], weight[first : first + BATCH]):
                self._step(evidence)

    def _step(self, evidence: Floats) -> None:
        library, scores, starts = self._library, self._scores, self._starts
        scores[1:] = scores[:-1]
        starts[1:] = starts[:-1]
        scores[library.firsts] = _NEVER
        entering = self._free - library.entry_costs
        enters = entering > scores
        np.maximum(scores, entering, out=scores)
        starts[enters] = self._frame
        scores += evidence
        self._frame += 1
        leaving = scores - library.exit_costs
        best = int(leaving.argmax())
        past = self._past[-1]
        if leaving[best] > self._free:
            self._free = leaving[best]
            past = self._trace(best)
        self._past.append(past)

    def _trace(self, column: int) -> _Past:
        clip = self._library.clip_at(column)
        start = int(self._starts[column])
        offset = column - clip.first - (self._frame - 1 - start)
        return _Past(Stretch(clip, start, self._frame, offset), self._past[start])

    def stretches(self) -> list[Stretch]:
        """What is heard now, in order: the best explanation of all frames so far."""
        past = self._past[-1]
        if self._library.size:
            best = int(self._scores.argmax())
            if self._scores[best] > self._free:
                past = self._trace(best)
        found: list[Stretch] = []
        while past is not None:
            found.append(past.stretch)
            past = past.before
        return _joined(found[::-1])


def _joined(stretches: list[Stretch]) -> list[Stretch]:
    """One stretch for two of the same clip that lie on one time line: noise in a pause can break a clip in two."""
    joined: list[Stretch] = []
    for stretch in stretches:
        last = joined[-1] if joined else None
        if last and last.clip is stretch.clip and last.start - last.offset == stretch.start - stretch.offset:
            joined[-1] = Stretch(last.clip, last.start, stretch.end, last.offset)
        else:
            joined.append(stretch)
    return joined
