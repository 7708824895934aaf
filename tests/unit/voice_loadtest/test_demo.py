from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from voice_loadtest.stack.processes import ROOT


@pytest.mark.slow
async def test_the_demo_runs_by_itself_through_all_three_spells() -> None:
    ports = ["--port", "0", "--sandbox-port", "0", "--prometheus-port", "0"]
    demo = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent", "demo", "--minutes", "0.1", "--callers", "2", "--exit", *ports),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(demo.communicate(), 120)
    text = said.decode()
    assert demo.returncode == 0, text
    for expected in (
        "healthy for",
        "Haiku slow, ElevenLabs failing for",
        "recovered for",
        "done:",
        "voice-agent report",
    ):
        assert expected in text
    assert "0 turns" not in text.split("done:")[1].splitlines()[0].split(", ")


async def test_a_process_that_cannot_start_is_one_line(tmp_path: Path) -> None:
    from voice_loadtest.errors import StackError
    from voice_loadtest.stack.processes import LocalOptions, local_stack

    options = LocalOptions(tmp_path, settings={"MAX_SESSIONS": "none"})
    with pytest.raises(StackError, match=r"service stopped at its start: .*VOICE_AGENT_MAX_SESSIONS"):
        async with local_stack(options):
            pass
