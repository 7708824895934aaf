"""Calls that have ended are collected while a few hundred kilobytes wait, and not when a whole process of them does."""

from __future__ import annotations

import subprocess
import sys

CALLS = """
import gc
from agent.server.memory import settle

class Part:
    def __init__(self):
        self.itself = self

loaded = [[] for _ in range(400_000)]
gc.collect()
settle()
most = 0
open_calls = []
for call in range(400):
    open_calls.append([Part() for _ in range(500)])  # as long as it lasts its parts are old
    if len(open_calls) > 8:
        open_calls.pop(0)
    most = max(most, sum(isinstance(one, Part) for one in gc.get_objects()) if call % 5 == 0 else 0)
print(most // 500)
"""


def test_garbage_of_ended_calls_does_not_wait_until_it_is_a_quarter_of_the_process() -> None:
    told = subprocess.run([sys.executable, "-c", CALLS], capture_output=True, text=True, check=True)
    assert int(told.stdout) < 60  # 204 by Python itself
