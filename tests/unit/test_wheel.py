"""An installed wheel holds what the service needs, and offers only what can run from it."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, Final

import pytest
from hatchling.builders.wheel import WheelBuilder

from agent.cli.main import COMMANDS, offered
from agent.web import page_files
from tests.support.paths import ROOT

LOOK: Final = """
import json
import agent.web
from agent.budgets import load_budgets
from agent.cli.main import offered
from agent.policy.policies import load_policies
from agent.providers.recorded import load_clips

load_budgets(), load_policies(), load_clips(None)
page = {name: len(content) for name, content in agent.web.page_files().items()}
names = [name for entries in offered().values() for name in entries]
print(json.dumps({"agent": agent.__file__, "page": page, "offered": names}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, as `pip install --target` makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    target = folder / "target"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


def _run(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONPATH": str(installed), "PATH": ""}
    return subprocess.run(
        [sys.executable, "-P", *arguments],
        cwd=installed, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(installed: Path) -> dict[str, Any]:
    """What the installed package says of itself."""
    done = _run(installed, "-c", LOOK)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_an_installed_wheel_serves_the_whole_talk_page(installed: Path, found: dict[str, Any]) -> None:
    assert Path(found["agent"]).is_relative_to(installed), "another agent was imported"
    assert found["page"] == {name: len(content) for name, content in page_files().items()}
    assert {"index.html", "client.js", "capture-worklet.js"} <= found["page"].keys()


def test_an_installed_wheel_offers_what_can_run_from_it(found: dict[str, Any]) -> None:
    everything = {name: entry for entries in COMMANDS.values() for name, entry in entries.items()}
    assert set(found["offered"]) == everything.keys() - {"demo", "gameday"}
    assert {name for entries in offered().values() for name in entries} == everything.keys(), "this is a checkout"


def test_a_command_that_is_not_offered_says_where_it_runs(installed: Path) -> None:
    done = _run(installed, "-m", "agent", "demo")
    assert done.returncode == 2
    assert "project's folder" in done.stderr


def test_the_wheel_leaves_tests_and_tools_out(installed: Path) -> None:
    top = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert top == {"agent", "voice_sandbox", "voice_loadtest"}
    assert not (installed / "agent" / "web" / "client" / "tests").exists()
