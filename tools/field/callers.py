"""Scripted callers of the field, and the faults they meet, in the words of the case tables."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from tests.support.stack import clip
from tools.field.case import Rules, Scene, Script
from voice_sandbox.faults import FaultKind, FaultRule

QUESTION: Final = "what rooms do you have"
HARD: Final = (
    "I would like to know in detail which of your rooms are free on Friday afternoon, what each of them has, "
    "and what it would cost us to book the largest one."
)
PATIENCE_S: Final = 12.0


def no_fault(_session: str) -> list[FaultRule]:
    """Nothing goes wrong at a provider."""
    return []


def fault(provider: str, kind: FaultKind, *, everybody: bool = False, **options: Any) -> Rules:
    """One fault of a provider, for the caller of the case alone unless it is everybody's."""
    return faults((provider, kind, options), everybody=everybody)


def faults(*each: tuple[str, FaultKind, dict[str, Any]], everybody: bool = False) -> Rules:
    """Several faults at once, as (provider, kind, options of the rule)."""

    def rules(session: str) -> list[FaultRule]:
        whose = None if everybody else session
        return [FaultRule(provider=name, kind=kind, session=whose, **options) for name, kind, options in each]

    return rules


def types(*texts: str) -> Script:
    """Types these texts one after the other; the faults are there from the start. The last answer is the one judged."""

    async def script(scene: Scene) -> None:
        scene.inject()
        for number, text in enumerate(texts):
            if number:
                scene.line.fresh()
            await _ask(scene, text)

    return script


def types_before_and_in(before: str, text: str) -> Script:
    """Types one text while all is well, then another under the faults."""

    async def script(scene: Scene) -> None:
        await _ask(scene, before)
        scene.line.fresh()
        scene.inject()
        await _ask(scene, text)

    return script


def speaks(name: str = "room_01", quiet_s: float = 6.0) -> Script:
    """Says a bundled clip in real time, then is quiet, with the microphone open."""

    async def script(scene: Scene) -> None:
        line = scene.line
        scene.inject()
        talking = asyncio.create_task(line.say(clip(name), quiet_s))
        try:
            await line.until(lambda: line.has("turn.metrics"), PATIENCE_S)
        finally:
            talking.cancel()
            await asyncio.wait({talking})

    return script


async def _ask(scene: Scene, text: str) -> None:
    line = scene.line
    await line.type(text)
    await line.until(lambda: line.first_at is not None, PATIENCE_S)
    await line.until(lambda: line.has("turn.metrics"), PATIENCE_S)
