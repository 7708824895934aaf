"""The tests of the JavaScript client and of the talk page, run by node's test runner."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.support.paths import ROOT

NODE: Final = shutil.which("node")
HERE: Final = Path(__file__).parent
FILES: Final = [*sorted((ROOT / "clients" / "js" / "tests").glob("*.test.js")), *sorted(HERE.glob("*.test.js"))]


def _too_old() -> str | None:
    """Why node's tests cannot be run here; None when they can."""
    if NODE is None:
        return "node is not installed"
    found = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    major = int(found.removeprefix("v").partition(".")[0])
    return None if major >= 20 else f"node {found} is too old: 20 has what these tests need"


SKIPPED: Final = _too_old()


def test_both_the_client_and_the_page_have_tests() -> None:
    assert {file.parent for file in FILES} == {ROOT / "clients" / "js" / "tests", HERE}


@pytest.mark.skipif(SKIPPED is not None, reason=str(SKIPPED))
@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_javascript(file: Path) -> None:
    assert NODE is not None
    run = subprocess.run(
        [NODE, "--test", "--test-reporter=tap", str(file)], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed = re.search(r"^# pass (\d+)$", run.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) >= 3, "the tests of this file were not found"
