"""One voice session: it listens, takes turns, and ends with one outcome and no task left.

A session outlives its connection: when that drops it waits for the client to come back for a grace time. `run` is
its life; the listener is one task in its group, and each turn is another.
"""

from __future__ import annotations

import asyncio

import structlog

from agent.core import clock
from agent.core.calls import Call, Fallback, ListeningNote, ProviderError
from agent.providers.output_check import has_words
from agent.session.commands import MAX_TEXT, CommandError, EndCall, ReportPlayback, SayText, SessionCommand
from agent.session.degradation import Disclosure
from agent.session.dependencies import SessionDependencies
from agent.session.events import (
    EndingSoon,
    ListeningRequested,
    SessionClosed,
    SessionEvent,
    TranscriptUpdated,
    TypingRequested,
    WordsMissed,
)
from agent.session.transport import Capabilities, ClientTransport, CloseReason
from agent.session.turn_taking import Turns
from agent.telemetry.events import (
    CallFinished,
    Cause,
    FellBack,
    InputDropped,
    ListeningNoted,
    QueueDropped,
    SessionEnded,
    SessionOutcome,
    SessionStarted,
    TurnRecognised,
)
from agent.turn.listen import CallerListener
from agent.turn.listen_events import EndOfTurn, LikelyEndOfTurn, RecogniserLost, TurnResumed, Words
from agent.turn.vad import VoiceStarted, VoiceStopped

log = structlog.get_logger()

CAP_EVERY_S = 1.0  # how often a session looks at what it has spent
SAYS_GOODBYE = frozenset({SessionOutcome.IDLE, SessionOutcome.TOO_LONG})
"""Ends of the service's own making at which a goodbye is said.

The cost cap has a sentence of its own, and a client of a server that drains goes on elsewhere: nobody leaves.
"""
RECENT_VOICE_S = 5.0  # a text that the client's recogniser heard belongs to a voice of the last seconds


class _SessionRecorder:
    """Recogniser streams belong to the session, not to a turn."""

    def __init__(self, parts: SessionDependencies) -> None:
        self._parts = parts
        self.disclosure: Disclosure | None = None

    def dropped(self, frames: int) -> None:
        self._parts.sink.handle(QueueDropped("listen", frames))

    def noted(self, note: ListeningNote) -> None:
        self._parts.sink.handle(ListeningNoted(self._parts.info, note))

    def recognised(self, provider: str, confidence: float) -> None:
        self._parts.sink.handle(TurnRecognised(self._parts.info, provider, confidence))

    def fell_back(self, fallback: Fallback) -> None:
        self._parts.sink.handle(FellBack(self._parts.info, fallback))
        if self.disclosure is not None:
            self.disclosure.fell_back(fallback)

    def record(self, call: Call) -> None:
        failed = call.outcome not in ("ok", "cancelled")
        cause = Cause.RETRY if failed else Cause.SERVED
        self._parts.sink.handle(CallFinished(self._parts.info, None, call, cause))


