"""One turn, read top to bottom: what the caller said → think → speak → the caller.

A turn is one task. Barge-in cancels that task: the generators close, which stops the generation and the synthesis, and
their provider calls report what they had used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from agent.core import clock
from agent.core.audio import bytes_for, duration_s
from agent.core.calls import CUT_REPLIES, ErrorKind, ProviderError
from agent.providers.base import Audio, ClientSpeech, LanguageModel, Prompt, TextToSpeech
from agent.telemetry.stages import Mark
from agent.telemetry.timeline import Timeline, TurnOutcome
from agent.turn.clauses import USUAL_FIRST_WORDS, Clause, FirstWords
from agent.turn.playback import Playback, seconds_by_browser
from agent.turn.speak import ClauseBegins, speak
from agent.turn.think import think

CLIP_FRAME = bytes_for(0.1)  # a recorded clip is sent in pieces of this size


class ReplyListener(Protocol):
    """Where a reply goes: the session's side of a turn."""

    def clause(self, clause: Clause) -> None:
        """The next audio says this clause."""
        ...

    async def audio(self, pcm: bytes) -> None:
        """Sends PCM s16le mono 16 kHz; the first piece of a reply returns when it was written to the socket."""
        ...

    async def filler(self, text: str, pcm: bytes) -> None:
        """Sends a piece of what says no more than that a reply will come."""
        ...

    def speak_yourself(self, clause: Clause) -> None:
        """Asks the client to speak a clause."""
        ...

    def complete(self) -> None:
        """The reply has no more audio."""
        ...


@dataclass(frozen=True, slots=True)
class Recording:
    """A fixed sentence: its text and PCM s16le mono 16 kHz."""

    text: str
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Filler:
    """Said once when nothing of a spoken turn's reply was heard `after_s` seconds after its transcript."""

    recording: Recording
    after_s: float


class Apologies(Protocol):
    """What a session says when it cannot reply."""

    def next_for(self, error: ProviderError) -> Recording:
        """The sentence that says what is wrong. A session hears each long one once."""
        ...


