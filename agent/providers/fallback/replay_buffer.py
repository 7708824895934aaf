"""The audio of a stream that no finished turn contains yet: what a new recogniser connection has to be told again."""

from __future__ import annotations

from typing import Final

from agent.core.audio import bytes_for, duration_s

LIMIT_BYTES: Final = bytes_for(15.0)
QUIET_BYTES: Final = bytes_for(1.0)  # kept while nobody speaks: recognisers like to hear a word's beginning
_QUIET_S: Final = 2.0  # silence after which nobody is speaking
_FORGET_PER_S: Final = 0.05  # of the voiced seconds, per second of silence: coughs do not add up over a call


class Unheard:
    """A bounded memory of PCM s16le mono 16 kHz. Positions are bytes from the beginning of the stream.

    `voiced_s` adds up what the caller's voice detector took for a voice: enough to notice that nobody answers to it.
    """

    def __init__(self) -> None:
        self._audio = bytearray()
        self.quiet_s = 0.0
        """Seconds since the audio was last voiced."""
        self.start = 0
        self.voiced_s = 0.0

    @property
    def end(self) -> int:
        """Where the next audio will stand."""
        return self.start + len(self._audio)

    def add(self, pcm: bytes, *, voiced_s: float, turn_open: bool) -> None:
        """Appends audio, `voiced_s` of it voiced, and forgets the oldest: over 15 s, or 1 s while nobody speaks."""
        self._audio += pcm
        seconds = duration_s(len(pcm))
        if voiced_s > 0:
            self.voiced_s += voiced_s
            self.quiet_s = 0.0
        else:
            self.quiet_s += seconds
            self.voiced_s *= max(0.0, 1 - _FORGET_PER_S * seconds)
        resting = not turn_open and self.quiet_s > _QUIET_S
        self.forget(self.end - (QUIET_BYTES if resting else LIMIT_BYTES))

    def forget(self, before: int) -> None:
        """Drops the audio before a position."""
        drop = min(before - self.start, len(self._audio))
        if drop > 0:
            del self._audio[:drop]
            self.start += drop

    def since(self, position: int) -> bytes:
        """The audio from a position on, or from the beginning of what is left."""
        return bytes(memoryview(self._audio)[max(0, position - self.start) :])
