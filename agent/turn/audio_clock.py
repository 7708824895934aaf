"""When did a sample arrive? Maps a place in the audio of one recogniser connection to the time it reached us.

A recogniser speaks of seconds of audio on its own connection; the timeline speaks of arrival times. Each connection has
its own ring, because offsets restart when the recogniser reconnects.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

KEEP_S: Final = 60.0  # of audio; a word's end time is never older when it is told
TRIM_EVERY: Final = 512  # entries


class ArrivalRing:
    """Remembers for the last minute of audio when each frame arrived."""

    def __init__(self, bytes_per_second: int) -> None:
        self._bytes_per_second = bytes_per_second
        self._ends: list[int] = []  # byte offset of the end of each frame, ascending
        self._times: list[float] = []
        self.total = 0

    def add(self, size: int, at: float) -> None:
        """Notes that the next `size` bytes arrived at loop time `at`."""
        self.total += size
        self._ends.append(self.total)
        self._times.append(at)
        if len(self._ends) % TRIM_EVERY == 0:
            old = bisect_left(self._ends, self.total - int(KEEP_S * self._bytes_per_second))
            del self._ends[:old], self._times[:old]

    def arrival(self, seconds: float) -> float | None:
        """Loop time at which the sample at `seconds` of this connection arrived; None when nothing was sent yet.

        A place beyond the end (a recogniser that rounds up) is the last frame's arrival.
        """
        if not self._ends:
            return None
        # The sample just before the place is the last one that belongs to the word.
        offset = max(1, round(seconds * self._bytes_per_second))
        index = bisect_left(self._ends, offset)
        return self._times[min(index, len(self._times) - 1)]
