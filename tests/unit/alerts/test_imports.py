"""Importing boards and rules reads no file: a broken policy file must not break `import`."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

from tests.support.paths import ROOT

PROGRAM: Final = """
import importlib, pathlib, pkgutil
import agent.policy.policies, agent.budgets

def refuse(*_: object) -> bytes:
    raise AssertionError("a file is read at import")

pathlib.Path.read_text = pathlib.Path.read_bytes = refuse
for name in ("alerts", "dashboards"):
    package = importlib.import_module(name)
    for found in pkgutil.walk_packages(package.__path__, f"{name}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
print("imported")
"""


def test_boards_and_rules_read_nothing_at_import() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == "imported\n", done.stderr
