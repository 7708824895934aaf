"""Logs that come back from a store: cut short, damaged, or of a version with other flows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.memory import BadEventError, Conversation, context, graph_view, render_svg, render_text

TURNS = [
    ("I'd like a table at Sino for two people on Friday.", "What time would you like?"),
    ("7 pm", "Your table at Sino is booked, the reference is BK7Q2M."),
    ("How's the weather?", "21 degrees."),
    ("Another table at Bella Napoli for three people on Sunday.", "It is booked, ZX41-908."),
    ("The first table, make it five people.", "Done, your table at Sino is changed to five people."),
]


def log() -> list[dict[str, Any]]:
    conversation = Conversation()
    for caller, agent in TURNS:
        conversation.heard(caller)
        conversation.answered(agent, interrupted=False)
    tail: list[dict[str, Any]] = [
        {
            "kind": "noted",
            "turn": 1,
            "facts": [
                {
                    "state": 0,
                    "name": "table at Sino",
                    "attribute": "reference",
                    "value": "BK7Q2M",
                    "turn": 1,
                    "by": "agent",
                    "kind": "",
                    "replaces": [],
                    "absorbs": -1,
                }
            ],
        },
        {"kind": "kept", "turn": 1, "text": "by the window"},
        {"kind": "folded", "before": 2},
    ]
    return json.loads(json.dumps([*conversation.events_since(0), *tail]))


LOG = log()
ODD = st.sampled_from([None, -1, 99, 10**30, 0.5, True, "", "x", [], {}, ["x"], [["a", 1, "caller"]], [["a"]], [-1]])


def use(conversation: Conversation) -> None:
    conversation.heard("The first one, make it six at Taj on Monday.")
    conversation.answered("Booked for $5.", interrupted=True)
    context(conversation, system="", utterance="the table", budget_tokens=2_000)
    conversation.notes_due()
    assert render_text(conversation) and render_svg(conversation) and json.dumps(graph_view(conversation))


@pytest.mark.parametrize("length", range(len(LOG) + 1))
def test_a_log_cut_short_anywhere_goes_on(length: int) -> None:
    use(Conversation.restore(LOG[:length]))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_log_is_refused_or_goes_on(data: st.DataObject) -> None:
    damaged: list[Any] = json.loads(json.dumps(LOG))
    place = data.draw(st.integers(0, len(damaged) - 1))
    how = data.draw(st.sampled_from(["change", "change", "change", "lack", "drop", "repeat", "replace"]))
    field = data.draw(st.sampled_from(sorted(damaged[place])))
    if how == "change":
        damaged[place][field] = data.draw(ODD)
    elif how == "lack":
        del damaged[place][field]
    elif how == "drop":
        del damaged[place]
    elif how == "repeat":
        damaged.insert(place, dict(damaged[place]))
    else:
        damaged[place] = data.draw(ODD)
    try:
        restored = Conversation.restore(damaged)
    except BadEventError:
        return
    use(restored)


@pytest.mark.parametrize(
    ("place", "field", "value"),
    [(0, "topic", 7), (0, "doubts", [3]), (1, "acts", [{"state": 0}]), (2, "turn", 9), (4, "refers_to", [-1])],
)
def test_an_event_that_points_nowhere_is_refused(place: int, field: str, value: object) -> None:
    with pytest.raises(BadEventError, match=field):
        Conversation.restore([{**event, field: value} if n == place else event for n, event in enumerate(LOG)])
