"""Turn-taking: a turn begins when the caller has ended, and ends when it was played or the caller barges in.

At most one turn runs. The next one waits until the one before it is recorded, so that the conversation and the records
are in order.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Final

import structlog

from agent.core import clock
from agent.session.call_actions import SessionActions
from agent.session.commands import ReportPlayback
from agent.session.degradation import Disclosure
from agent.session.dependencies import Pipeline, SessionDependencies
from agent.session.early_reply import EarlyReplies
from agent.session.events import SessionEvent, TurnStarted
from agent.session.fixed_reply import FixedReply
from agent.session.model_request import ModelRequest, request_of, turn_of
from agent.session.overlap import Overlaps
from agent.session.reply import Reply
from agent.session.tool_use import ANSWERED, SessionTools, ToolUsingModel
from agent.session.transport import Capabilities, ClientTransport
from agent.session.turn_recorders import TurnRecorder
from agent.session.turn_reports import TurnReports
from agent.session.withdrawn import Withdrawn, declined
from agent.telemetry.events import GuessOutcome, PlaybackStarted
from agent.telemetry.stages import Mark
from agent.telemetry.timeline import Timeline, TurnOutcome, TurnRecord
from agent.turn.dictation import goes_on
from agent.turn.playback import Playback
from agent.turn.repeat import asks_again
from agent.turn.turn import Turn, excuse, play_recording, run_turn

log = structlog.get_logger()

LONGEST_GOODBYE_S: Final = 5.0  # a client that does not play it is not waited for


class Turns:
    """The turns of one session. Its methods are called on the event loop and never wait; turns run in `group`."""

    def __init__(self, parts: SessionDependencies, group: asyncio.TaskGroup) -> None:
        self._parts, self._group = parts, group
        self._client: ClientTransport | None = None
        self._capabilities = Capabilities()
        self._pipeline = parts.pipeline(self._capabilities)
        self._step_down_pipeline = parts.step_down_pipeline(self._capabilities)
        self._reply: Reply | None = None
        self._task: asyncio.Task[None] | None = None
        self.overlaps = Overlaps(parts, group, self._send)
        self._unsettled: tuple[Reply, bool] | None = None  # the last reply, and whether it was interrupted
        self.disclosure = Disclosure(parts.info.tier, parts.chains, self._send, speaks=parts.speak_degraded)
        self._reports = TurnReports(parts, group, self._send, self.disclosure)
        self._cut_off: str | None = parts.past.cut_off
        self._voice_at = 0.0  # arrival of the first sample of the latest voice
        self._withdrawn = Withdrawn(parts.memory.withdrawn())
        self._early = EarlyReplies(
            parts.info, parts.sink, group, parts.early_replies, parts.early_governor, parts.early_voice, parts.language
        )
        self._greeting = parts.greeting if parts.greets else None
        if self._cut_off is not None:
            parts.memory.answered("", interrupted=True)  # by the owner before: it is asked once more
        self._actions = SessionActions(self._send, parts.memory.keep)
        self._tools = SessionTools(parts, group, self._actions)
        self._over = False
        self.hung_up = asyncio.Event()
        """The agent has ended the call, and its goodbye was heard."""
        self.capped = asyncio.Event()
        self.count, self.slow = parts.past.turns, parts.past.slow

    def connected(self, client: ClientTransport, capabilities: Capabilities) -> None:
        """Replies go to this client from now on. What a lost connection had cut off is answered again."""
        self._client = client
        if capabilities != self._capabilities:
            self._capabilities = capabilities
            self._pipeline = self._parts.pipeline(capabilities)
            self._step_down_pipeline = self._parts.step_down_pipeline(capabilities)
        if self._cut_off is not None:
            text, self._cut_off = self._cut_off, None
            self._tools.asked_again()
            at = clock.now()
            self.begin(text, spoken=False, speech_ended=at, ready=at)
        elif self._greeting is not None:
            greeting, self._greeting = self._greeting, None
            self._begin("", 0, False, at := clock.now(), at, says=greeting)

    def disconnected(self, now: float) -> None:
        """The connection is lost: a reply that was still owed or playing is kept for the next one."""
        if self.running and self._reply is not None and self._reply.says is None:
            self._cut_off = self._reply.text
        self.interrupt(now, TurnOutcome.ABANDONED)
        self._early.drop(GuessOutcome.DROPPED)
        self._client = None

    async def quiet(self) -> None:
        """Waits until no turn runs and its metrics were sent."""
        while (busy := self._task if self.running else self._reports.last) is not None and not busy.done():
            await asyncio.wait({busy})

    @property
    def running(self) -> bool:
        """Whether a reply is owed or plays."""
        return self._task is not None and not self._task.done()

    def begin(self, text: str, *, spoken: bool, speech_ended: float, ready: float, farewell: bool = False) -> None:
        """The caller has said something: a turn begins. Times are loop times. A farewell is nobody's answer."""
        if self._over:
            return
        self.count += 1
        says = self._parts.hang_up if farewell else None
        self._begin(text, self.count, spoken, speech_ended, ready, says=says, farewell=farewell)

    def _begin(
        self,
        text: str,
        number: int,
        spoken: bool,
        speech_ended: float,
        ready: float,
        *,
        says: str | None = None,
        farewell: bool = False,
    ) -> None:
        if self.running:
            self.interrupt(ready, TurnOutcome.SUPERSEDED)
        timeline = Timeline(number, spoken, TurnRecorder(self._parts, number, self.disclosure))
        timeline.mark(Mark.SPEECH_ENDED, speech_ended)
        timeline.mark(Mark.TRANSCRIPT_READY, ready)
        timeline.asks_again = asks_again(text, self._parts.language)
        if text:
            self._send(TurnStarted(number, text, spoken))
        one_way = (self._network() or 0.0) / 2
        playback = Playback(reports=self._capabilities.playback_reports, one_way_s=one_way)
        reply = Reply(text, timeline, playback, self._client, says=says, farewell=farewell)
        if spoken and self._reply is not None and self.overlaps.echo_of(self._reply, text, ready):
            reply.echoes = True
            self.overlaps.answered_echo()
        self._task = self._group.create_task(self._turn(reply, self._task))
        self._reply = reply

    def likely_over(self, text: str, confidence: float | None = None) -> None:
        """The caller has probably ended with these words: the model may be asked before that is sure.

        `confidence` (0 to 1): how sure the recogniser is, where it says so.
        """
        spending = self._parts.spending
        if self.running or self._over or self._client is None or spending.capped or self._tools.awaits_yes:
            return  # a guess runs nothing, and what is asked next depends on a yes
        if self._early.enabled and not goes_on(text):
            if not self._early.asked_already(text):
                self._settle()
                request = self._request(text, heard=False)
                if request.choice.model in self._parts.early_models:
                    self._early.guess(text, request.llm, request.prompt, request.first)
            self._early.surer(confidence, self._means().tts)

    def resumed(self) -> None:
        """The caller was not done."""
        self._early.drop(GuessOutcome.RESUMED)

    def say_goodbye(self) -> None:
        """The session has spent what it may while nobody had a turn: it says so, and ends."""
        if self._client is None:
            self.capped.set()
            return
        at = clock.now()
        self.begin("", spoken=False, speech_ended=at, ready=at)

    async def hang_up(self) -> None:
        """The service ends the call: says goodbye to a client that is there; returns when that was heard, or soon."""
        if self._client is None or (self._parts.goodbye is None and self._parts.hang_up is None):
            return
        at = clock.now()
        self.begin("", spoken=False, speech_ended=at, ready=at, farewell=True)
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=LONGEST_GOODBYE_S)

    def audible(self, now: float) -> bool:
        """Whether a reply plays."""
        return self.running and self._reply is not None and self._reply.playback.playing(now)

    def voice(self, began: float, now: float) -> None:
        """Somebody is heard. While a reply plays it is held until it is known what that was."""
        self._voice_at = began
        if self._reply is not None and self.audible(now):
            self.overlaps.voice(self._reply, began, now)

    def words(self, text: str, now: float) -> None:
        """The caller says words: whatever is being replied is over, unless they do not ask for the turn."""
        self._early.heard(self.overlaps.own_words(text))
        if not self.running:
            return
        if self._reply is None or not self.audible(now) or self.overlaps.words(self._reply, text, now):
            self.interrupt(now, TurnOutcome.SUPERSEDED)

    def overheard(self, text: str, now: float) -> bool:
        """Whether what the caller has said, and ended, is no turn: an "uh-huh" over a reply, or its echo."""
        return self._reply is not None and self.overlaps.overheard(self._reply, text, now)

    def interrupt(self, now: float, unbegun: TurnOutcome) -> None:
        """Stops the running turn: `interrupted` when its reply had begun, else `unbegun`."""
        reply, task = self._reply, self._task
        self.overlaps.drop()
        if reply is None or task is None or task.done() or reply.cancelled_as is not None:
            return
        reply.cancelled_as = TurnOutcome.INTERRUPTED if reply.playback.answered else unbegun
        if reply.playback.answered and unbegun is TurnOutcome.SUPERSEDED:
            ready = reply.timeline.marks[Mark.TRANSCRIPT_READY]
            began = self._voice_at if self._voice_at >= ready else now  # without an onset of its own
            reply.timeline.interrupted(began, self._network() or 0.0)
        if reply.playback.begun:
            reply.clear(now)
        if reply.running:  # a task that is cancelled before its first step would record no turn
            task.cancel()

    def playback(self, report: ReportPlayback, at: float) -> None:
        """The client reports what it has played; a report of an older reply only corrects what was heard of it."""
        reply = self._reply
        if reply is None or report.turn != reply.turn or not reply.playback.begun:
            return
        reply.report(report, at)
        if report.state == "started" and report.ear_s is not None and reply.timeline.spoken:
            self._note_ear(reply, report.ear_s)

    async def finish(self, now: float) -> None:
        """The session ends: stops what runs and waits until it is recorded. No turn begins meanwhile or later."""
        self._over = True
        self.interrupt(now, TurnOutcome.ABANDONED)
        self._early.drop(GuessOutcome.DROPPED)
        if self._task is not None:
            await asyncio.wait({self._task})
        self._settle()
        self._reports.stop()

    async def _turn(self, reply: Reply, before: asyncio.Task[None] | None) -> None:
        structlog.contextvars.bind_contextvars(turn=reply.turn, trace_id=reply.timeline.trace_id)
        reply.running = True
        try:
            if before is not None and not before.done():
                await asyncio.wait({before})
            outcome = reply.cancelled_as or await self._answered(reply)
        except asyncio.CancelledError:
            if reply.cancelled_as is None:  # not barge-in: the whole session is being torn down
                self._reports.record(self._finished(reply, TurnOutcome.ABANDONED), reply.playback.gap_s)
                raise
            outcome = reply.cancelled_as
        self.overlaps.drop()
        self._unsettled = (reply, outcome is TurnOutcome.INTERRUPTED)
        reply.over_at = clock.now()
        if reply.cancelled_as is None:  # it was heard to its end: stored with its turn, it outlives this process
            self._settle()
        self._tools.turn_over(reply.turn, outcome)
        if self._actions.ending and outcome in ANSWERED:
            self.hung_up.set()
        self._actions.ending = False  # who speaks over a goodbye stays
        record = self._finished(reply, TurnOutcome.ECHO if reply.echoes else outcome)
        self._reports.record(record, reply.playback.gap_s)
        if self._parts.log_transcripts:
            log.info("transcript", caller=reply.text, agent=reply.playback.heard(clock.now()))
        self._reports.finished(record)

    async def _answered(self, reply: Reply) -> TurnOutcome:
        try:
            return await self._answer(reply)
        except Exception:
            log.exception("turn failed", session_id=self._parts.info.session_id, turn=reply.turn)
            await excuse(reply, reply.playback, self._parts.apologies)
            return TurnOutcome.FAILED if reply.timeline.spoken else TurnOutcome.TYPED_FAILED

    async def _answer(self, reply: Reply) -> TurnOutcome:
        parts, memory, timeline = self._parts, self._parts.memory, reply.timeline
        self._settle()
        if reply.text:
            memory.heard(reply.text)
            self._tools.caller_said(reply.text)
        request = self._request(reply.text, heard=True)
        turn = turn_of(parts, request, reply, self.disclosure.notice())
        if reply.farewell or parts.spending.capped or not reply.text:
            self._early.drop(GuessOutcome.DROPPED)  # nobody will be answered
        if reply.says is not None and not parts.spending.capped:
            return await self._say_fixed(turn, reply)
        if reply.farewell and parts.goodbye is not None:
            await play_recording(turn, parts.goodbye)
            return TurnOutcome.GOODBYE
        if parts.spending.capped or not reply.text:
            try:
                await play_recording(turn, parts.cost_cap)
            finally:
                self.capped.set()  # also when the caller speaks over the goodbye
            return TurnOutcome.CAPPED
        timeline.model, timeline.rule = request.choice.model, request.choice.rule
        timeline.model_ids, timeline.context_tokens = request.model_ids, request.tokens
        llm = self._early.take(timeline.marks[Mark.TRANSCRIPT_READY], request.llm, request.prompt, timeline)
        try:
            using = ToolUsingModel(llm, request.llm, self._tools, timeline) if parts.tools.tools else llm
            return await run_turn(replace(turn, llm=using, tts=self._early.prepared(turn.tts)))
        finally:
            await self._early.release()
            if declined(timeline.calls):
                self._withdrawn.add(reply.text)
                memory.withdraw()

    async def _say_fixed(self, turn: Turn, reply: Reply) -> TurnOutcome:
        outcome = await run_turn(replace(turn, llm=FixedReply(reply.says or ""), filler=None))
        if outcome is not TurnOutcome.TYPED:
            return outcome
        return TurnOutcome.GOODBYE if reply.farewell else TurnOutcome.GREETING

    def _request(self, text: str, *, heard: bool) -> ModelRequest:
        request = request_of(self._parts, self._means(), self._withdrawn, text, heard=heard)
        return replace(request, prompt=self._tools.dress(request.prompt))

    def _means(self) -> Pipeline:
        return self._step_down_pipeline if self._parts.spending.step_down else self._pipeline

    def _settle(self) -> None:
        """Keeps in memory what was heard of the last reply, as late as possible: reports may still come."""
        if self._unsettled is not None:
            reply, interrupted = self._unsettled
            self._unsettled = None
            heard = reply.playback.heard(clock.now())
            self._tools.heard(heard)
            self._parts.memory.answered(heard, interrupted=interrupted, acknowledged=reply.acknowledged)

    def _finished(self, reply: Reply, outcome: TurnOutcome) -> TurnRecord:
        latency = self._parts.budgets.latency
        record = reply.timeline.finish(outcome, ended_at=clock.now(), network_s=self._network(), budgets=latency)
        self.slow += record.slow
        return record

    def _note_ear(self, reply: Reply, ear_s: float) -> None:
        marks, network = reply.timeline.marks, self._network()
        sent = marks.get(Mark.AUDIO_SENT)
        if reply.ear_s is None and sent is not None and 0 <= ear_s < 60:
            reply.ear_s = ear_s
            server = sent - marks[Mark.SPEECH_ENDED] + (network or 0.0)
            self._parts.sink.handle(PlaybackStarted(self._parts.info, reply.turn, ear_s, server))

    def _network(self) -> float | None:
        return self._client.round_trip_s if self._client else None

    def _send(self, event: SessionEvent) -> None:
        if self._client is not None:
            self._client.send(event)
