"""A telephone: a microphone that is always open, a loudspeaker that plays as the service says, and a bad line."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from websockets.exceptions import ConnectionClosed

from tools.chaos.caller import CallerLine
from tools.field.sounds import mixed, quieter
from voice_loadtest.audio import FRAME_BYTES, FRAME_S, CallerRecording, frames

_SILENCE: Final = bytes(FRAME_BYTES)


@dataclass(frozen=True, slots=True)
class BadLine:
    """What lies between a caller's mouth and the service. Seconds, decibels, shares of 1.

    hold_s: frames are held back and arrive in clumps of so long.
    lost: the share of frames that the microphone misses; they are silent.
    clock: how fast the client's clock runs; 0.995 is half a percent slow.
    echo_db: the loudspeaker comes back through the microphone, so much quieter; None = not at all.
    around: what is heard all the time, beside the caller; it goes round.
    """

    hold_s: float = 0.0
    lost: float = 0.0
    clock: float = 1.0
    echo_db: float | None = None
    echo_delay_s: float = 0.1
    around: bytes = b""


class Handset:
    """Frames of 20 ms, in real time. What is said is mixed with what is heard around."""

    def __init__(self, line: CallerLine, bad: BadLine) -> None:
        self._line = line
        self._bad = bad
        self._mouth: deque[bytes | None] = deque()  # frames to be said; None = an answer is owed from here on
        self._said = asyncio.Event()
        self._speaker = bytearray()
        self._paused = False
        self._echo = deque([_SILENCE] * round(bad.echo_delay_s / FRAME_S))
        self._held: list[bytes] = []
        self._dice = random.Random(1)
        self.open = True  # the microphone
        line.on_audio = self._speaker.extend
        line.on_message = self._told

    @property
    def playing(self) -> bool:
        """Whether the loudspeaker plays, or would if nobody spoke over it."""
        return bool(self._speaker)

    async def say(self, sound: CallerRecording) -> None:
        """Returns when it was said; an answer is owed from the end of its voice on."""
        ends = sound.voice_ends * 2 // FRAME_BYTES
        for number, frame in enumerate(frames(sound.pcm)):
            self._mouth.append(frame)
            if number == ends:
                self._mouth.append(None)
        await self._until_said()

    async def sound(self, pcm: bytes) -> None:
        """Makes a sound that nobody owes an answer to; returns when it is over."""
        self._mouth.extend(frames(pcm))
        await self._until_said()

    async def quiet(self, seconds: float) -> None:
        """Says nothing for so long."""
        await self.sound(bytes(round(seconds / FRAME_S) * FRAME_BYTES))

    async def run(self) -> None:
        """Speaks and plays until it is cancelled or the line is closed."""
        number, began = 0, time.perf_counter()
        try:
            while True:
                await asyncio.sleep(began + number * FRAME_S / self._bad.clock - time.perf_counter())
                await self._tick(number)
                number += 1
        except ConnectionClosed:
            return

    async def _tick(self, number: int) -> None:
        own = self._mouth.popleft() if self._mouth else _SILENCE
        if own is None:
            self._line.owe()
            own = self._mouth.popleft() if self._mouth else None
        played = _SILENCE
        if self._speaker and not self._paused:
            played = bytes(self._speaker[:FRAME_BYTES]).ljust(FRAME_BYTES, b"\0")
            del self._speaker[:FRAME_BYTES]
        self._echo.append(played)
        heard: list[bytes] = [own or _SILENCE]
        echo = self._echo.popleft()
        if self._bad.echo_db is not None:
            heard.append(quieter(echo, self._bad.echo_db))
        if self._bad.around:
            start = number * FRAME_BYTES % (len(self._bad.around) // FRAME_BYTES * FRAME_BYTES)
            heard.append(self._bad.around[start : start + FRAME_BYTES])
        if self.open:
            await self._send(mixed(*heard))
        if not self._mouth:
            self._said.set()

    async def _send(self, frame: bytes) -> None:
        missed = self._bad.lost and self._dice.random() < self._bad.lost
        self._held.append(_SILENCE if missed else frame)
        if len(self._held) * FRAME_S >= self._bad.hold_s:
            held, self._held = self._held, []
            for one in held:
                await self._line.socket.send(one)

    async def _until_said(self) -> None:
        self._said.clear()
        await self._said.wait()

    def _told(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "audio.pause":
                self._paused = True
            case "audio.resume":
                self._paused = False
            case "audio.clear" | "audio.start":
                self._paused = False
                if message["type"] == "audio.clear":
                    self._speaker.clear()
            case _:
                pass


@asynccontextmanager
async def handset(line: CallerLine, bad: BadLine | None = None) -> AsyncGenerator[Handset]:
    """A telephone whose microphone is open until the block ends."""
    phone = Handset(line, bad or BadLine())
    running = asyncio.create_task(phone.run())
    try:
        yield phone
    finally:
        running.cancel()
        await asyncio.wait({running})


async def say_all(phone: Handset, sounds: Sequence[CallerRecording], pause_s: float) -> None:
    """Says one thing after the other, with pauses of so long between."""
    for number, sound in enumerate(sounds):
        if number:
            await phone.quiet(pause_s)
        await phone.say(sound)
