"""When was a sample said? Maps a place in a stream of audio to the time at which a good line would have brought it.

A recogniser speaks of seconds of audio on its own connection; the timeline speaks of arrival times. Each connection has
its own clock, because places restart when the recogniser reconnects.

Frames that a bad line holds back arrive late and in clumps, but their samples were said one after the other: the stream
itself is a clock. Its anchor is the fastest arrival of the last seconds (the least arrival time minus sample time): a
frame that came later than that was held back on its way, and that time the caller has waited too. The anchor is only as
old as the last pause in the arrivals, so that audio that never came does not count as delay, and a clock that runs fast
or slow moves it by about 10 ms. The correction has a bound: a client that sends ahead or holds back can make the wait
look longer by at most that, and never shorter.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from math import isnan
from typing import Final

KEEP_S: Final = 60.0  # of audio; a word's end time is never older when it is told
TRIM_EVERY: Final = 512  # entries
ANCHOR_S: Final = 2.0  # of arrivals before the one in question
SAME_BURST_S: Final = 0.01  # frames that arrive so soon after each other came out of one hold-up
FRAME_S: Final = 0.02  # places are told to the end of so long a frame
PAUSE_S: Final = 1.0  # without a frame: what comes then is a new beginning
MOST_CORRECTION_S: Final = 0.6


class SampleClock:
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
        """Loop time at which the frame with the sample at `seconds` arrived, or would have on a good line.

        A place beyond the end (a recogniser that rounds up) is the last frame. None when nothing was sent yet, and for
        a place that is no number.
        """
        if not self._ends or isnan(seconds):
            return None
        # The sample just before the place is the last one that belongs to the word.
        seconds = min(max(0.0, seconds), self.total / self._bytes_per_second)
        offset = max(1, round(seconds * self._bytes_per_second))
        index = min(bisect_left(self._ends, offset), len(self._times) - 1)
        return self._without_delay(index, seconds)

    def _without_delay(self, index: int, seconds: float) -> float:
        arrived = self._times[index]
        last = bisect_right(self._times, arrived + SAME_BURST_S)
        anchor = arrived - self._seconds(index)
        for other in range(last - 1, -1, -1):
            if self._times[other] < arrived - ANCHOR_S:
                break
            if other < index and self._times[other + 1] - self._times[other] >= PAUSE_S:
                break
            anchor = min(anchor, self._times[other] - self._seconds(other))
        said = min(self._seconds(index), seconds + FRAME_S)  # a long frame was not said in its last moment
        return min(arrived, max(anchor + said, arrived - MOST_CORRECTION_S))

    def _seconds(self, index: int) -> float:
        return self._ends[index] / self._bytes_per_second
