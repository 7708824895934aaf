"""Thinking: one prompt → the reply as speakable clauses, the first one as early as it can be said."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from agent import clock
from agent.providers.base import LanguageModel, Prompt
from agent.telemetry.timeline import Mark, Timeline
from agent.turn.clauses import Clause, speakable_clauses


async def think(
    llm: LanguageModel, session: str, prompt: Prompt, timeline: Timeline, preface: str | None = None
) -> AsyncGenerator[Clause]:
    """Streams the reply to a prompt, clause by clause, after `preface` where there is one.

    Raises ProviderError. Close it to stop the generation.
    """
    shift = 0
    if preface is not None:
        shift = 1
        yield Clause(0, f"{preface} ", preface)
    async with aclosing(_texts(llm, session, prompt, timeline)) as texts, aclosing(speakable_clauses(texts)) as clauses:
        async for clause in clauses:
            timeline.mark(Mark.FIRST_CLAUSE, clock.now())
            yield replace(clause, index=clause.index + shift) if shift else clause


async def _texts(llm: LanguageModel, session: str, prompt: Prompt, timeline: Timeline) -> AsyncGenerator[str]:
    async with aclosing(llm.reply(session, prompt, timeline)) as pieces:
        async for said in pieces:
            yield said.text
