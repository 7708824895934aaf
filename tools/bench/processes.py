"""The programs that are measured, each a process of its own on cores of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil

from tests.support.paths import ROOT
from voice_loadtest.stack.children import with_parent

STARTUP_S: Final = 40.0


def start(
    command: Sequence[str], cores: set[int], checkout: Path = ROOT, *, module: str = "agent", **environment: str
) -> psutil.Popen:
    """Starts a program of a checkout, by default of this one, on some cores."""
    process = psutil.Popen(
        [sys.executable, "-m", module, *command],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)} | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=with_parent(),
    )
    process.cpu_affinity(sorted(cores))
    return process


def wait_for(url: str) -> None:
    """Returns when it answers. Raises SystemExit after 40 s."""
    deadline = time.monotonic() + STARTUP_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise SystemExit(f"{url} did not answer within {STARTUP_S:g} s") from None
            time.sleep(0.2)


def busy(process: psutil.Process) -> float:
    """CPU seconds that a process has used, with all its threads, to the nanosecond.

    This is the clock of another process, as `clock_getcpuclockid` names it; psutil's figures are hundredths of a
    second, several percent of what ten silent calls take in ten seconds.
    """
    return time.clock_gettime((~process.pid << 3) | 2)
