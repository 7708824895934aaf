"""The one clock of the service: monotonic, in seconds, the same that the event loop's timers use."""

from __future__ import annotations

import asyncio
import time

import uvloop


def now() -> float:
    """The loop's time, without uvloop's rounding.

    uvloop counts milliseconds and stands still while callbacks run; its clock is the system's monotonic one, which is
    read here instead. Other loops are asked, so that tests can run in virtual time.
    """
    loop = asyncio.get_running_loop()
    return time.monotonic() if type(loop) is uvloop.Loop else loop.time()
