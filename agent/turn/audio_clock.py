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

from array import array
from bisect import bisect_left, bisect_right
from math import inf, isnan
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
        # plain numbers: objects of Python's would take five times as much, a quarter of a megabyte for each call
        self._ends = array("q")  # byte offset of the end of each frame, ascending
        self._times = array("d")
        self._lags = array("d")  # arrival minus sample time of each frame
        self._breaks: list[int] = []  # ends of the frames that came after a pause
        self._last = inf  # the latest arrival
        self._until_trim = TRIM_EVERY  # entries
        self.total = 0

    def add(self, size: int, at: float) -> None:
        """Notes that the next `size` bytes arrived at loop time `at`."""
        self.total = total = self.total + size
        if at - self._last >= PAUSE_S:
            self._breaks.append(total)
        self._last = at
        self._ends.append(total)
        self._times.append(at)
        self._lags.append(at - total / self._bytes_per_second)
        self._until_trim -= 1
        if not self._until_trim:
            self._until_trim = TRIM_EVERY
            first = total - int(KEEP_S * self._bytes_per_second)
            old = bisect_left(self._ends, first)
            del self._ends[:old], self._times[:old], self._lags[:old], self._breaks[: bisect_left(self._breaks, first)]

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
        arrived, end = self._times[index], self._ends[index]
        first = bisect_left(self._times, arrived - ANCHOR_S)
        paused = bisect_right(self._breaks, end)
        if paused:
            first = max(first, bisect_left(self._ends, self._breaks[paused - 1]))
        last = bisect_right(self._times, arrived + SAME_BURST_S)
        anchor = min(self._lags[first:last])
        said = min(end / self._bytes_per_second, seconds + FRAME_S)  # a long frame was not said in its last moment
        return min(arrived, max(anchor + said, arrived - MOST_CORRECTION_S))
