"""What the log may hold of an exception: where it was and which, never what stood in a variable."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SCRIPT = """
import sys
import structlog
from agent.telemetry.log import configure_logging

configure_logging(sys.argv[1], "debug")

def turn(said):
    kept = [said] * 1000
    raise ValueError("a fault of ours")

try:
    turn("my secret word is " + "wom" + "bat7")
except ValueError:
    structlog.get_logger().exception("turn failed", turn=1)
"""


@pytest.mark.parametrize("form", ["console", "json"])
def test_an_exception_is_logged_without_the_values_of_variables(form: str) -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT, form], capture_output=True, text=True, check=True)
    assert "turn failed" in done.stderr
    assert "ValueError: a fault of ours" in done.stderr
    assert "in turn" in done.stderr
    assert "wombat7" not in done.stderr
    assert len(done.stderr) < 2_000
