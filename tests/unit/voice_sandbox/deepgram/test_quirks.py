"""What is left of a stream's messages under each quirk."""

from __future__ import annotations

from typing import Any

import pytest

from voice_sandbox.deepgram.quirks import apply_quirk

WORDS = [{"word": "book"}, {"word": "it"}]
END: dict[str, Any] = {"type": "TurnInfo", "event": "EndOfTurn", "words": WORDS}
FORCED: dict[str, Any] = {**END, "trigger": "manual"}
FINAL: dict[str, Any] = {
    "type": "Results", "is_final": True, "speech_final": True, "channel": {"alternatives": [{"words": WORDS}]},
}  # fmt: skip


@pytest.mark.parametrize(
    ("variant", "message", "sent"),
    [
        ("", END, [END]),
        ("open_turn", END, []),
        ("open_turn", FORCED, [FORCED]),
        ("never_ends", FORCED, []),
        ("open_turn", FINAL, [{**FINAL, "speech_final": False}]),
        ("never_ends", {**FINAL, "from_finalize": True}, []),
        ("interim_only", FINAL, []),
        ("interim_only", {**FINAL, "is_final": False}, [{**FINAL, "is_final": False}]),
        ("twice", END, [END, END]),
        ("word_order", END, [{**END, "words": WORDS[::-1]}]),
        ("word_order", FINAL, [{**FINAL, "channel": {"alternatives": [{"words": WORDS[::-1]}]}}]),
    ],
)
def test_a_quirk_changes_the_messages_it_is_about(variant: str, message: Any, sent: list[Any]) -> None:
    assert apply_quirk(variant, message) == sent
