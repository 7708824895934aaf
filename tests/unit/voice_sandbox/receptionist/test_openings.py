"""A simulated model begins as its prompt asks in the share of replies that was fixed."""

from __future__ import annotations

from typing import Any

import pytest

from agent.turn.asked_openings import ASKED_OPENINGS, AskedOpenings
from voice_sandbox.receptionist.openings import FOLLOWS, begin

REPLY = "What day do you need it?"


def body(system: str, text: str = "I need a room") -> dict[str, Any]:
    return {"system": [{"type": "text", "text": system}], "messages": [{"role": "user", "content": text}]}


def begun(reply: str, share: float = 1.0, calls: int = 1) -> int:
    asked = body(f"You answer.\n\n{AskedOpenings('en').rule}")
    told = [begin(reply, asked, f"session {number}", share) for number in range(calls)]
    assert all(text == reply or text.removesuffix(f" {reply}") in ASKED_OPENINGS["en"] for text in told)
    return sum(text != reply for text in told)


def test_it_follows_in_the_share_that_was_fixed() -> None:
    assert begun(REPLY, FOLLOWS, 2000) / 2000 == pytest.approx(0.6, abs=0.03)
    assert begun(REPLY, 0.0, 50) == 0


def test_the_same_request_of_a_session_has_the_same_answer() -> None:
    asked = body(AskedOpenings("en").rule)
    assert len({begin(REPLY, asked, "one", FOLLOWS) for _ in range(20)}) == 1


@pytest.mark.parametrize(
    "reply",
    [
        "I don't know that, I'm afraid.",
        "Thank you for calling. Goodbye!",
        "All right, I have cancelled that.",
        "Sure. What day?",
        "Gladly. What would you like?",
        "Hello, this is Harbour House.",
        "",
    ],
)
def test_some_replies_it_does_not_fit(reply: str) -> None:
    assert begun(reply, calls=20) == 0


def test_nobody_asks_and_nothing_changes() -> None:
    assert begin(REPLY, body("You answer the telephone."), "one", 1.0) == REPLY


def test_what_follows_on_a_tool_has_none() -> None:
    asked = body(AskedOpenings("en").rule)
    asked["messages"].append({"role": "user", "content": [{"type": "tool_result", "content": "no"}]})
    assert begin(REPLY, asked, "one", 1.0) == REPLY
