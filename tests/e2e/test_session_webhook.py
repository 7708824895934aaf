"""The webhook from end to end: a call is over, and its receiver knows."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, Final

import pytest

from agent.core.errors import ConfigurationError
from agent.core.webhook_signature import HEADER, verify
from agent.settings import load_settings
from tests.support.receivers import receiver
from tests.support.stack import running_stack
from voice_loadtest.script import Type

SECRET: Final = "6b1f09c2e87d4a5530fe9ab81c7d2e64"


@pytest.mark.slow
async def test_the_receiver_is_told_of_a_call_with_its_words_and_a_summary() -> None:
    with receiver() as found:
        hook: dict[str, Any] = {
            "session_webhook_url": f"{found.url}/ended",
            "session_webhook_secret": SECRET,
            "session_webhook_private": True,
            "session_webhook_transcript": True,
            "session_webhook_summary": True,
        }
        async with running_stack(**hook) as stack:
            record = await stack.call([Type("what is the weather")])
            await asyncio.to_thread(found.wait, lambda: len(found.posts) >= 1)
        ((path, body), *_), (headers, *_) = found.posts, found.headers
    assert path == "/ended"
    assert verify(SECRET, body, headers[HEADER], time.time())
    event = json.loads(body)
    assert event["session"]["id"] == record.session_id
    assert event["session"]["outcome"] == "completed"
    assert event["session"]["agent"] == "receptionist"
    assert event["session"]["agent_version"] >= 1
    assert [line["speaker"] for line in event["transcript"]] == ["caller", "agent"]
    assert "what is the weather" in event["summary"]


@pytest.mark.parametrize(
    ("url", "secret", "problem"),
    [
        ("https://example.org/hook", "", "session_webhook_secret"),
        ("http://example.org/hook", SECRET, "https"),
        ("ftp://example.org/hook", SECRET, "address of a webhook"),
        ("https://user:password@example.org/hook", SECRET, "address of a webhook"),
        ("https://example.org/hook", "short", "32 characters"),
    ],
)
def test_a_webhook_that_cannot_be_meant_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, url: str, secret: str, problem: str
) -> None:
    monkeypatch.setenv("VOICE_AGENT_SESSION_WEBHOOK_URL", url)
    monkeypatch.setenv("VOICE_AGENT_SESSION_WEBHOOK_SECRET", secret)
    with pytest.raises(ConfigurationError, match=problem):
        load_settings(None)
