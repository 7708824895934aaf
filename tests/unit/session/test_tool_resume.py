"""Tools of a call that is cut off: nothing is done twice, and nothing that was done is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from agent.core.calls import ErrorKind
from agent.core.resumed_state import ResumedState
from agent.session.events import TurnMeasured
from agent.tools.tool import ToolRules
from tests.support.direct_transport import DirectTransport
from tests.support.session import PREMIUM, SessionHarness, running
from tests.support.tools import Desk, Part, ToolModel, harness, outcomes, play, said, turn, uses

BOOKS = (uses(("book", {"room": "garden", "guests": 3})),)
NAMED = replace(PREMIUM, session_id="s1")
BACK = replace(NAMED, resume=True)


async def measured(caller: DirectTransport, number: int) -> None:
    await caller.until(lambda: number in {event.record.turn for event in caller.all(TurnMeasured)})


def after_kill(made: SessionHarness, cut_off: str | None) -> ResumedState:
    """What the ledger holds of a session whose process is gone."""
    return ResumedState(
        events=tuple(made.memory_log), turns=1, policy="haiku_first", cut_off=cut_off, tools=tuple(made.tool_log)
    )


def elsewhere(
    made: SessionHarness, desk: Desk, cut_off: str | None, *scripts: Sequence[Part]
) -> tuple[SessionHarness, ToolModel]:
    """Another process that goes on with the session."""
    other, model = harness(desk, *scripts)
    other.past["s1"] = after_kill(made, cut_off)
    return other, model


@pytest.mark.parametrize("lost_after_s", [0.0, 0.5, 1.5])
def test_a_line_that_is_lost_around_a_confirmed_call_books_once_and_tells(lost_after_s: float) -> None:
    async def scenario() -> None:
        desk = Desk(takes_s=1.0)
        made, model = harness(desk, BOOKS, ("It is booked, 4472. ",))
        async with running(made):
            caller = await made.call(NAMED)
            await turn(caller, "book the garden room for three")
            caller.type("Yes, please.")
            await asyncio.sleep(lost_after_s)
            caller.lose()
            await asyncio.sleep(0.2)
            again = await made.call(BACK)
            await again.get(TurnMeasured)
            assert said(again) == ["It is booked, 4472."]
            (done,) = model.prompts[-1].rounds
            assert '"reference": 4472' in done.results[0].content
            await turn(again, "thanks")
            assert "has not heard" not in model.prompts[-1].memory
        assert len(desk.booked) == 1
        assert outcomes(made).count(("book", "ok")) == 1

    play(scenario)


@pytest.mark.parametrize("killed_after_s", [0.01, 0.5, 1.5])
def test_a_process_that_is_killed_around_a_confirmed_call_leaves_one_booking(killed_after_s: float) -> None:
    async def scenario() -> None:
        desk = Desk(takes_s=1.0)
        made, _ = harness(desk, BOOKS, ("It is booked, 4472. ",))
        async with running(made):
            caller = await made.call(NAMED)
            await turn(caller, "book the garden room for three")
            caller.type("Yes, please.")
            await asyncio.sleep(killed_after_s)
            other, model = elsewhere(made, desk, "Yes, please.", ("It is booked, 4472. ",))
        async with running(other):
            again = await other.call(BACK)
            await again.get(TurnMeasured)
            assert said(again) == ["It is booked, 4472."]
            (done,) = model.prompts[0].rounds
            if killed_after_s < 1:  # it cannot be repeated: the caller is told that nobody knows
                assert "not known whether it happened" in done.results[0].content
                assert outcomes(other) == []
            else:
                assert '"reference": 4472' in done.results[0].content
        assert len(desk.booked) == 1

    play(scenario)


def test_what_is_idempotent_is_run_again_with_the_same_key() -> None:
    async def scenario() -> None:
        desk = Desk(takes_s=1.0, rules=ToolRules(idempotent=True, confirm="{room} for {guests}. Shall I?"))
        made, _ = harness(desk, BOOKS, ("It is booked, 4472. ",))
        async with running(made):
            caller = await made.call(NAMED)
            await turn(caller, "book the garden room for three")
            caller.type("Yes, please.")
            await asyncio.sleep(0.5)
            other, model = elsewhere(made, desk, "Yes, please.", ("It is booked, 4472. ",))
        async with running(other):
            again = await other.call(BACK)
            await again.get(TurnMeasured)
            (done,) = model.prompts[0].rounds
            assert '"reference": 4472' in done.results[0].content
            await turn(again, "thanks")
            assert "not known" not in model.prompts[-1].memory
        (first, second) = desk.booked
        assert first == second, "a back end that keeps keys does nothing twice"

    play(scenario)


def test_a_question_outlives_its_process_and_its_yes_counts_once() -> None:
    async def scenario() -> None:
        desk = Desk()
        made, _ = harness(desk, BOOKS)
        async with running(made):
            await turn(await made.call(NAMED), "book the garden room for three")
            other, model = elsewhere(made, desk, None, ("It is booked, 4472. ",))
        async with running(other):
            caller = await other.call(BACK)
            await turn(caller, "Yes.")
            assert [room for room, _ in desk.booked] == ["garden"]
            assert '"reference": 4472' in model.prompts[0].rounds[0].results[0].content
            third, later = elsewhere(made, desk, None, ("Good. ",))
            third.past["s1"] = replace(
                third.past["s1"], events=(*made.memory_log, *other.memory_log), turns=2,
                tools=(*made.tool_log, *other.tool_log),
            )  # fmt: skip
        async with running(third):
            await turn(await third.call(BACK), "Yes.")
            assert len(desk.booked) == 1
            assert '"reference": 4472' in later.prompts[0].memory
            assert "has not heard" not in later.prompts[0].memory

    play(scenario)


def test_a_question_that_was_not_heard_to_its_values_is_asked_anew_elsewhere() -> None:
    async def scenario() -> None:
        desk = Desk()
        made, _ = harness(desk, BOOKS)
        async with running(made):
            caller = await made.call(NAMED)
            caller.type("book the garden room for three")
            await asyncio.sleep(0.3)
            other, _ = elsewhere(made, desk, None, BOOKS)
        async with running(other):
            again = await other.call(BACK)
            await turn(again, "Yes.")
            assert said(again) == ["So that is garden for 3.", "Shall I book it?"]
            assert desk.booked == []

    play(scenario)


def test_a_model_that_asks_again_for_what_runs_gets_the_same_call() -> None:
    async def scenario() -> None:
        desk = Desk(takes_s=3.0)
        made, model = harness(desk, BOOKS, BOOKS, ("It is booked, 4472. ",))
        async with running(made):
            caller = await made.call()
            await turn(caller, "book the garden room for three")
            caller.type("Yes, please.")
            await asyncio.sleep(1.0)
            caller.type("hello, did you book it?")
            await measured(caller, 3)
            assert said(caller)[-1] == "It is booked, 4472."
            assert len(desk.booked) == 1
            assert '"reference": 4472' in model.prompts[-1].rounds[0].results[0].content
        assert outcomes(made) == [("book", "unconfirmed"), ("book", "ok")]

    play(scenario)


def test_a_model_that_asks_again_for_what_the_caller_has_not_heard_of_gets_its_result() -> None:
    async def scenario() -> None:
        desk = Desk()
        made, _ = harness(desk, BOOKS, (5.0, "It is booked. "), BOOKS, ("It is booked, 4472. ",), BOOKS)
        async with running(made):
            caller = await made.call()
            await turn(caller, "book the garden room for three")
            caller.type("Yes, please.")
            await asyncio.sleep(2.0)
            caller.type("did you book it?")
            await measured(caller, 3)
            assert said(caller)[-1] == "It is booked, 4472."
            assert len(desk.booked) == 1
            await turn(caller, "and another one, just the same")
            assert said(caller)[-1] == "Shall I book it?", "once it was heard the same is a wish of its own"
        assert len(desk.booked) == 1

    play(scenario)


def test_a_model_that_fails_after_the_result_does_not_lose_it() -> None:
    async def scenario() -> None:
        desk = Desk()
        made, model = harness(desk, BOOKS, (ErrorKind.OVERLOADED,), ("It is booked, 4472. ",))
        async with running(made):
            caller = await made.call()
            await turn(caller, "book the garden room for three")
            await turn(caller, "Yes, please.")
            assert said(caller)[-1] == "I am sorry."
            await turn(caller, "what is with my booking?")
            assert "the caller has not heard of it" in model.prompts[-1].memory
        assert len(desk.booked) == 1

    play(scenario)


def test_a_question_beside_a_look_up_leaves_no_task_behind() -> None:
    async def scenario() -> None:
        desk = Desk(takes_s=2.0)
        both = (uses(("free_rooms", {"day": "Friday"}), ("book", {"room": "garden"})),)
        made, _ = harness(desk, both)
        async with running(made):
            caller = await made.call()
            await turn(caller, "book the garden room if it is free")
            assert said(caller)[-1] == "Shall I book it?"
            assert desk.asked == [], "what is not waited for is not begun"

    play(scenario)


def test_limits_of_a_tool_are_those_of_the_session_wherever_it_goes_on() -> None:
    async def scenario() -> None:
        desk = Desk()
        looks = (uses(("free_rooms", {"day": "Friday"})),)
        made, _ = harness(desk, looks, ("Here. ",), calls_per_session=1)
        async with running(made):
            await turn(await made.call(NAMED), "what is free?")
            other, model = harness(desk, looks, ("No. ",), calls_per_session=1)
            other.past["s1"] = after_kill(made, None)
        async with running(other):
            await turn(await other.call(BACK), "what is free?")
            assert "too often" in model.prompts[-1].rounds[0].results[0].content
        assert len(desk.asked) == 1

    play(scenario)


@pytest.mark.parametrize("odd", ["half a character \ud800", "a NUL \x00 inside"])
def test_no_result_is_too_odd_to_be_kept(odd: str) -> None:
    async def scenario() -> None:
        desk = Desk(answers=odd)
        made, model = harness(desk, (uses(("free_rooms", {"day": "Friday"})),), ("Here you are. ",))
        async with running(made):
            await turn(await made.call(), "what is free?")
            (result,) = model.prompts[1].rounds[0].results
            assert not result.failed
            assert "\ud800" not in result.content
            assert "\x00" not in result.content
        assert made.tool_log[-1]["content"] == result.content

    play(scenario)
