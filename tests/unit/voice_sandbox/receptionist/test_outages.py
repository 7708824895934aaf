"""The outages that a sample caller asks for: of one turn, by the request alone."""

from __future__ import annotations

from typing import Any

import pytest

from voice_sandbox.receptionist.dialogue import answer
from voice_sandbox.receptionist.outages import model_is_out, voice_is_out

ASKS = "What happens when your usual model is down?"


def body(*turns: str, **more: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[at % 2], "content": text} for at, text in enumerate(turns)], **more}


@pytest.mark.parametrize(
    ("request_body", "model", "out"),
    [
        (body(ASKS), "claude-haiku-5-5", True),
        (body(ASKS), "claude-sonnet-5-5", False),
        (body(ASKS, "Sure.", "And my bill?"), "claude-haiku-5-5", False),
        (body("Does your language model ever fail?"), "claude-haiku-5-5", False),
        (body(ASKS, output_config={"format": {"type": "json_schema"}}), "claude-haiku-5-5", False),
    ],
)
def test_the_small_model_is_out_in_the_turn_that_asks(request_body: dict[str, Any], model: str, out: bool) -> None:
    assert model_is_out(request_body, model) is out


def test_what_the_receptionist_says_then_is_what_the_usual_voice_does_not_say() -> None:
    assert voice_is_out(answer(body("And what happens when your voice is down?")).text)
    assert not voice_is_out(answer(body(ASKS)).text)
    assert answer(body(ASKS)).text == "The small model does not answer this, so I do: the large one."
