"""The garbage collector of a process that starts: it leaves alone what stays.

Modules, routes and clients live as long as the process. Left to the collector, each of its full runs looks through all
of them again, and every call stands still for 200 ms; while thousands of modules are imported it does so many times.
What a start leaves as garbage was counted: 1,400 objects, too few to look for.

Calls are few objects beside that, and hold each other in circles. Full runs come five times as often as usual, so that
what ended calls leave behind is a few megabytes and not 16.
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from agent.providers.factory import ProviderFactory

FULL_RUN_EVERY: Final = 2  # runs of the collector over what is younger; Python's own figure is 10


@contextmanager
def collecting_later() -> Generator[None]:
    """Switches the collector off until `settle`, or to the end of the block."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def settle() -> None:
    """Sets what there is apart for good, and switches the collector on."""
    gc.freeze()
    gc.collect()  # of nothing: how much the last run left decides when it looks again
    youngest, younger, _ = gc.get_threshold()
    gc.set_threshold(youngest, younger, FULL_RUN_EVERY)
    gc.enable()


async def run_providers(providers: ProviderFactory) -> None:
    """Loads the SDKs, beside the open port, then does what goes on beside calls. Runs until it is cancelled."""
    try:
        await providers.sdks.wait()
    finally:
        if not gc.isenabled():
            settle()
    await providers.run()
