"""Plays the reply aloud through a program of the system: sox's `play` or ALSA's `aplay`."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncGenerator, Callable
from typing import Final

from voice_loadtest.protocol import CallError

_PROGRAMS: Final = {
    "play": ["-q", "-t", "raw", "-r", "16000", "-e", "signed", "-b", "16", "-c", "1", "-"],
    "aplay": ["-q", "-t", "raw", "-r", "16000", "-f", "S16_LE", "-c", "1", "-"],
}
_MAX_UNPLAYED_BYTES: Final = 64_000  # 2 s: a program that is slower than the audio loses what comes after


@contextlib.asynccontextmanager
async def speaker() -> AsyncGenerator[Callable[[bytes], None]]:
    """A function that plays PCM s16le mono 16 kHz. Raises CallError when neither program is installed."""
    program = next((name for name in _PROGRAMS if shutil.which(name)), None)
    if program is None:
        raise CallError("--play needs the program `play` (sox) or `aplay`; --out saves the reply instead")
    process = await asyncio.create_subprocess_exec(
        program,
        *_PROGRAMS[program],
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    stdin = process.stdin
    if stdin is None:
        raise RuntimeError("the process was started with a pipe")

    def play(pcm: bytes) -> None:
        if not stdin.is_closing() and stdin.transport.get_write_buffer_size() < _MAX_UNPLAYED_BYTES:
            stdin.write(pcm)

    try:
        yield play
        stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                await process.wait()  # what is in its buffer is still played
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
