"""An agent that speaks first, through the real service: nobody cuts its greeting off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.stack import clip, running_stack
from voice_loadtest.script import Speak, Step, Type

pytestmark = pytest.mark.slow  # the greeting is played at its own speed
HELLO = "Good day, this is the front desk. How can I help you?"


@pytest.mark.parametrize("profile", ["instant", "measured"])
async def test_what_a_caller_types_or_says_waits_until_the_greeting_has_ended(profile: str, tmp_path: Path) -> None:
    (tmp_path / "desk.toml").write_text(
        f'name = "desk"\nversion = 1\nprompt = "You answer the telephone."\ngreeting = "{HELLO}"\n'
    )
    scripts: list[list[Step]] = [[Type("I would like to book a room")], [Speak(clip("room_01"))]]
    async with running_stack(profile=profile, agents_dir=tmp_path, agent="desk") as stack:
        for script in scripts:
            record = await stack.call(script)
            greeting, answer = record.turns
            assert (greeting.reply, greeting.heard, greeting.cleared) == (HELLO, HELLO, False)
            assert (greeting.outcome, greeting.finished) == ("greeting", True)
            assert answer.answered
            assert record.errors == []
