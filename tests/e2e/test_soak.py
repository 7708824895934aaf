"""Ten minutes of calls: memory does not grow, and nothing of a call is left. `make soak` takes two hours."""

from __future__ import annotations

import os
import sys

import pytest

from tools.soak.run import soak

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.timeout(120 + 90 * MINUTES)
async def test_a_process_stays_as_large_as_it_was_while_calls_come_and_go() -> None:
    seen = await soak(MINUTES, 8)
    sys.stdout.write(f"\n{seen.text()}\n")
    assert seen.faults == []
