"""Functions as tools: what blocks in one of them stands nothing else still."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Final

import pytest

from agent.providers.fallback.breaker import Breakers
from agent.session.call_actions import SessionActions
from agent.session.events import TextShown
from agent.tools.outside import OutsideError
from agent.tools.python_tool import THREADS_LIMIT, tool_from
from agent.tools.runner import TOOL_BREAKER, ToolOutcome, run_tool
from agent.tools.tool import ToolContext, ToolRules
from tests.support.providers import RecordingRecorder

WHO: Final = ContextVar[str]("who")
CALL: Final = ToolContext("s1", "key", SessionActions(lambda _event: None))


async def test_functions_that_never_end_leave_the_threads_of_the_service_alone() -> None:
    let_go = threading.Event()

    def hangs(room: str) -> str:
        """Asks a back end that does not answer."""
        let_go.wait(30)
        return room

    def answers(room: str) -> str:
        """Asks one that does."""
        return f"{WHO.get()} {room}"

    breakers = Breakers(RecordingRecorder(), lambda _: None)
    slow, quick = tool_from(hangs, ToolRules(timeout_s=0.2)), tool_from(answers, ToolRules())
    try:
        calls = [
            run_tool(slow, {"room": "garden"}, CALL, breakers.of("tool", str(n), TOOL_BREAKER))
            for n in range(THREADS_LIMIT)
        ]
        assert {one.outcome for one in await asyncio.gather(*calls)} == {ToolOutcome.TIMEOUT}
        with pytest.raises(OutsideError, match="busy"):  # they still hang
            await slow.run({"room": "garden"}, CALL)
        async with asyncio.timeout(5):
            assert await asyncio.to_thread(lambda: "looked up") == "looked up"
            WHO.set("Ada")
            assert await quick.run({"room": "library"}, CALL) == "Ada library"
    finally:
        let_go.set()
    async with asyncio.timeout(5):
        while True:
            try:
                assert await slow.run({"room": "garden"}, CALL) == "garden"
                break
            except OutsideError:
                await asyncio.sleep(0.01)


async def test_what_a_function_in_a_thread_raises_is_raised() -> None:
    def fails(room: str) -> str:
        """Fails."""
        raise StopIteration(room)  # no future takes this one

    with pytest.raises(RuntimeError):
        await tool_from(fails, ToolRules()).run({"room": "garden"}, CALL)


async def test_a_function_in_a_thread_uses_its_call_from_the_event_loop() -> None:
    shown: list[tuple[object, threading.Thread]] = []
    actions = SessionActions(lambda event: shown.append((event, threading.current_thread())))

    def shows(call: ToolContext) -> str:
        """Shows something."""
        call.actions.show_text("4711")
        return "shown"

    tool = tool_from(shows, ToolRules())
    assert await tool.run({}, ToolContext("s1", "key", actions)) == "shown"
    assert shown == [(TextShown("4711"), threading.main_thread())]
