"""The declared acts and subjects."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.memory import Conversation, FlowsError
from agent.memory.flows import load_flows
from agent.memory.topics import subjects_in

OWN = """
[acts]
confirmed = ["pencilled in"]
[subjects.piano]
nouns = ["piano lesson"]
words = ["scales"]
"""


def test_the_thing_asked_for_outweighs_the_one_it_is_about() -> None:
    scores = subjects_in(load_flows(), "I need an invoice for the order")
    assert max(scores, key=lambda subject: scores[subject]) == "payment"


def test_an_offer_of_help_names_no_subject() -> None:
    assert subjects_in(load_flows(), "Hello, how can I help you today?") == {}


def test_own_acts_and_subjects_need_no_code(tmp_path: Path) -> None:
    file = tmp_path / "flows.toml"
    file.write_text(OWN)
    conversation = Conversation(load_flows(file))
    conversation.heard("I want a piano lesson on Friday")
    conversation.answered("I have pencilled you in for Friday.", interrupted=False)
    assert conversation.graph.topics[0].subject == "piano"
    assert conversation.graph.states[0].state == "confirmed"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("confirmed =", "promised ="),
        ("[acts]", "[flows.generic]\n[acts]"),
        ("[subjects.piano]", 'ended = ["pencilled in"]\n[subjects.piano]'),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "flows.toml"
    file.write_text(OWN.replace(old, new))
    with pytest.raises(FlowsError):
        load_flows(file)
