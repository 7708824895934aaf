"""The one clock of the service: monotonic, in seconds, the same that the event loop's timers use."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

_read: Callable[[], float] = time.monotonic


def now() -> float:
    """The loop's time, without uvloop's rounding.

    uvloop counts milliseconds and stands still while callbacks run; its clock is the system's monotonic one, which is
    read here instead. The loop is not asked: to find it takes a system call, in each frame of each caller several.
    """
    return _read()


@contextmanager
def told_by(read: Callable[[], float]) -> Generator[None]:
    """While the block runs `read` says the time: for a loop whose time is not the system's."""
    global _read
    before, _read = _read, read
    try:
        yield
    finally:
        _read = before
