"""Speaking: clauses → audio, in order, never more than one clause ahead of what is being played.

Speech that nobody hears is paid for all the same, so the next clause is asked for while the one before it plays, not
earlier. What follows on a recorded opening is asked for with it: the opening costs nothing, and is soon over.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass

from agent.core import clock
from agent.providers.base import Audio, ClientSpeech, TextToSpeech
from agent.telemetry.timeline import Timeline
from agent.turn.clauses import Clause, ClauseCut
from agent.turn.playback import Playback


@dataclass(frozen=True, slots=True)
class ClauseBegins:
    """The audio that follows says this clause."""

    clause: Clause


Speech = ClauseBegins | Audio | ClientSpeech


async def speak(
    clauses: AsyncIterator[Clause], tts: TextToSpeech, session: str, playback: Playback, timeline: Timeline
) -> AsyncGenerator[Speech]:
    """Streams the speech of each clause. `playback` tells what is being played. Raises ProviderError."""
    spoken, soon_over = 0, False
    async for clause in clauses:
        if spoken >= 1 and not soon_over:
            await playback.reached(playback.clause_start(spoken - 1))
        yield ClauseBegins(clause)
        spoken, soon_over = spoken + 1, clause.cut is ClauseCut.OPENING
        async with aclosing(tts.speak(session, clause.spoken, timeline)) as sound:
            async for piece in sound:
                timeline.clause_sounds(clause.index, clock.now())
                yield piece
