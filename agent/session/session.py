"""One voice session: it listens, takes turns, and ends with one outcome and no task left.

A session outlives its connection: when the socket drops it waits for the client to come back for a grace time. `run` is
its life; the listener is one task in its group, and each turn is another.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from agent.core import clock
from agent.core.calls import Call, Fallback, ProviderError
from agent.core.errors import ProtocolError
from agent.session.degradation import Disclosure
from agent.session.dependencies import SessionDependencies
from agent.session.turn_taking import Turns
from agent.telemetry.events import (
    CallFinished,
    Cause,
    FellBack,
    QueueDropped,
    SessionEnded,
    SessionOutcome,
    SessionStarted,
)
from agent.transport.voice_agent_v1.messages import (
    MAX_TEXT,
    Capabilities,
    ClientMessage,
    CloseCode,
    Error,
    Hangup,
    ListenBrowser,
    PlaybackReport,
    SessionEndMessage,
    Start,
    Text,
    TranscriptPartial,
)
from agent.transport.voice_agent_v1.websocket import WebSocketConnection
from agent.turn.listen import CallerListener, EndOfTurn, RecogniserLost, Words
from agent.turn.vad import VoiceStarted, VoiceStopped

log = structlog.get_logger()

RECENT_VOICE_S = 5.0  # a text that the client's recogniser heard belongs to a voice of the last seconds


@dataclass(frozen=True, slots=True)
class SessionEnd:
    """Why a session ends, and how its client is told."""

    outcome: SessionOutcome
    close_code: int = CloseCode.NORMAL


class _SessionRecorder:
    """Recogniser streams belong to the session, not to a turn."""

    def __init__(self, parts: SessionDependencies) -> None:
        self._parts = parts
        self.disclosure: Disclosure | None = None

    def dropped(self, frames: int) -> None:
        self._parts.sink.handle(QueueDropped("listen", frames))

    def fell_back(self, fallback: Fallback) -> None:
        self._parts.sink.handle(FellBack(self._parts.info, fallback))
        if self.disclosure is not None:
            self.disclosure.fell_back(fallback)

    def record(self, call: Call) -> None:
        failed = call.outcome not in ("ok", "cancelled")
        cause = Cause.RETRY if failed else Cause.SERVED
        self._parts.sink.handle(CallFinished(self._parts.info, None, call, cause))


class Session:
    """Made at the upgrade, run in the registry's task group, attached to one connection at a time."""

    def __init__(self, parts: SessionDependencies) -> None:
        self.parts = parts
        self.capabilities = Capabilities()
        self._connection: WebSocketConnection | None = None
        self._turns: Turns | None = None
        self._recorder = _SessionRecorder(parts)
        self._listener = CallerListener(
            parts.stt, parts.info.session_id, self._recorder, idle_s=parts.limits.stt_idle_s
        )
        self._ending: asyncio.Future[SessionEnd] = asyncio.get_running_loop().create_future()
        self._active_at = clock.now()
        self._away_since: float | None = None
        self._changed = asyncio.Event()
        self._leaving = asyncio.Event()
        self._asked_to_type = False
        self.ended = asyncio.Event()

    # The connection's side

    def attach(self, connection: WebSocketConnection, start: Start) -> None:
        """This connection carries the session from now on; one that did so before is closed."""
        if self._connection is not None:
            self._connection.outbox.close(CloseCode.REPLACED, "a newer connection took over")
        self._connection = connection
        self.capabilities = start.capabilities
        self._away_since = None
        self._connect_turns()
        self._touch()

    def detach(self, connection: WebSocketConnection) -> None:
        """The connection is gone; the session waits for the client to come back."""
        if self._connection is not connection:
            return
        self._connection = None
        now = clock.now()
        self._away_since = now
        if self._turns is not None:
            self._turns.disconnected(now)
        self._changed.set()

    def audio(self, pcm: bytes, at: float) -> None:
        """A frame of PCM s16le mono 16 kHz arrived at loop time `at`."""
        self._listener.feed(pcm, at)

    def message(self, message: ClientMessage, at: float) -> None:
        """A message arrived at loop time `at`. Raises ProtocolError when it makes no sense here."""
        match message:
            case Hangup():
                self.end(SessionEnd(SessionOutcome.COMPLETED))
            case Text(text=text, spoken=spoken):
                self._typed(text, spoken=spoken, at=at)
            case PlaybackReport():
                if self._turns is not None:
                    self._turns.playback(message, at)
            case Start():
                raise ProtocolError("started_twice", "start was sent before: send it once", CloseCode.BAD_MESSAGE)
            case _:
                return

    def drain(self) -> None:
        """Ends the session as soon as no turn runs; its client is told to connect elsewhere."""
        self._leaving.set()

    def end(self, ending: SessionEnd) -> None:
        """Ends the session; the first ending counts."""
        if not self._ending.done():
            self._ending.set_result(ending)

    # Its life

    async def run(self) -> None:
        """Lives until `end`; always leaves one `SessionEnded`. Never raises but for cancellation."""
        began = clock.now()
        structlog.contextvars.bind_contextvars(session_id=self.parts.info.session_id)  # on every line of its tasks
        self.parts.sink.handle(SessionStarted(self.parts.info))
        ending = SessionEnd(SessionOutcome.FAILED, CloseCode.INTERNAL)
        try:
            ending = await self._live()
        except Exception:
            log.exception("session failed", session_id=self.parts.info.session_id)
        finally:
            turns = self._turns
            count, slow = (turns.count, turns.slow) if turns else (0, 0)
            ended = SessionEnded(self.parts.info, ending.outcome, clock.now() - began, count, slow)
            self.parts.sink.handle(ended)
            self.ended.set()
            if self._connection is not None:
                self._connection.outbox.send(SessionEndMessage(reason=ending.outcome.value, turns=count))
                self._connection.outbox.close(ending.close_code, ending.outcome.value)

    async def _live(self) -> SessionEnd:
        async with asyncio.TaskGroup() as group:
            turns = self._turns = Turns(self.parts, group)
            self._recorder.disclosure = turns.disclosure
            self._connect_turns()
            background = [
                group.create_task(self._listener.run()),
                group.create_task(self._listen(turns)),
                group.create_task(self._watch()),
                group.create_task(self._watch_cost_cap(turns)),
                group.create_task(self._drain(turns)),
            ]
            ending = await self._ending
            await turns.finish(clock.now())
            for task in background:
                task.cancel()
        return ending

    async def _listen(self, turns: Turns) -> None:
        while True:
            event = await self._listener.events.get()
            now = clock.now()
            self._touch()
            match event:
                case VoiceStarted(began):
                    turns.voice(began, now)
                case VoiceStopped():
                    pass
                case Words(text, sure):
                    self._asked_to_type = False
                    if sure:
                        turns.words(now)
                    self._send_partial(text)
                case EndOfTurn(text, speech_ended, ready):
                    turns.begin(text, spoken=True, speech_ended=speech_ended, ready=ready)
                case RecogniserLost(error):
                    self._recogniser_lost(error)

    def _recogniser_lost(self, error: ProviderError) -> None:
        """No recogniser is left: the client listens itself where it can, else the caller is asked to type."""
        log.warning("recogniser lost", session_id=self.parts.info.session_id, kind=error.kind.value)
        if self._connection is None or self._asked_to_type:
            return
        self._asked_to_type = True
        if self.capabilities.browser_recogniser:
            self._connection.outbox.send(ListenBrowser(reason=error.kind.value))
            return
        text = "speech cannot be understood at the moment: type what you want to say"
        self._connection.outbox.send(Error(code="not_listening", message=text, fatal=False))

    async def _watch(self) -> None:
        """Ends the session when it idles, lasts too long, or its client does not come back."""
        limits = self.parts.limits
        latest = clock.now() + limits.session_s
        while True:
            now = clock.now()
            if self._turns is not None and self._turns.running:
                self._active_at = now
            deadlines = {SessionOutcome.TOO_LONG: latest, SessionOutcome.IDLE: self._active_at + limits.idle_s}
            if self._away_since is not None:
                deadlines[SessionOutcome.VANISHED] = self._away_since + limits.grace_s
            outcome = min(deadlines, key=lambda name: deadlines[name])
            if deadlines[outcome] <= now:
                self.end(SessionEnd(outcome))
                return
            self._changed.clear()
            try:
                async with asyncio.timeout_at(deadlines[outcome]):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _drain(self, turns: Turns) -> None:
        await self._leaving.wait()
        await turns.quiet()
        self.end(SessionEnd(SessionOutcome.DRAINED, CloseCode.GOING_AWAY))

    async def _watch_cost_cap(self, turns: Turns) -> None:
        await turns.capped.wait()
        self.end(SessionEnd(SessionOutcome.COST_CAP))

    def _typed(self, text: str, *, spoken: bool, at: float) -> None:
        said = text.strip()
        if not 0 < len(said) <= MAX_TEXT:
            reason = f"a text of {len(text)} characters: 1 to {MAX_TEXT} are taken"
            raise ProtocolError("bad_text", reason, CloseCode.BAD_MESSAGE)
        self._touch()
        if self._turns is None:
            return
        voiced = self._listener.last_voiced_at
        recent = spoken and voiced is not None and at - voiced < RECENT_VOICE_S
        self._turns.begin(said, spoken=spoken, speech_ended=voiced if recent and voiced else at, ready=at)

    def _connect_turns(self) -> None:
        if self._turns is not None and self._connection is not None:
            self._turns.connected(self._connection, self.capabilities)

    def _send_partial(self, text: str) -> None:
        if self._connection is not None:
            self._connection.outbox.send(TranscriptPartial(text=text))

    def _touch(self) -> None:
        self._active_at = clock.now()
