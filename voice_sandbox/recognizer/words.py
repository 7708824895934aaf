"""From matched stretches of clips to the words that were heard in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from voice_sandbox.recognizer.decoder import Stretch
from voice_sandbox.recognizer.features import FRAME_S
from voice_sandbox.recognizer.unknown import TEXT, SpeechLikeness
from voice_sandbox.recognizer.voicing import VoicedSpan

_EDGE_S: Final = 0.015
_LEAST_HEARD: Final = 0.6


@dataclass(frozen=True, slots=True)
class RecognizedWord:
    """Words in order. `complete` says that the last of them ends a clip, heard to its end."""

    words: tuple[VoicedSpan, ...]
    complete: bool

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


def hear(stretches: Sequence[Stretch], frames: int, likeness: SpeechLikeness) -> RecognizedWord:
    """The words of the stretches, and of unknown speech between them, in seconds from the utterance's first frame."""
    words: list[VoicedSpan] = []
    complete = False
    reached = 0
    for stretch in stretches:
        words.extend(_unknown(likeness, reached, stretch.start))
        if not stretch.clip.noise:
            found = _heard_words(stretch, frames)
            words.extend(found)
            complete = bool(found) and stretch.completed_by(frames)
        reached = stretch.start - stretch.offset + stretch.reached(frames)
    rest = _unknown(likeness, reached, frames)
    words.extend(rest)
    return RecognizedWord(tuple(words), complete=complete and not rest)


def _heard_words(stretch: Stretch, frames: int) -> list[VoicedSpan]:
    clip = stretch.clip
    shift = (stretch.start - stretch.offset) * FRAME_S
    until = stretch.reached(frames) * FRAME_S + _EDGE_S
    since = 0.0 if stretch.offset <= clip.faint_until else stretch.offset * FRAME_S
    found: list[VoicedSpan] = []
    for word in clip.words:
        missed = max(0.0, since - word.start)
        if word.end <= until and word.end - word.start - missed >= _LEAST_HEARD * (word.end - word.start):
            found.append(VoicedSpan(word.text, word.start + shift, word.end + shift))
    return found


def _unknown(likeness: SpeechLikeness, first: int, end: int) -> list[VoicedSpan]:
    place = likeness.speech_in(first, end)
    if place is None:
        return []
    start, stop = place
    middle = (start + stop) / 2
    parts = TEXT.split()
    return [
        VoicedSpan(parts[0], start * FRAME_S, middle * FRAME_S),
        VoicedSpan(parts[1], middle * FRAME_S, stop * FRAME_S),
    ]
