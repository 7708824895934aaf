"""A caller of the chaos matrix: one bare connection that knows what was audible, and how long it was silent."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.support.stack import Stack
from tests.support.websocket_client import dial, token_of
from voice_loadtest.audio import BYTES_PER_SECOND, FRAME_BYTES, FRAME_S, CallerRecording

_SPEECH_S_PER_CHARACTER: Final = 0.06  # how long a browser takes to say a clause, about
LEAD_IN: Final = "Let me look."
"""What the sandbox's model says before it uses a tool."""
_REPORT_EVERY_S: Final = 0.05  # of playback: clients that report more often are told to slow down


class CallerLine:
    """What one caller hears. Times are `time.perf_counter()` seconds."""

    def __init__(self, socket: ClientConnection, *, instant: bool = False) -> None:
        self.socket = socket
        self._instant = instant
        self.session = ""
        self.messages: list[dict[str, Any]] = []
        self.owed_at: float | None = None  # what the caller said was over
        self.first_at: float | None = None  # the first audible answer to it
        self.silence_s = 0.0  # longest silence inside the answer
        self.audio_s = 0.0
        self.browser_clauses = 0
        self.fillers = 0  # "one moment" was heard so often; it is no answer
        self._leads_in = False  # nor is what is said before a tool is used
        self._filler_bytes = 0
        self.close_code: int | None = None
        self._audible_until = 0.0
        self._turn = self.asked_turn = 0
        self._played_bytes = 0
        self._reporting: asyncio.Task[None] | None = None
        self._rest_of_before = False  # what is heard now still belongs to the reply before
        self._changed = asyncio.Event()
        self.on_audio: Callable[[bytes], None] = lambda pcm: None  # for a loudspeaker
        self.on_message: Callable[[dict[str, Any]], None] = lambda message: None

    async def read(self) -> None:
        """Reads until the line closes."""
        try:
            while True:
                frame = await self.socket.recv()
                if isinstance(frame, bytes):
                    if self._filler_bytes > 0:
                        self._filler_bytes -= len(frame)
                    elif frame.count(0) < len(frame) and not self._rest_of_before and not self._leads_in:
                        self.audio_s += len(frame) / BYTES_PER_SECOND
                        self._sounds(len(frame) / BYTES_PER_SECOND)
                    self._played(len(frame))
                    self.on_audio(frame)
                else:
                    message = json.loads(frame)
                    await self._message(message)
                    self.on_message(message)
                self._changed.set()
        except ConnectionClosed as closed:
            self.close_code = closed.rcvd.code if closed.rcvd else 1006
            self._changed.set()

    async def send(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def type(self, text: str) -> None:
        """Types a turn: an answer is owed from now on."""
        self.owe()
        await self.send(type="text", text=text)

    async def say(self, clip: CallerRecording, quiet_s: float = 0.0) -> None:
        """Speaks in real time; an answer is owed from the end of the voice on. Then silence, like a microphone."""
        sound = clip.pcm + bytes(int(quiet_s / FRAME_S) * FRAME_BYTES)
        began = time.perf_counter()
        for number, start in enumerate(range(0, len(sound), FRAME_BYTES)):
            await asyncio.sleep(began + number * FRAME_S - time.perf_counter())
            frame = sound[start : start + FRAME_BYTES]
            await self.socket.send(frame + bytes(FRAME_BYTES - len(frame)))
            if self.owed_at is None and start >= clip.voice_ends * 2:
                self.owe()

    def fresh(self) -> None:
        """Forgets the answer before. What still comes of it does not count: the next one follows `transcript.final`."""
        self.owed_at = None
        self._forget_sound()
        self._rest_of_before = True
        self.messages.clear()

    @property
    def reported(self) -> bool:
        """Whether the turn is over that the caller has begun last."""
        return any(message["turn"] == self.asked_turn for message in self.all("turn.metrics"))

    def has(self, kind: str) -> bool:
        return any(message["type"] == kind for message in self.messages)

    @property
    def asked_to_listen(self) -> bool:
        """Whether the client has to listen itself. That it may, where recognition is simulated, is an offer only."""
        return any(message["reason"] != "simulated" for message in self.all("listen.browser"))

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["type"] == kind]

    async def until(self, holds: Callable[[], bool], limit_s: float) -> bool:
        """Waits until something holds; False when it did not in time, or the line is closed."""
        try:
            async with asyncio.timeout(limit_s):
                while not holds():
                    if self.close_code is not None:
                        return False
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def stop_reporting(self) -> None:
        """Says nothing more about what was played."""
        if self._reporting is not None:
            self._reporting.cancel()

    def _played(self, size: int) -> None:
        """Says soon that the audio so far was heard, where the client is as quick as that."""
        self._played_bytes += size
        if self._instant and (self._reporting is None or self._reporting.done()):
            self._reporting = asyncio.create_task(self._report())

    async def _report(self) -> None:
        await asyncio.sleep(_REPORT_EVERY_S)
        played_ms = self._played_bytes / BYTES_PER_SECOND * 1000
        try:
            await self.send(type="playback", turn=self._turn, event="progress", played_ms=played_ms)
        except ConnectionClosed:
            return  # the reader tells

    def owe(self) -> None:
        """The caller is done: an answer is owed from now on."""
        self.owed_at = time.perf_counter()

    def _forget_sound(self) -> None:
        self.first_at = None
        self.silence_s = self.audio_s = self._audible_until = 0.0
        self.browser_clauses = 0

    def _sounds(self, seconds: float) -> None:
        now = time.perf_counter()
        if self.first_at is None:
            self.first_at = self._audible_until = now
        self.silence_s = max(self.silence_s, now - self._audible_until)
        self._audible_until = max(self._audible_until, now) + seconds

    async def _message(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        match message["type"]:
            case "session.ready":
                self.session = message["session_id"]
            case "ping":
                await self.send(type="pong", id=message["id"])
            case "transcript.final":  # what still came of the reply before does not answer this turn
                self._forget_sound()
                self._rest_of_before = self._leads_in = False
                self.asked_turn = message["turn"]
            case "reply.text":
                self._leads_in = message["text"] == LEAD_IN
            case "filler":
                self._filler_bytes += round(message["audio_ms"] * BYTES_PER_SECOND / 2000) * 2
                self.fillers += 1
            case "audio.start":
                self._turn, self._played_bytes = message["turn"], 0
            case "speech.browser" if not self._rest_of_before:
                self.browser_clauses += 1
                self._sounds(len(message["text"]) * _SPEECH_S_PER_CHARACTER)
                if self._instant:
                    await self.send(type="playback", turn=message["turn"], event="finished", clause=message["clause"])
            case _:
                pass


@asynccontextmanager
async def on_the_line(
    stack: Stack, *, premium: bool, browser: bool = True, instant: bool = False
) -> AsyncGenerator[CallerLine]:
    """A session whose client can speak and listen itself where `browser` says so; hangs up at the end.

    `instant`: the client says of each piece of audio that it was played as soon as it comes.
    """
    can = {"browser_speech": browser, "browser_recogniser": browser, "playback_reports": instant}
    async with dial(stack, await token_of(stack, premium=premium)) as socket:
        line = CallerLine(socket, instant=instant)
        reading = asyncio.create_task(line.read())
        try:
            await line.send(type="start", capabilities=can)
            await line.until(lambda: line.has("session.ready"), 10)
            yield line
            if line.close_code is None:
                await line.send(type="hangup")
                await line.until(lambda: False, 10)
        finally:
            line.stop_reporting()
            reading.cancel()
            await asyncio.wait({reading})
