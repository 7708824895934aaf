from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest

from voice_loadtest.protocol import CallError
from voice_loadtest.speaker import speaker


async def test_what_is_played_reaches_the_program_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, heard = tmp_path / "play", tmp_path / "heard"
    program.write_text(f"#!/bin/sh\nexec /bin/cat > {heard}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path))
    async with speaker() as play:
        for number in range(10):
            play(bytes([number]) * 640)
            await asyncio.sleep(0)
    assert heard.read_bytes() == b"".join(bytes([number]) * 640 for number in range(10))


async def test_without_a_program_the_way_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CallError, match="--out"):
        async with speaker():
            raise AssertionError("there is nothing to play with")
