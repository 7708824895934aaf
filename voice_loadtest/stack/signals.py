"""Ends a command on SIGTERM as on Ctrl-C, so that what it started ends with it."""

from __future__ import annotations

import signal
from types import FrameType


def end_on_sigterm() -> None:
    """SIGTERM becomes SIGINT from now on: asyncio cancels its main task, and every `finally` is reached."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)
