"""Token buckets: how fast somebody may go on, and how much at once; and who was there lately."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

MOST_NAMES: Final = 20_000
_FORGOTTEN_AT_ONCE: Final = 2


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, then `per_s` in each second; both in the unit of what is counted."""

    per_s: float
    burst: float


class TokenBucket:
    """One bucket, full at first. Times are those of any monotonic clock, in seconds."""

    __slots__ = ("_at", "_left", "_rate")

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._left = rate.burst
        self._at = now

    def take(self, amount: float, now: float) -> bool:
        """Takes so much out of the bucket; False, and nothing is taken, where there is less in it."""
        rate, left, passed = self._rate, self._left, now - self._at
        if passed > 0:
            left += passed * rate.per_s
            if left > rate.burst:
                left = rate.burst
        self._at = now
        taken = amount <= left
        self._left = left - amount if taken else left
        return taken

    def is_full(self, now: float) -> bool:
        """Whether it holds by now what a new one would."""
        return self._left + max(0.0, now - self._at) * self._rate.per_s >= self._rate.burst

    def wait_s(self, amount: float) -> float:
        """Seconds from the last `take` until so much is in the bucket."""
        return max(0.0, (min(amount, self._rate.burst) - self._left) / self._rate.per_s)


class KeyedBuckets:
    """A bucket for each name that was there lately. What is full again is forgotten: a new one holds as much.

    So it holds the names of the last `burst / per_s` seconds, and of too many the least recently used are forgotten.
    """

    def __init__(self, rate: Rate, most: int = MOST_NAMES) -> None:
        self._rate = rate
        self._most = most
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, now: float) -> float:
        """0.0 where this name may go on; else the seconds after which it may."""
        self._forget(now)
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = TokenBucket(self._rate, now)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        return 0.0 if bucket.take(1.0, now) else bucket.wait_s(1.0)

    def _forget(self, now: float) -> None:
        """Each look forgets twice what it may add, however many names there were."""
        for _ in range(_FORGOTTEN_AT_ONCE):
            name = next(iter(self._buckets), None)
            if name is None or not self._buckets[name].is_full(now):
                return
            del self._buckets[name]


class RecentNames:
    """Tells names apart that have been there within a time; the others are forgotten, and of too many the oldest."""

    def __init__(self, period_s: float, most: int = MOST_NAMES) -> None:
        self._period_s = period_s
        self._most = most
        self._since: OrderedDict[str, float] = OrderedDict()

    def is_new(self, name: str, now: float) -> bool:
        """Whether this name was not there in the `period_s` before `now`; from then on it was."""
        self._forget(now)
        since = self._since.get(name)
        if since is not None and now - since < self._period_s:
            return False
        self._since[name] = now
        self._since.move_to_end(name)
        if len(self._since) > self._most:
            self._since.popitem(last=False)
        return True

    def __len__(self) -> int:
        return len(self._since)

    def _forget(self, now: float) -> None:
        for _ in range(_FORGOTTEN_AT_ONCE):
            name = next(iter(self._since), None)
            if name is None or now - self._since[name] < self._period_s:
                return
            del self._since[name]