@dataclass(frozen=True, slots=True)
class Turn:
    """Everything one turn needs."""

    session: str
    prompt: Prompt
    llm: LanguageModel
    tts: TextToSpeech
    apologies: Apologies
    caller: ReplyListener
    playback: Playback
    timeline: Timeline
    preface: str | None = None  # said before the reply
    language: str = "en"
    filler: Filler | None = None
    first: FirstWords = USUAL_FIRST_WORDS
    """How hastily the reply begins."""
    sending: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while audio goes out: nothing comes between the pieces of a filler."""


async def run_turn(turn: Turn) -> TurnOutcome:
    """Replies to one utterance; returns when the reply was played. Never raises ProviderError."""
    async with _filling(turn):
        try:
            await _reply(turn)
            outcome = _replied(turn.timeline)
        except ProviderError as error:
            outcome = await _apologise(turn, error)
    turn.caller.complete()
    await turn.playback.finished()
    return outcome


@asynccontextmanager
async def _filling(turn: Turn) -> AsyncGenerator[None]:
    """Says "one moment" while the block runs, where a spoken turn waits too long for its reply."""
    waiting = asyncio.create_task(_one_moment(turn))
    try:
        yield
    finally:
        waiting.cancel()
        await asyncio.wait({waiting})


async def _one_moment(turn: Turn) -> None:
    ready = turn.timeline.marks.get(Mark.TRANSCRIPT_READY)
    if turn.filler is None or ready is None or not turn.timeline.spoken:
        return
    await asyncio.sleep(ready + turn.filler.after_s - clock.now())
    recording, began, sent = turn.filler.recording, clock.now(), 0
    while sent < len(recording.pcm):  # as fast as it plays, so that the reply waits for no more than a piece of it
        piece = recording.pcm[sent : sent + CLIP_FRAME]
        async with turn.sending:
            if turn.playback.answered or (not sent and turn.playback.begun):
                return
            await turn.caller.filler(recording.text, piece)
            turn.timeline.filled(duration_s(len(piece)), clock.now())
        sent += len(piece)
        await asyncio.sleep(max(0.0, began + duration_s(sent - CLIP_FRAME) - clock.now()))


def _replied(timeline: Timeline) -> TurnOutcome:
    """A reply that its model broke off at a limit is no whole reply."""
    if any(call.outcome == "ok" and call.stopped in CUT_REPLIES for call in timeline.calls):
        return TurnOutcome.CUT_SHORT if timeline.spoken else TurnOutcome.TYPED_FAILED
    return TurnOutcome.REPLIED if timeline.spoken else TurnOutcome.TYPED


def _thought(turn: Turn) -> AsyncGenerator[Clause]:
    return think(
        turn.llm, turn.session, turn.prompt, turn.timeline, turn.preface, language=turn.language, first=turn.first
    )


async def _reply(turn: Turn) -> None:
    clause: Clause | None = None
    async with (
        aclosing(_thought(turn)) as clauses,
        aclosing(speak(clauses, turn.tts, turn.session, turn.playback, turn.timeline)) as speech,
    ):
        try:
            async for piece in speech:
                match piece:
                    case ClauseBegins(clause):
                        turn.caller.clause(clause)
                    case Audio(pcm, source):
                        await _send(turn, pcm, source, clause.index if clause is not None else 0)
                    case ClientSpeech():
                        if clause is not None:
                            turn.caller.speak_yourself(clause)
                            seconds = seconds_by_browser(clause.spoken)
                            turn.timeline.sounded("browser", seconds)
                            turn.timeline.reply_sent(clause.index, seconds, clock.now())
        except ProviderError as error:
            if error.service == "tts":
                turn.playback.broke_off()
                async for unspoken in clauses:  # nobody can speak, but there is something to be read
                    turn.caller.clause(unspoken)
            raise


async def _send(turn: Turn, pcm: bytes, source: str, clause: int) -> None:
    async with turn.sending:
        await turn.caller.audio(pcm)
    turn.timeline.sounded(source, duration_s(len(pcm)))
    turn.timeline.reply_sent(clause, duration_s(len(pcm)), clock.now())


async def _apologise(turn: Turn, error: ProviderError) -> TurnOutcome:
    """Plays the recorded sentence that says what is wrong when nothing of the reply was heard.

    Says nothing more when some of it was, unless the model broke off because it will not go on.
    """
    begun = turn.playback.answered and not turn.timeline.only_led_in
    if not begun or error.kind is ErrorKind.DECLINED:
        await _play(turn, turn.apologies.next_for(error))
    if begun:
        return TurnOutcome.CUT_SHORT if turn.timeline.spoken else TurnOutcome.TYPED_FAILED
    return TurnOutcome.APOLOGY if turn.timeline.spoken else TurnOutcome.TYPED_FAILED


async def play_recording(turn: Turn, recording: Recording) -> None:
    """Plays a recorded sentence as the whole reply; returns when it was played."""
    await _play(turn, recording)
    turn.caller.complete()
    await turn.playback.finished()


async def excuse(caller: ReplyListener, playback: Playback, apologies: Apologies) -> None:
    """Says that there is no answer where something of ours broke, whatever it was; nothing where a reply has begun."""
    with suppress(Exception):  # what broke may break this, too
        if not playback.answered:
            recording = apologies.next_for(ProviderError("agent", ErrorKind.REFUSED))
            caller.clause(Clause(0, recording.text, recording.text))
            for start in range(0, len(recording.pcm), CLIP_FRAME):
                await caller.audio(recording.pcm[start : start + CLIP_FRAME])
    caller.complete()
    await playback.finished()


async def _play(turn: Turn, recording: Recording) -> None:
    index = turn.timeline.clauses
    turn.caller.clause(Clause(index, recording.text, recording.text))
    for start in range(0, len(recording.pcm), CLIP_FRAME):
        await _send(turn, recording.pcm[start : start + CLIP_FRAME], "recorded", index)
