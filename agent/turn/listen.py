"""Listening: the caller's audio goes up to the recogniser, what was heard and when comes back.

One `CallerListener` per session. `feed` is called for every frame as it arrives; `run` keeps a recogniser stream open
while there is something to hear; `events` is what the session reads. A session that only types opens no stream, and a
stream that has heard no voice for a while is closed (recognisers bill silence) and opened again on the next voice, with
the audio just before it.

`speech_ended` is the arrival of the caller's last voiced sample, less what a bad line held it back (`audio_clock`): the
recogniser's end time of the last word where it gives one, mapped through the clock of that stream, else the last frame
that was voiced here. Word times count the audio sent on one `SpeechStream`; a chain that reconnects keeps counting.

When the caller's frames stop (a microphone that is off, a phone that sleeps) silence goes up in their place for some
seconds: recognisers move with the audio, and a turn that is open is to end. Then the stream is finished.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from agent.core import clock
from agent.core.audio import BYTES_PER_SECOND, bytes_for
from agent.core.calls import ErrorKind, ListeningNote, ProviderError, note
from agent.core.errors import leaves
from agent.providers.base import SendsAtOnce, SpeechStream, SpeechToText, SttEvent, SttEventKind
from agent.providers.output_check import speakable
from agent.turn import listen_rules as rules
from agent.turn.audio_clock import SampleClock
from agent.turn.dictation import USUAL_PATIENCE, Patience, goes_on
from agent.turn.likely_end import LikelyEnds
from agent.turn.listen_events import EndOfTurn, LikelyEndOfTurn, ListenEvent, ListenRecorder, RecogniserLost, Words
from agent.turn.reopening import wait_to_reopen
from agent.turn.vad import VoiceActivity, VoiceEvent, VoiceStopped
from agent.turn.voice_confirmation import ConfirmedOnsets, VoiceConfirmation
from agent.turn.wordless import WordlessVoice


class _Frame(NamedTuple):
    """Audio that arrived at loop time `at`; `voiced_s` of it are voiced."""

    pcm: bytes
    at: float
    voiced_s: float


class CallerListener:
    """Turns frames of PCM s16le mono 16 kHz into `ListenEvent`s."""

    def __init__(
        self,
        stt: SpeechToText,
        session: str,
        recorder: ListenRecorder,
        *,
        idle_s: float,
        patience: Patience = USUAL_PATIENCE,
        confirmation: VoiceConfirmation | None = None,
        reply_plays: Callable[[], bool] = bool,
        likely_after_s: float | None = None,
    ) -> None:
        """`confirmation` has a second look at onsets while `reply_plays`. Words that have stood for `likely_after_s`
        are judged whether they are probably all; None leaves that to the recogniser.
        """
        self._dictation_s = patience.dictation_s
        crowded = partial(note, recorder, ListeningNote.VOICE_UNCONFIRMED)
        self._onsets = None if confirmation is None else ConfirmedOnsets(confirmation, reply_plays, crowded)
        self._reply_plays = reply_plays
        self._wordless = WordlessVoice(lambda: note(recorder, ListeningNote.NO_WORDS))
        self._held: EndOfTurn | None = None  # the caller is in the middle of a number
        self._release: asyncio.TimerHandle | None = None
        self._stt = stt
        self._session = session
        self._recorder = recorder
        self._idle_s = idle_s
        self._activity = VoiceActivity()
        self._stream_clock = SampleClock(BYTES_PER_SECOND)
        self._pending: deque[_Frame] = deque()  # not sent up yet
        self._pending_bytes = 0
        self._wake = asyncio.Event()
        self._at_once: SendsAtOnce | None = None  # the stream, while the task has nothing to send
        self._sent_at = 0.0
        self._look: asyncio.TimerHandle | None = None
        self._open = False
        self._voice_stopped_at: float | None = None
        self._quiet_since: float | None = None
        self._heard_audio = False
        self._frame_at: float | None = None  # when the last frame of the caller came
        self._filled_until = 0.0
        self._line_clock = SampleClock(BYTES_PER_SECOND)
        self._voiced_end = 0.0  # place of the last voiced frame in the caller's audio, in seconds
        self._stopped_end: float | None = None  # the same when the last voice stopped
        self._failures = 0
        self._lost: ErrorKind | None = None
        self._sure = False
        self._likely = LikelyEnds(likely_after_s, lambda: self._activity.last_voiced_at, self._put)
        self.events: asyncio.Queue[ListenEvent] = asyncio.Queue(rules.MAX_EVENTS)

    @property
    def last_voiced_at(self) -> float | None:
        """Arrival of the last frame that was voiced here (loop time)."""
        return self._activity.last_voiced_at

    def feed(self, pcm: bytes, at: float) -> None:
        """Takes a frame that arrived at loop time `at`. Never waits."""
        first = not self._heard_audio or self._gone(at)
        self._heard_audio = True
        self._frame_at = at
        self._line_clock.add(len(pcm), at)
        self._take_in(pcm, at)
        if first and self._quiet_since is None:
            self._quiet_since = at
        if not self._open and (self._activity.speaking or first):
            self._wake.set()

    def _take_in(self, pcm: bytes, at: float) -> None:
        """Queues audio for the recogniser and looks for a voice in it."""
        voiced_before = self._activity.voiced_s
        events = self._activity.feed(pcm, at)
        self._pending.append(_Frame(pcm, at, self._activity.voiced_s - voiced_before))
        self._pending_bytes += len(pcm)
        if self._pending_bytes > rules.PRE_ROLL_BYTES:
            self._bound()
        if self._activity.last_voiced_at == at:
            self._voiced_end = self._line_clock.total / BYTES_PER_SECOND
        for event in events if self._onsets is None else self._onsets.confirmed(events, pcm):
            self._note_voice(event)
        if self._open and self._pending_bytes >= rules.COALESCE_VOICE:
            prompt = (
                self._activity.speaking or at - (self._voice_stopped_at or -rules.AFTER_VOICE_S) < rules.AFTER_VOICE_S
            )
            if self._pending_bytes >= (rules.COALESCE_VOICE if prompt else rules.COALESCE_SILENCE):
                self._send_up(at)

    def _send_up(self, now: float) -> None:
        """Sends what is pending, from here if that takes no wait: to wake the task costs more than to send."""
        if self._at_once is not None:
            audio, voiced_s = self._joined()
            if self._at_once.send_now(audio, voiced_s=voiced_s):
                self._left(now)
                return
        self._wake.set()

    def _fill(self, now: float) -> None:
        """Silence in the place of frames that have stopped coming."""
        if self._frame_at is None or now - self._frame_at < rules.STOPPED_S:
            return
        since = max(self._filled_until, self._frame_at)
        if since == self._frame_at:
            note(self._recorder, ListeningNote.FRAMES_STOPPED)
        self._filled_until = now
        self._take_in(bytes(bytes_for(min(now - since, rules.STOPPED_S))), now)

    def _gone(self, now: float) -> bool:
        return self._frame_at is not None and now - self._frame_at > rules.GONE_S

    async def run(self) -> None:
        """Keeps a stream open while there is something to hear. Runs until it is cancelled."""
        try:
            await self._keep_open()
        finally:
            self._wordless.close()
            if self._onsets is not None:
                self._onsets.close()
            if self._release is not None:
                self._release.cancel()
            self._likely.close()

    async def _keep_open(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._idle():
                continue  # only silence came while the stream was being closed for silence
            try:
                async with self._stt.open(self._session, self._recorder) as stream:
                    await self._use(stream)
            except ProviderError as error:
                if self._lost is not error.kind:
                    self._lost = error.kind
                    self._put(RecogniserLost(error))
                await wait_to_reopen(self._stt, self._failures)
                self._failures += 1
                self._wake.set()
            finally:
                self._open = False

    async def _use(self, stream: SpeechStream) -> None:
        self._stream_clock = SampleClock(BYTES_PER_SECOND)
        self._open = True
        try:
            async with asyncio.TaskGroup() as group:
                receiver = group.create_task(self._receive(stream))
                await self._send_until_idle(stream)
                await stream.finish()
                await receiver
        except* ProviderError as failed:
            raise next(leaves(failed)) from None

    async def _send_until_idle(self, stream: SpeechStream) -> None:
        at_once = stream if isinstance(stream, SendsAtOnce) else None
        self._sent_at = clock.now()
        self._look_again()
        try:
            while not self._idle():
                self._fill(clock.now())
                if self._pending:
                    audio, voiced_s = self._joined()
                    self._left(clock.now())
                    await stream.send(audio, voiced_s=voiced_s)
                self._wake.clear()
                self._at_once = at_once
                try:
                    await self._wake.wait()
                finally:
                    self._at_once = None
        finally:
            if self._look is not None:
                self._look.cancel()

    def _look_again(self) -> None:
        """Wakes the task where something is due that no frame brings about; one timer a call, however many frames."""
        now = clock.now()
        left_s = rules.FLUSH_S - (now - self._sent_at) if self._pending else rules.FLUSH_S
        due = left_s < rules.SOON_S
        if due or now - (self._frame_at or now) >= rules.STOPPED_S or self._idle():
            self._wake.set()
        self._look = asyncio.get_running_loop().call_later(rules.FLUSH_S if due else left_s, self._look_again)

    def _idle(self) -> bool:
        """Whether no frame came, or no voice was heard, for so long that the stream is not worth its price."""
        if self._gone(clock.now()):
            return True
        if self._activity.speaking or self._quiet_since is None:
            return False
        return clock.now() - self._quiet_since > self._idle_s

    def _joined(self) -> tuple[bytes, float]:
        """All pending audio, and how many seconds of it are voiced."""
        return b"".join([frame.pcm for frame in self._pending]), sum([frame.voiced_s for frame in self._pending])

    def _left(self, now: float) -> None:
        """What was pending leaves now, and is entered into the stream's clock."""
        for frame in self._pending:
            self._stream_clock.add(len(frame.pcm), frame.at)
        self._pending.clear()
        self._pending_bytes = 0
        self._sent_at = now

    async def _receive(self, stream: SpeechStream) -> None:
        async for heard in stream:
            self._note_heard(heard)

    def _note_heard(self, heard: SttEvent) -> None:
        self._failures, self._lost = 0, None
        self._sure = heard.kind is not SttEventKind.ENDED and (self._sure or heard.kind is SttEventKind.STARTED)
        text = heard.text.strip() if speakable(heard.text) else ""  # marks alone are no words
        if not text or heard.kind is SttEventKind.ENDED:
            self._likely.over()
        if not text:
            return
        self._wordless.words()
        if self._held is not None:
            text = f"{self._held.text} {text}"
        if heard.kind is not SttEventKind.ENDED:
            self._put(Words(text, self._sure))
            end = heard.end_s
            self._likely.heard(heard, text, None if end is None else self._stream_clock.arrival(end))
            return
        ready = clock.now()
        self._end(EndOfTurn(text, min(self._speech_ended(heard, ready), ready), ready))

    def _end(self, turn: EndOfTurn) -> None:
        """Tells the end of a turn; in the middle of a number only after some silence."""
        if self._release is not None:
            self._release.cancel()
        self._held = self._release = None
        if not goes_on(turn.text) or turn.ready_at - turn.speech_ended >= self._dictation_s:
            self._put(turn)
            return
        note(self._recorder, ListeningNote.HELD_FOR_DICTATION)
        self._held = turn
        self._arm(turn.speech_ended + self._dictation_s)

    def _arm(self, at: float) -> None:
        self._release = asyncio.get_running_loop().call_at(at, self._let_go)

    def _let_go(self) -> None:
        """Nothing more came. While the caller speaks again, or words of that may still come, it waits on."""
        now, held = clock.now(), self._held
        if held is None:
            return
        since_voice = 0.0 if self._activity.speaking else now - (self._activity.last_voiced_at or held.speech_ended)
        if since_voice < self._dictation_s and now - held.ready_at < rules.LONGEST_HOLD_S:
            self._arm(now + max(self._dictation_s - since_voice, rules.FLUSH_S))
            return
        self._held = self._release = None
        self._put(replace(held, ready_at=now))

    def _speech_ended(self, heard: SttEvent, now: float) -> float:
        end = heard.end_s
        arrived = self._stream_clock.arrival(end) if end is not None else None
        if arrived is not None:
            return arrived
        if self._activity.last_voiced_at is None:
            return now
        # when the caller already speaks again the turn ended at the voice before
        spoken = self._stopped_end if self._activity.speaking and self._stopped_end is not None else self._voiced_end
        arrived = self._line_clock.arrival(spoken)
        return now if arrived is None else arrived

    def _note_voice(self, event: VoiceEvent) -> None:
        if isinstance(event, VoiceStopped):
            self._voice_stopped_at = self._quiet_since = event.at
            self._stopped_end = self._voiced_end
        else:
            self._quiet_since = None
        self._wordless.voice(event, self._activity.voiced_s, reply_plays=self._reply_plays())
        self._put(event)

    def _bound(self) -> None:
        wanted = self._open or not self._idle()  # while a stream is being opened, speech waits for it
        limit = rules.MAX_PENDING if wanted else rules.PRE_ROLL_BYTES
        frames = 0
        while self._pending_bytes > limit:
            self._pending_bytes -= len(self._pending.popleft().pcm)
            frames += 1
        if frames and wanted:
            self._recorder.dropped(frames)

    def _put(self, event: ListenEvent) -> None:
        """Queues an event; partial words give way when the session does not keep up."""
        if self.events.full() and isinstance(event, Words | LikelyEndOfTurn):
            return
        if self.events.full():
            self.events.get_nowait()
        self.events.put_nowait(event)
