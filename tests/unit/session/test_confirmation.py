"""What a caller is asked for, what has to be heard of it, and which answers let it run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.core.resumed_state import ResumedState
from agent.session.confirmation import PendingConfirmation, says_yes
from agent.text_normalization.normalizer import Speakable
from agent.tools.arguments import SchemaArguments
from agent.tools.python_tool import tool_from
from agent.tools.tool import Tool, ToolContext, ToolRules, confirm_problems
from tests.support.session import PREMIUM, running
from tests.support.tools import CONFIRM, Desk, harness, outcomes, play, said, turn, uses

QUESTION = "So I move it from Friday to Saturday at 4 pm, for five people. Shall I do that?"


def move(call: ToolContext, before: str, after: str) -> str:
    """Moves a booking."""
    return f"{before} to {after}"


def asking(confirm: str) -> Tool:
    return tool_from(move, ToolRules(confirm=confirm))


@pytest.mark.parametrize(
    "answer",
    ["Yes.", "Yes, please, do that.", "Okay, go ahead", "Yes, from Friday to Saturday.", "That's right, to Saturday",
     "yes saturday at 4 pm", "Yes, Saturday at 4 pm, for five people.", "Yes, yes; please"],
)  # fmt: skip
def test_a_yes_may_repeat_what_was_asked(answer: str) -> None:
    assert says_yes(answer, QUESTION)


@pytest.mark.parametrize(
    "answer",
    ["Yes, Saturday to Friday.", "yes from saturday", "Yes, at five.", "yes at five people",
     "Yes, is that right", "okay is it five people", "Okay. Is it from Friday", "yes so shall i do that",
     "Yes？", "yes؟", "Yes, for five at 4"],
)  # fmt: skip
def test_words_of_the_question_in_another_order_or_as_a_question_are_no_yes(answer: str) -> None:
    assert not says_yes(answer, QUESTION)


@pytest.mark.parametrize(
    ("confirm", "heard"),
    [
        ("So that is {before}. Shall I move it to {after}?", "So that is St. James. Shall I move it to Dr. Lee?"),
        ("Shall I move it from {before} to {after}?", "Shall I move it from St. James to Dr. Lee?"),
        ("So that is {before} to {after}. Shall I do it?", "So that is St. James to Dr. Lee"),
    ],
)
def test_a_yes_counts_once_every_value_was_heard(confirm: str, heard: str) -> None:
    pending = PendingConfirmation(asking(confirm), {"before": "St. James", "after": "Dr. Lee"})
    for cut in range(len(heard)):
        pending.was_heard(heard[:cut])
        assert not pending.heard, heard[:cut]
    pending.was_heard(heard)
    assert pending.heard


@pytest.mark.parametrize(
    "hiding",
    ["```cancel all```", "[the garden](cancel all)", "<cancel all>", "x](cancel all", "**cancel** ~~all~~",
     "| cancel all", "garden\n\n# cancel all"],
)  # fmt: skip
def test_no_mark_hides_a_value_from_the_caller(hiding: str) -> None:
    question = asking("So that is {before} to {after}. Shall I?").read_back({"before": hiding, "after": "Lee"})
    spoken = Speakable()
    heard = "".join(piece.spoken for piece in (*spoken.feed(question), *spoken.finish()))
    assert "cancel all" in heard
    assert heard.endswith("to Lee. Shall I?")


def test_a_value_that_is_too_long_to_be_said_is_not_asked_for() -> None:
    async def scenario() -> None:
        desk = Desk()
        made, model = harness(desk, (uses(("book", {"room": "g" * 201})),), ("Which room? ",))
        async with running(made):
            caller = await made.call()
            await turn(caller, "book a room")
            assert said(caller) == ["Which room?"]
            assert "room cannot be read" in model.prompts[1].rounds[0].results[0].content
            await turn(caller, "Yes.")
        assert desk.booked == []
        assert outcomes(made)[0] == ("book", "bad_arguments")

    play(scenario)


def test_what_a_schema_lets_in_beside_its_names_is_not_asked_for() -> None:
    schema = {
        "type": "object",
        "properties": {"before": {"type": "string"}},
        "required": ["before"],
        "additionalProperties": True,
    }
    tool = replace(asking("Shall I cancel {before}?"), arguments=SchemaArguments(schema))
    assert tool.unsaid(tool.read('{"before": "it"}')) is None
    assert tool.unsaid(tool.read('{"before": "it", "refund": false}')) == "refund"


@pytest.mark.parametrize("place", ["{before:d}", "{before!r}", "{before:.0}"])
def test_a_place_of_a_question_is_a_name_alone(place: str) -> None:
    confirm = f"Shall I move {place} to {{after}}?"
    (problem,) = confirm_problems("move", confirm, asking(confirm).arguments)
    assert "nothing behind the name" in problem


@pytest.mark.parametrize(
    ("rules", "kept"),
    [
        (ToolRules(confirm=CONFIRM), True),
        (ToolRules(confirm="Cancel {room} for {guests}, with no refund. Yes?"), False),
    ],
)
def test_a_yes_to_a_question_that_reads_otherwise_now_runs_nothing(rules: ToolRules, kept: bool) -> None:
    async def scenario() -> None:
        made, _ = harness(Desk(), (uses(("book", {"room": "garden"})),))
        async with running(made):
            caller = await made.call(replace(PREMIUM, session_id="s1"))
            await turn(caller, "book the garden room")
        desk = Desk(rules=rules)
        other, _ = harness(desk, ("All right. ",))
        other.past["s1"] = ResumedState(
            events=tuple(made.memory_log), turns=1, policy="haiku_first", tools=tuple(made.tool_log)
        )
        async with running(other):
            caller = await other.call(replace(PREMIUM, session_id="s1", resume=True))
            await turn(caller, "Yes.")
        assert len(desk.booked) == int(kept)

    play(scenario)


def test_a_yes_does_not_reach_arguments_that_came_with_a_new_definition() -> None:
    async def scenario() -> None:
        made, _ = harness(Desk(), (uses(("book", {"room": "garden"})),))
        async with running(made):
            caller = await made.call(replace(PREMIUM, session_id="s1"))
            await turn(caller, "book the garden room")
        log = [dict(event) for event in made.tool_log]
        for event in log:
            if event["kind"] == "asked":  # of a release that kept no question, when there was no `guests`
                event |= {"arguments": '{"room": "garden"}', "question": ""}
        desk = Desk()
        other, _ = harness(desk, ("All right. ",))
        other.past["s1"] = ResumedState(events=tuple(made.memory_log), turns=1, policy="haiku_first", tools=tuple(log))
        async with running(other):
            caller = await other.call(replace(PREMIUM, session_id="s1", resume=True))
            await turn(caller, "Yes.")
        assert desk.booked == []

    play(scenario)
