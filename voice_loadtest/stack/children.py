"""Programs that end with the one that started them, however that ends: also by SIGKILL, when it can end nobody itself.

Linux tells a process that its parent is gone (`PR_SET_PDEATHSIG`, prctl(2)). Elsewhere nobody does, and a program that
was left behind is for its user to end.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def _system() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if sys.platform == "linux" else None


_libc: Final = _system()  # here: between fork and exec nothing may be loaded


def with_parent() -> Callable[[], None]:
    """For `preexec_fn` of `subprocess.Popen`: the program gets SIGTERM when this process is gone.

    Call it in the process, and `Popen` on the main thread: to Linux the parent is the thread that forks.
    """
    parent = os.getpid()

    def end_with_parent() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it was gone before
                os.kill(os.getpid(), signal.SIGTERM)

    return end_with_parent