class Session:
    """Made for the first connection, run in the registry's task group, attached to one connection at a time."""

    def __init__(self, parts: SessionDependencies) -> None:
        self.parts = parts
        self.capabilities = Capabilities()
        self._client: ClientTransport | None = None
        self._turns: Turns | None = None
        self._recorder = _SessionRecorder(parts)
        self._listener = CallerListener(
            parts.stt,
            parts.info.session_id,
            self._recorder,
            idle_s=parts.limits.stt_idle_s,
            patience=parts.patience,
            confirmation=parts.confirmation(),
            reply_plays=self._reply_plays,
            likely_after_s=parts.likely_after_s,
        )
        self._ending: asyncio.Future[SessionOutcome] = asyncio.get_running_loop().create_future()
        self._active_at = clock.now()
        self._away_since: float | None = None
        self._changed = asyncio.Event()
        self._leaving = asyncio.Event()
        self._asked_to_type = False
        self._client_listens = False
        self.started = asyncio.Event()
        """It takes commands from now on; it may have ended again."""
        self.ended = asyncio.Event()

    # The client's side

    def attach(self, client: ClientTransport, capabilities: Capabilities) -> None:
        """This connection carries the session from now on; one that did so before is closed."""
        if self._client is not None:
            self._client.close(CloseReason.TAKEN_OVER)
        self._client = client
        self.capabilities = capabilities
        self._away_since = None
        self._connect_turns()
        if self.parts.ears_simulated and capabilities.browser_recogniser and not self._client_listens:
            self._client_listens = True
            self._send(ListeningRequested("simulated"))
        self._touch()

    def detach(self, client: ClientTransport) -> None:
        """The connection is gone; the session waits for the client to come back."""
        if self._client is not client:
            return
        self._client = None
        now = clock.now()
        self._away_since = now
        if self._turns is not None:
            self._turns.disconnected(now)
        self._changed.set()

    def audio(self, pcm: bytes, at: float) -> None:
        """A frame of PCM s16le mono 16 kHz arrived at loop time `at`."""
        self._listener.feed(pcm, at)

    def handle(self, command: SessionCommand, at: float) -> None:
        """Does what the client asked at loop time `at`. Raises CommandError when it makes no sense."""
        match command:
            case EndCall():
                self.end(SessionOutcome.COMPLETED)
            case SayText(text, spoken):
                self._say(text, spoken=spoken, at=at)
            case ReportPlayback():
                if self._turns is not None:
                    self._turns.playback(command, at)

    def drain(self) -> None:
        """Ends the session as soon as no turn runs; its client is told to connect elsewhere."""
        self._leaving.set()

    def end(self, outcome: SessionOutcome) -> None:
        """Ends the session; the first outcome counts."""
        if not self._ending.done():
            self._ending.set_result(outcome)

    # Its life

    async def run(self) -> None:
        """Lives until `end`; always leaves one `SessionEnded`. Never raises but for cancellation."""
        began = clock.now()
        structlog.contextvars.bind_contextvars(session_id=self.parts.info.session_id)  # on every line of its tasks
        self.parts.sink.handle(SessionStarted(self.parts.info))
        outcome = SessionOutcome.FAILED
        try:
            outcome = await self._live()
        except Exception:
            log.exception("session failed", session_id=self.parts.info.session_id)
        finally:
            turns, spent = self._turns, self.parts.spending
            count, slow = (turns.count, turns.slow) if turns else (0, 0)
            ended = SessionEnded(
                self.parts.info, outcome, clock.now() - began, count, slow, spent.usd, dict(spent.by_service)
            )
            self.parts.sink.handle(ended)
            if outcome is SessionOutcome.DRAINED:  # whoever goes on with it should find all of it
                await self.parts.ledger.turn_committed(self.parts.info.session_id, count)
            self.started.set()
            self.ended.set()
            if self._client is not None:
                self._client.send(SessionClosed(outcome, count))
                self._client.close(CloseReason(outcome.value))

    async def _live(self) -> SessionOutcome:
        async with asyncio.TaskGroup() as group:
            turns = self._turns = Turns(self.parts, group)
            self._recorder.disclosure = turns.disclosure
            self._connect_turns()
            self.started.set()
            background = [
                group.create_task(self._listener.run()),
                group.create_task(self._listen(turns)),
                group.create_task(self._watch()),
                group.create_task(self._watch_cost_cap(turns)),
                group.create_task(self._drain(turns)),
                group.create_task(self._end_with(turns)),
            ]
            outcome = await self._ending
            if outcome in SAYS_GOODBYE:
                await turns.hang_up()
            await turns.finish(clock.now())
            for task in background:
                task.cancel()
        return outcome

    async def _listen(self, turns: Turns) -> None:
        while True:
            event = await self._listener.events.get()
            now = clock.now()
            self._touch()
            match event:
                case VoiceStarted(began):
                    self.parts.warm()
                    turns.voice(began, now)
                case VoiceStopped():
                    pass
                case Words(text, sure):
                    self._asked_to_type = False
                    self._client_listens = self._client_listens and self.parts.ears_simulated
                    if sure:
                        turns.words(text, now)
                    self._send(TranscriptUpdated(turns.overlaps.own_words(text)))
                case LikelyEndOfTurn(text, confidence):
                    turns.likely_over(turns.overlaps.own_words(text), confidence)
                case TurnResumed():
                    turns.resumed()
                case EndOfTurn(text, speech_ended, ready):
                    if not turns.overheard(text, now):
                        said = turns.overlaps.last_words(text)
                        turns.begin(said, spoken=True, speech_ended=speech_ended, ready=ready)
                case RecogniserLost(error):
                    self._recogniser_lost(error)

    def _recogniser_lost(self, error: ProviderError) -> None:
        """No recogniser is left: the client listens itself where it can, else the caller is asked to type."""
        log.warning("recogniser lost", session_id=self.parts.info.session_id, kind=error.kind.value)
        if self._client is None or self._asked_to_type:
            return
        self._asked_to_type = True
        listens = self._client_listens = self.capabilities.browser_recogniser
        self._send(ListeningRequested(error.kind.value) if listens else TypingRequested())

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
                self.end(outcome)
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
        self.end(SessionOutcome.DRAINED)

    async def _end_with(self, turns: Turns) -> None:
        """The agent has said goodbye."""
        await turns.hung_up.wait()
        self.end(SessionOutcome.COMPLETED)

    async def _watch_cost_cap(self, turns: Turns) -> None:
        """Reads what was spent on a timer, too: listening costs money while nobody has a turn."""
        spent, warned = self.parts.spending, False
        while not turns.capped.is_set():
            if spent.nearly_capped and not warned:
                warned = True
                self._send(EndingSoon(spent.limit_usd))
            if spent.capped and not turns.running:
                turns.say_goodbye()
            try:
                async with asyncio.timeout(CAP_EVERY_S):
                    await turns.capped.wait()
            except TimeoutError:
                continue
        self.end(SessionOutcome.COST_CAP)

    def _say(self, text: str, *, spoken: bool, at: float) -> None:
        said = text.strip()
        if not 0 < len(said) <= MAX_TEXT:
            reason = f"a text of {len(text)} characters: 1 to {MAX_TEXT} are taken"
            raise CommandError("bad_text", reason)
        self._touch()
        if self._turns is None or self._ending.done():  # the client still has it: nothing has told that it was taken
            self.parts.sink.handle(InputDropped("text_after_end"))
            return
        if not has_words(said):
            if not spoken:
                self._send(WordsMissed())
            return
        voiced = self._listener.last_voiced_at
        recent = voiced is not None and at - voiced < RECENT_VOICE_S
        # A client may say that a text was spoken; it counts where a voice was heard here, or the client was asked to
        # listen: else anybody could type turns into the figures that decide.
        counts = spoken and (recent or self._client_listens)
        # How long its recogniser took is its claim, too: it counts up to what that stage may take.
        heard = voiced if counts and recent and voiced is not None else at
        ended = max(heard, at - self.parts.budgets.latency.seconds()["stt"])
        self._turns.begin(said, spoken=counts, speech_ended=ended, ready=at)

    def _reply_plays(self) -> bool:
        return self._turns is not None and self._turns.audible(clock.now())

    def _connect_turns(self) -> None:
        if self._turns is not None and self._client is not None and not self._ending.done():
            self._turns.connected(self._client, self.capabilities)

    def _send(self, event: SessionEvent) -> None:
        if self._client is not None:
            self._client.send(event)

    def _touch(self) -> None:
        self._active_at = clock.now()
