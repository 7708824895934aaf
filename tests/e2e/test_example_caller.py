"""The example caller against the real service."""

from __future__ import annotations

import pytest

from agent.providers.output_check import audible
from examples.caller import call
from tests.support.paths import ROOT
from tests.support.stack import running_stack

pytestmark = pytest.mark.slow


async def test_the_example_caller_gets_a_reply_with_sound() -> None:
    async with running_stack() as stack:
        text, pcm = await call(stack.url, "I would like to book a room")
    assert len(text.split()) >= 3
    assert audible(pcm)


def test_the_example_caller_is_as_short_as_it_says() -> None:
    source = (ROOT / "examples" / "caller.py").read_text(encoding="utf-8")
    body = source[source.index("async def call") : source.index("if __name__")]
    assert len(body.strip().splitlines()) <= 40
