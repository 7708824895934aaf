"""The graph drawn for people."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from agent.memory import Conversation, graph_view, render_svg, render_text


def call() -> Conversation:
    conversation = Conversation()
    conversation.heard("I'd like a table at Tom & Jerry's <Bar> on Friday.")
    conversation.answered("It is booked. The reference is", interrupted=True)
    conversation.heard("Will it rain? I mean the weather.")
    return conversation


def test_text_shows_turns_states_and_what_was_cut_off() -> None:
    text = render_text(call())
    assert "topic 1: restaurant (closed; since turn 1" in text
    assert "*topic 2: weather (open; since turn 2" in text
    assert "The reference is [interrupted]" in text
    assert "date: Friday (turn 1, caller)" in text
    assert "(turn 0" not in text
    assert "[1] tell: I'd like a table" in text
    assert 'booking -> confirmed ("is booked")' in text


def test_svg_is_well_formed_whatever_was_said() -> None:
    root = ElementTree.fromstring(render_svg(call()))
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any("<Bar>" in (text or "") for text in texts)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 4  # two topics, two states
    assert ElementTree.fromstring(render_svg(Conversation())).tag.endswith("svg")


def test_the_view_is_json_with_what_is_current() -> None:
    view = json.loads(json.dumps(graph_view(call())))
    assert view["current_topic"] == 1
    assert view["current_state"] == 1
    assert [topic["open"] for topic in view["topics"]] == [False, True]
    assert {slot["name"]: slot["value"] for slot in view["states"][0]["slots"]}["date"] == "Friday"


def test_svg_is_well_formed_for_a_log_that_holds_what_xml_cannot() -> None:
    log = call().events_since(0)
    restored = Conversation.restore([{**log[0], "text": "a\x00b\x1b\ud800 table"}, *log[1:]])
    assert ElementTree.fromstring(render_svg(restored)).tag.endswith("svg")
