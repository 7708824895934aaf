"""Texts without a word, typed or heard by the client's own recogniser."""

from __future__ import annotations

import asyncio

import pytest

from agent.session.commands import EndCall, SayText
from agent.session.events import TurnStarted, WordsMissed
from tests.support.session import SessionHarness, running
from tests.support.virtual_time import run_virtual


@pytest.mark.parametrize("text", ["!!!???", "\u200b", "...", "…", "-"])
@pytest.mark.parametrize("spoken", [False, True])
def test_marks_alone_are_no_turn(text: str, *, spoken: bool) -> None:
    async def scenario() -> None:
        async with running(SessionHarness()) as harness:
            caller = await harness.call()
            caller.do(SayText(text, spoken))
            await asyncio.sleep(1)
            assert caller.all(TurnStarted) == []
            assert len(caller.all(WordsMissed)) == (0 if spoken else 1)
            caller.do(SayText("👍"))
            assert (await caller.get(TurnStarted)).text == "👍"
            caller.do(EndCall())

    run_virtual(scenario())
