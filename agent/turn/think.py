"""Thinking: one prompt → the reply as speakable clauses, the first one as early as it can be said.

The model is read as fast as it writes, not as fast as its reply is spoken: its connection and its slot are free again
after a second or two, and what a reply has cost is known and not estimated when the caller barges in later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from typing import Final

from agent.core import clock
from agent.providers.base import LanguageModel, Prompt, TextDelta
from agent.providers.output_check import speakable
from agent.telemetry.timeline import Timeline
from agent.turn.clauses import USUAL_FIRST_WORDS, Clause, FirstWords, speakable_clauses

CLAUSES_AHEAD: Final = 64  # more than the longest reply has


async def think(
    llm: LanguageModel,
    session: str,
    prompt: Prompt,
    timeline: Timeline,
    preface: str | None = None,
    *,
    language: str = "en",
    first: FirstWords = USUAL_FIRST_WORDS,
) -> AsyncGenerator[Clause]:
    """Streams the reply to a prompt, clause by clause, after `preface` where there is one.

    Numbers, money and times become words of `language` (ISO 639-1). `first` says how hastily it begins.

    Raises ProviderError. Close it to stop the generation.
    """
    ready: asyncio.Queue[Clause | None] = asyncio.Queue(CLAUSES_AHEAD)
    clauses = speakable_clauses(_noted(llm.reply(session, prompt, timeline), timeline), language, first)
    writer = asyncio.create_task(_write(clauses, timeline, ready))
    shift = 0 if preface is None else 1
    timeline.clauses += shift
    try:
        if preface is not None:
            yield Clause(0, f"{preface} ", preface)
        while (clause := await ready.get()) is not None:
            yield replace(clause, index=clause.index + shift) if shift else clause
        await writer  # raises what the model raised
    finally:
        writer.cancel()
        await asyncio.wait({writer})
        if not writer.cancelled():
            writer.exception()  # seen above, or of no interest: nobody listens any more


async def _noted(deltas: AsyncGenerator[TextDelta], timeline: Timeline) -> AsyncGenerator[TextDelta]:
    """The same, and the timeline knows when the first text came."""
    async with aclosing(deltas) as reply:
        async for delta in reply:
            if timeline.first_text_at is None and speakable(delta.text):
                timeline.text_written(clock.now())
            yield delta


async def _write(written: AsyncGenerator[Clause], timeline: Timeline, ready: asyncio.Queue[Clause | None]) -> None:
    """Puts the clauses as they are written, and None at the end, whatever it is."""
    try:
        async with aclosing(written) as clauses:
            async for clause in clauses:
                timeline.clause_written(clock.now(), clause.cut)
                await ready.put(clause)
    finally:
        if ready.full():
            ready.get_nowait()
        ready.put_nowait(None)
