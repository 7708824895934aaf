"""A caller: plays a script over the session protocol and writes down what it hears, by its own clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import httpx
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.protocol import State

from voice_loadtest.audio import CallerRecording
from voice_loadtest.call_options import CallOptions as CallOptions
from voice_loadtest.call_options import voice_url
from voice_loadtest.conversation import CallConversation, CallLinks, OnTurn
from voice_loadtest.pacing import Clockwork, now
from voice_loadtest.protocol import CLIENT, http_client, open_line, open_session, text_frame, text_of
from voice_loadtest.records import CallRecord, SoundKind
from voice_loadtest.returning import GONE_S, RETRIED, come_back
from voice_loadtest.script import Drop, HangUp, Interrupt, Listen, Noise, Speak, Step, Type, Wait, names_of

_MAX_UNSENT_BYTES: Final = 1_000_000  # half a minute of audio that the server did not read
_READY_S: Final = 10.0
_METRICS_S: Final = 3.0  # after the last reply, for `turn.metrics`
_CLOSE_S: Final = 5.0  # after `hangup`, for the close
_TAKEN_S: Final = 1.0  # after a return, for the turn of a text that the server may have had


class _LineClosedError(Exception):
    """The connection is gone while the script still waits for something."""


class Caller:
    """One call. `connect()` and then `converse()`, once each."""

    def __init__(
        self,
        options: CallOptions,
        script: Sequence[Step],
        clockwork: Clockwork,
        *,
        on_turn: OnTurn | None = None,
        sink: Callable[[bytes], None] | None = None,
    ) -> None:
        """`clockwork` must be running while `converse` runs; any number of callers share one.

        `on_turn` is told about every turn that is over, `sink` gets the reply's PCM as it is played.
        """
        self._options = options
        self._script = script
        self._clockwork = clockwork
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()
        self._line: ClientConnection | None = None
        self._url = ""
        self._start: dict[str, Any] = {"type": "start", "capabilities": options.capabilities, "client": CLIENT}
        self._push = clockwork.line.push if clockwork.line.delay_s else None  # one way of the network
        self._away = False  # the line is lost, and being opened again
        self._leaving = False  # a line that closes now is the caller's own doing
        self._playing: asyncio.Task[bool] | None = None
        self._interrupted = False
        self._asked_at = now()
        links = CallLinks(now, self._send, self._send_frame, self._changed.set, on_turn, sink)
        self.conversation = CallConversation(
            links, playback_reports=options.playback_reports, keep_audio=options.keep_audio
        )

    async def connect(self, client: httpx.AsyncClient | None = None) -> None:
        """Gets a session and opens the line. Raises CallError. Callers that share a client share its connections."""
        self._asked_at = now()
        url, token = voice_url(self._options.url), self._options.token
        if token is None:
            if client is None:
                async with http_client(self._options.url) as client:
                    session = await open_session(client, self._options.url, self._options.api_key)
            else:
                session = await open_session(client, self._options.url, self._options.api_key)
            url, token = session.url, session.token
        self._url = url
        self._line = await open_line(url, token, self._push)

    def interrupt(self) -> None:
        """Leaves out what is left of the script: hangs up, and `converse` returns what was written down."""
        self._interrupted = self.conversation.record.hung_up = True
        if self._playing is not None:
            self._playing.cancel()

    async def converse(self) -> CallRecord:
        """Plays the script to its end or until the server closes, and returns what was written down."""
        line = self._line
        if line is None:
            raise RuntimeError("connect() comes before converse()")
        try:
            async with asyncio.TaskGroup() as group:
                receiving = group.create_task(self._receive(line), name="caller.receive")
                try:
                    await self._perform()
                except _LineClosedError:
                    pass
                finally:
                    self._clockwork.ticker.leave(self._tick)
                self._leaving = True
                line = self._line or line
                if self._away:
                    receiving.cancel()
                await line.close()  # nothing is left to do when the server has closed already
        finally:
            line = self._line or line
            line.transport.abort()
            await line.wait_closed()
        self.conversation.record.close_code = line.close_code
        return self.conversation.finish(names_of(self._script))

    # The line

    async def _receive(self, line: ClientConnection) -> None:
        """Takes what comes, until the line is closed for good."""
        while True:
            await self._take(line)
            back = await self._come_back(line)
            if back is None:
                self._clockwork.line.push(self._on_closed)
                return
            line = back

    async def _come_back(self, lost: ClientConnection) -> ClientConnection | None:
        """The call's next line; None when it has none. What is typed meanwhile waits."""
        conversation, push, record = self.conversation, self._clockwork.line.push, self.conversation.record
        for_s, token = self._options.come_back_s, record.resume_token
        if self._leaving or for_s <= 0 or token is None or lost.close_code not in RETRIED:
            return None
        lost_at, self._away = now(), True
        push(conversation.line_lost)
        gone_s = GONE_S if record.end_reason == "drained" else for_s
        back = await come_back(self._url, token, text_of(self._start), for_s, self._push, gone_s=gone_s)
        if back is None:
            self._away, record.stopped = False, record.end_reason == "drained"
            return None
        self._line, self._away = back.line, False
        record.silences_s.append(now() - lost_at)
        push(partial(conversation.receive_text, back.ready))
        push(self._is_back)
        return back.line

    def _is_back(self) -> None:
        conversation = self.conversation
        conversation.progress_at = now()
        if not conversation.record.resumed:
            conversation.fault("began_anew", "the server began another call instead of going on with this one")
        asyncio.get_running_loop().call_later(_TAKEN_S, conversation.type_again)
        self._changed.set()

    async def _take(self, line: ClientConnection) -> None:
        conversation, push = self.conversation, self._clockwork.line.push
        try:
            while True:
                frame = await line.recv()
                if isinstance(frame, str):
                    push(partial(conversation.receive_text, frame))
                else:
                    push(partial(conversation.receive_audio, frame))
        except ConnectionClosed:
            return

    def _on_closed(self) -> None:
        self._closed.set()
        self._changed.set()

    def _send(self, message: Mapping[str, Any]) -> None:
        self._send_frame(text_frame(message))

    def _send_frame(self, frame: bytes) -> None:
        """Takes a ready WebSocket frame; it leaves after the simulated network's delay."""
        self._clockwork.line.push(partial(self._write, frame))

    def _write(self, frame: bytes) -> None:
        # straight to the transport: `send` costs several times as much, and these frames are never fragmented
        line = self._line
        if line is None or line.state is not State.OPEN:
            return
        line.transport.write(frame)
        if line.transport.get_write_buffer_size() > _MAX_UNSENT_BYTES:
            self.conversation.fault("server_does_not_read", "the server stopped reading; the call was given up")
            line.transport.abort()

    def _tick(self) -> None:
        if not self._closed.is_set():
            self.conversation.tick()

    # The script

    async def _perform(self) -> None:
        conversation, record = self.conversation, self.conversation.record
        self._send(self._start)
        if not await self._until(lambda: record.ready, _READY_S):
            conversation.fault("not_ready", "no `session.ready` within 10 s")
            return
        record.connect_ms = (now() - self._asked_at) * 1000
        self._clockwork.ticker.join(self._tick)
        if await self._played():
            await self._hang_up()

    async def _played(self) -> bool:
        """Plays the script until its end or `interrupt`; whether the line is to be hung up then."""
        if self._interrupted:
            return True
        self._playing = asyncio.create_task(self._play(), name="caller.script")
        try:
            return await self._playing
        except asyncio.CancelledError:
            self._playing.cancel()
            task = asyncio.current_task()
            if not self._interrupted or (task is not None and task.cancelling()):
                raise
            return True

    async def _play(self) -> bool:
        for step in self._script:
            await self._do(step)
            if isinstance(step, HangUp | Drop):
                return False
        await self._listen()
        await self._until(lambda: self.conversation.measured, _METRICS_S)
        return True

    async def _do(self, step: Step) -> None:
        await self._until(lambda: not self._away, 1.0)
        match step:
            case Speak(clip):
                await self._quiet()
                await self._say(clip, "speech")
            case Type(text):
                await self._quiet()
                self.conversation.type(text)
            case Interrupt(clip, after_s):
                await self._into_reply(after_s)
                await self._say(clip, "speech")
            case Noise(clip, after_s):
                await self._into_reply(after_s)
                await self._say(clip, "noise")
            case Listen():
                await self._listen()
            case Wait(seconds):
                await self._pass(seconds)
            case HangUp():
                await self._hang_up()
            case Drop():
                self._leaving = True
                if self._line is not None:
                    self._line.transport.abort()
                await self._closed.wait()

    async def _quiet(self) -> None:
        await self._listen()
        await self._pass(self._options.gap_s)

    async def _listen(self) -> None:
        if not await self._until(lambda: self.conversation.settled, self._options.reply_timeout_s):
            self._give_up()

    async def _into_reply(self, after_s: float) -> None:
        conversation = self.conversation
        began = await self._until(
            lambda: conversation.reply_began_at is not None or conversation.settled, self._options.reply_timeout_s
        )
        if not began:
            self._give_up()
        began_at = conversation.reply_began_at
        if began_at is not None:
            await self._pass(began_at + after_s - now())

    def _give_up(self) -> None:
        self.conversation.given_up = True
        self.conversation.fault(
            "no_reply", f"nothing came for {self._options.reply_timeout_s:g} s: the reply was given up"
        )

    async def _say(self, clip: CallerRecording, kind: SoundKind) -> None:
        saying = self.conversation.say(clip, kind)
        while not saying.done:
            await self._until(lambda: saying.done, clip.seconds + 1)

    async def _hang_up(self) -> None:
        self._leaving = True
        self._send({"type": "hangup"})
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._closed.wait()
        except TimeoutError:
            self.conversation.fault("not_closed", "the server did not close within 5 s of `hangup`")

    async def _pass(self, seconds: float) -> None:
        """Lets seconds pass, or raises when the line closes."""
        if self._closed.is_set():
            raise _LineClosedError
        if seconds <= 0:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return
        raise _LineClosedError

    async def _until(self, holds: Callable[[], bool], idle_s: float) -> bool:
        """Waits until something holds; False when nothing has come from the server, or was heard, for `idle_s`."""
        conversation = self.conversation
        conversation.progress_at = max(conversation.progress_at, now())
        while not holds():
            if self._closed.is_set():
                raise _LineClosedError
            left = (now() if self._away else conversation.progress_at) + idle_s - now()
            if left <= 0:
                return False
            self._changed.clear()
            try:
                async with asyncio.timeout(left):
                    await self._changed.wait()
            except TimeoutError:
                continue
        return True


async def call(
    options: CallOptions,
    script: Sequence[Step],
    *,
    network_ms: float = 0.0,
    on_turn: OnTurn | None = None,
    sink: Callable[[bytes], None] | None = None,
    on_caller: Callable[[Caller], None] | None = None,
) -> CallRecord:
    """One call from beginning to end. Raises CallError when it does not come about.

    `on_caller` gets the caller before it connects, for whoever may want to interrupt it.
    """
    clockwork = Clockwork(network_ms)
    caller = Caller(options, script, clockwork, on_turn=on_turn, sink=sink)
    if on_caller is not None:
        on_caller(caller)
    await caller.connect()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(clockwork.run(), name="clockwork")
        try:
            return await caller.converse()
        finally:
            running.cancel()
