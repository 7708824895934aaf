"""The graph drawn for people."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from agent.memory import Conversation, graph_view, render_svg, render_text
from agent.memory.titles import topic_title


def call() -> Conversation:
    conversation = Conversation()
    conversation.heard("I'd like a table at Tom & Jerry's <Bar> on Friday.")
    conversation.answered("Tom & Jerry's <Bar> is booked on Friday. The reference is", interrupted=True)
    conversation.heard("By the way, was my invoice paid?")
    return conversation


def test_text_shows_turns_states_and_what_was_cut_off() -> None:
    text = render_text(call())
    assert "topic 1: table at Tom Jerry's Bar (closed; since turn 1" in text
    assert "*topic 2: invoice (open; since turn 2" in text
    assert "The reference is [interrupted]" in text
    assert '"Tom & Jerry\'s <Bar> is booked on Friday." (turn 1, agent)' in text
    assert "(turn 0" not in text
    assert "[1] tell: I'd like a table" in text
    assert 'open -> confirmed ("Tom' in text


def test_svg_is_well_formed_whatever_was_said() -> None:
    root = ElementTree.fromstring(render_svg(call()))
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any("<Bar>" in (text or "") for text in texts)
    assert len(list(root.iter("{http://www.w3.org/2000/svg}rect"))) == 3  # two topics, one state
    assert ElementTree.fromstring(render_svg(Conversation())).tag.endswith("svg")


def test_the_view_is_json_with_what_is_current() -> None:
    view = json.loads(json.dumps(graph_view(call())))
    assert view["current_topic"] == 1
    assert view["current_state"] is None
    assert [topic["open"] for topic in view["topics"]] == [False, True]
    assert "is booked on Friday" in view["states"][0]["slots"][0]["value"]


def test_svg_is_well_formed_for_a_log_that_holds_what_xml_cannot() -> None:
    log = call().events_since(0)
    restored = Conversation.restore([{**log[0], "text": "a\x00b\x1b\ud800 table"}, *log[1:]])
    assert ElementTree.fromstring(render_svg(restored)).tag.endswith("svg")


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Hi, I'd like to book a room for two nights, can you book it?", "room for two nights"),
        ("My line has been dead since Monday.", "line"),
        ("Can my wife drive as well?", "wife"),
        ("That sounds cool, and my ankle ankle hurts.", "ankle hurts"),
        ("I broke my arm, so please freeze my gym membership.", "arm"),
        ("Can you help me?", "“Can you help me?”"),
        ("明日の三時に予約したいのですが、よろしいでしょうか", "“明日の三時に予約したいのですが、よろしいでしょうか”"),
    ],
)
def test_a_topic_is_called_by_what_the_caller_named(said: str, title: str) -> None:
    conversation = Conversation()
    conversation.heard(said)
    assert topic_title(conversation.graph, conversation.graph.topics[0]) == title


@pytest.mark.parametrize(
    ("said", "act", "title"),
    [
        ("Emma won't come today.", "Emma Brandt is reported sick for today.", "Emma Brandt"),
        ("Oh, a haircut, please.", "Thursday at 4 pm is booked for you.", "haircut"),
        ("Make it later.", "Okay, I've changed it.", "“Okay, I've changed it.”"),
    ],
)
def test_a_thing_always_has_a_name(said: str, act: str, title: str) -> None:
    conversation = Conversation()
    conversation.heard(said)
    conversation.answered(act, interrupted=False)
    assert [state["flow"] for state in graph_view(conversation)["states"]] == [title]
    assert "unnamed" not in render_text(conversation) + render_svg(conversation)
