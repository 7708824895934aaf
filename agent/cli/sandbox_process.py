"""The sandbox beside the service: started, looked after, and started again where it dies under calls."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any, Final

from agent.core.errors import ConfigurationError
from voice_loadtest.stack.children import with_parent

WAIT_S: Final = 20.0
LOOK_S: Final = 0.05
FIRST_PAUSE_S: Final = 0.5
MOST_PAUSE_S: Final = 30.0
STEADY_S: Final = 60.0  # who lived so long is started again at once


class SandboxProcess:
    """A program of its own, which ends with this one. `say` prints a line for whoever started it."""

    def __init__(self, command: Sequence[str], url: str, say: Callable[[str], None]) -> None:
        self._command = list(command)
        self._url = f"{url}/control/state"
        self._say = say
        self._ended = threading.Event()
        self._changing = threading.Lock()
        self._end_with_us = with_parent()  # here: before any thread
        self._process = self._begin()

    def _begin(self) -> subprocess.Popen[bytes]:
        # a session of its own: Ctrl-C reaches only the service, which drains before the sandbox goes
        return subprocess.Popen(  # noqa: S603  our own program
            self._command,
            start_new_session=True,
            preexec_fn=self._end_with_us,  # noqa: PLW1509  it makes one system call
        )

    def wait(self) -> dict[str, Any]:
        """What it says of itself once it has loaded. Raises ConfigurationError where it stops, or takes over 20 s."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise ConfigurationError("the sandbox stopped at its start: `voice-agent sandbox` says why")
            state = _state(self._url)
            if state is not None and not state.get("loading"):
                return state
            time.sleep(LOOK_S)
        raise ConfigurationError(f"the sandbox did not answer within {WAIT_S:g} s")

    def look_after(self) -> None:
        """From now on it is started again when it ends by itself: in a thread, which ends with this program."""
        threading.Thread(target=self._look_after, name="sandbox", daemon=True).start()

    def _look_after(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            status = self._process.wait()
            if self._ended.is_set():
                return
            if time.monotonic() - began > STEADY_S:
                pause_s = FIRST_PAUSE_S
            self._say(f"the sandbox has ended by itself ({_ended_how(status)}): it is started again")
            if self._ended.wait(pause_s):
                return
            pause_s = min(2 * pause_s, MOST_PAUSE_S)
            with self._changing:
                if self._ended.is_set():
                    return
                self._process = self._begin()

    def end(self) -> None:
        """Ends it; waits for 10 s at most."""
        with self._changing:
            self._ended.set()
            process = self._process
        process.terminate()
        process.wait(10)


def _state(url: str) -> dict[str, Any] | None:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310  our own address
            return json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return None


def _ended_how(status: int) -> str:
    return f"status {status}" if status >= 0 else f"signal {-status}" + (", as where memory is short" * (status == -9))
