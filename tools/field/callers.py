"""Scripted callers of the field, and the faults they meet, in the words of the case tables."""

from __future__ import annotations

from typing import Any, Final

from tools.chaos.caller import CallerLine
from tools.field.case import Rules, Scene, Script
from tools.field.handset import BadLine, handset, say_all
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


def speaks(*names: str, bad: BadLine | None = None, pause_s: float = 0.6) -> Script:
    """Says these sounds in real time, with a pause between them, and waits for the answer; the microphone is open."""

    async def script(scene: Scene) -> None:
        scene.inject()
        async with handset(scene.line, bad) as phone:
            await say_all(phone, [scene.sounds[name] for name in names], pause_s)
            await answered(scene.line)

    return script


def speaks_before_and_in(before: str, name: str, *, bad: BadLine | None = None) -> Script:
    """Says one thing while all is well, then another under the faults."""

    async def script(scene: Scene) -> None:
        line = scene.line
        async with handset(line, bad) as phone:
            await phone.say(scene.sounds[before])
            await answered(line)
            scene.inject()
            line.fresh()
            await phone.say(scene.sounds[name])
            await answered(line)

    return script


async def answered(line: CallerLine) -> None:
    """Waits until what was said was answered and the turn is over. The browser's recogniser helps when it is asked."""
    await line.until(lambda: line.has("turn.metrics") or line.asked_to_listen, PATIENCE_S)
    if line.asked_to_listen and not line.has("turn.metrics"):
        await line.send(type="text", text="book a room", spoken=True)
        await line.until(lambda: line.has("turn.metrics"), PATIENCE_S)


async def _ask(scene: Scene, text: str) -> None:
    line = scene.line
    await line.type(text)
    await line.until(lambda: line.first_at is not None, PATIENCE_S)
    await line.until(lambda: line.has("turn.metrics"), PATIENCE_S)
