"""Scripted models that ask for tools, and a back end that keeps what was done; for tests in virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.core import clock
from agent.core.calls import Call, CallRecorder, ErrorKind, ProviderError, Unit, Usage
from agent.providers.base import Prompt, TextDelta, ToolUse
from agent.providers.fallback.breaker import Breakers
from agent.session.events import ClauseStarted, TurnMeasured
from agent.telemetry.events import ToolFinished
from agent.tools.builtin import BUILT_IN, take_note
from agent.tools.python_tool import tool_from
from agent.tools.runner import TOOL_BREAKER, SessionToolSet
from agent.tools.tool import ToolContext, ToolRules
from tests.support.direct_transport import DirectTransport
from tests.support.providers import RecordingRecorder
from tests.support.session import SessionHarness
from tests.support.virtual_time import run_virtual


def uses(*asked: tuple[str, dict[str, Any] | str]) -> TextDelta:
    """What a model asks for."""
    calls = tuple(
        ToolUse(f"toolu_{number}", name, given if isinstance(given, str) else json.dumps(given))
        for number, (name, given) in enumerate(asked)
    )
    return TextDelta("", uses=calls)


CONFIRM = "So that is {room} for {guests}. Shall I book it?"
Part = str | float | TextDelta | ErrorKind


@dataclass
class ToolModel:
    """Answers each request with the next script; remembers what it was asked."""

    scripts: list[Sequence[Part]]
    provider: str = "anthropic"
    model: str = "claude-haiku-5-5"
    prompts: list[Prompt] = field(default_factory=list[Prompt])

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        self.prompts.append(prompt)
        began = clock.now()
        try:
            for part in self.scripts[min(len(self.prompts), len(self.scripts)) - 1]:
                if isinstance(part, ErrorKind):
                    raise ProviderError(self.provider, part)
                if isinstance(part, float | int):
                    await asyncio.sleep(part)
                else:
                    yield TextDelta(part) if isinstance(part, str) else part
        finally:
            usage = Usage({Unit.INPUT_TOKENS: 10, Unit.OUTPUT_TOKENS: 1})
            recorder.record(Call("llm", self.provider, self.model, "ok", began, began, clock.now(), usage))


@dataclass
class Desk:
    """A back end that keeps what was done."""

    takes_s: float = 0.3
    fails: list[Exception] = field(default_factory=list[Exception])
    answers: object = None
    rules: ToolRules = field(default_factory=lambda: ToolRules(confirm=CONFIRM))
    booked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    asked: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    def tools(self, **rules: Any) -> SessionToolSet:
        async def free_rooms(day: str) -> object:
            """Rooms that are free on a day."""
            self.asked.append((day, clock.now()))
            await asyncio.sleep(self.takes_s)
            if self.fails:
                raise self.fails.pop(0)
            return [f"garden on {day}"] if self.answers is None else self.answers

        async def book(call: ToolContext, room: str, guests: int = 2) -> dict[str, object]:
            """Books a room."""
            await asyncio.sleep(self.takes_s)
            self.booked.append((room, call.idempotency_key))
            return {"reference": 4472, "room": room, "guests": guests}

        made = [
            tool_from(free_rooms, ToolRules(read_only=True, **rules)),
            tool_from(book, self.rules),
            tool_from(book, ToolRules(), name="book_now"),
            *(tool_from(one, ToolRules(read_only=one is take_note)) for one in BUILT_IN.values()),
        ]
        breakers = Breakers(RecordingRecorder(), lambda _: None)
        return SessionToolSet({tool.name: tool for tool in made}, lambda name: breakers.of("tool", name, TOOL_BREAKER))


def harness(desk: Desk, *scripts: Sequence[Part], **rules: Any) -> tuple[SessionHarness, ToolModel]:
    model = ToolModel(list(scripts))
    made = SessionHarness(llm=model, tools=desk.tools(**rules))  # pyright: ignore[reportArgumentType]  scripted too
    made.tts.seconds = 1.0
    return made, model


def said(caller: DirectTransport) -> list[str]:
    return [event.text for event in caller.all(ClauseStarted)]


def outcomes(made: SessionHarness) -> list[tuple[str, str]]:
    return [(event.call.name, event.call.outcome) for event in made.all(ToolFinished)]


async def turn(caller: DirectTransport, text: str) -> None:
    count = len(caller.all(TurnMeasured))
    caller.type(text)
    await caller.get(TurnMeasured, count + 1)


def play(scenario: Callable[[], Any]) -> None:
    run_virtual(scenario())
