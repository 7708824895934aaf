"""The declared subjects and state machines."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.memory import Conversation, FlowsError
from agent.memory.flows import load_flows
from agent.memory.topics import subjects_in

MINIMAL = """
[flows.generic]
start = "open"
final = ["done"]
[flows.lesson]
start = "asked"
final = ["booked"]
[[flows.lesson.transitions]]
who = "agent"
from = ["asked"]
to = "booked"
cues = ["see you then"]
[subjects.piano]
flow = "lesson"
nouns = ["piano lesson"]
words = ["scales"]
"""


def test_every_state_of_the_shipped_flows_can_be_reached() -> None:
    for flow in load_flows().flows.values():
        reached = {flow.start} | {rule.to for rule in flow.rules}
        assert flow.final <= reached
        assert all(rule.origins <= reached | {"*"} for rule in flow.rules), flow.name


def test_a_booking_goes_through_its_states() -> None:
    flow = load_flows().flows["booking"]
    assert flow.next("booking", "agent", "So a table for two, is that right?") == (
        "awaiting confirmation",
        "is that right",
    )
    assert flow.next("awaiting confirmation", "caller", "Yes please") == ("agreed", "yes")
    assert flow.next("agreed", "agent", "Great, it has been booked.") == ("confirmed", "been booked")
    assert flow.next("confirmed", "caller", "Please cancel that") == ("cancelled", "cancel")
    assert flow.next("booking", "agent", "The right side is nice") is None


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("No thanks, that's all.", None),
        ("No, change it to Monday.", "booking"),
        ("Please don't cancel it.", None),
        ("I don’t want to cancel, I only ask.", None),
        ("I do not need it any more, cancel it", "cancelled"),
        ("I never said cancel. Well, cancel it.", "cancelled"),
        ("Cancel it, don't keep it.", "cancelled"),
    ],
)
def test_a_confirmed_booking_is_undone_only_when_the_caller_says_so(said: str, state: str | None) -> None:
    step = load_flows().flows["booking"].next("confirmed", "caller", said)
    assert (step[0] if step else None) == state


def test_the_thing_asked_for_outweighs_the_place_it_is_near() -> None:
    scores = subjects_in(load_flows(), "I need a taxi from the hotel to the restaurant")
    assert max(scores, key=lambda subject: scores[subject]) == "taxi"


def test_own_subjects_need_no_code(tmp_path: Path) -> None:
    file = tmp_path / "flows.toml"
    file.write_text(MINIMAL)
    conversation = Conversation(load_flows(file))
    conversation.heard("I want a piano lesson on Friday")
    conversation.answered("Fine, see you then.", interrupted=False)
    assert conversation.graph.topics[0].subject == "piano"
    assert conversation.graph.states[0].state == "booked"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('flow = "lesson"', 'flow = "lessons"'),
        ('who = "agent"', 'who = "somebody"'),
        ("[flows.generic]", "[flows.other]"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "flows.toml"
    file.write_text(MINIMAL.replace(old, new))
    with pytest.raises(FlowsError):
        load_flows(file)
