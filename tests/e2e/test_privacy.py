"""What callers say stays out of logs and metrics, unless a setting says otherwise; secrets are never printed."""

from __future__ import annotations

import pytest

from tests.support.stack import API_KEY, running_stack
from voice_loadtest.script import Type

SAID = "my secret word is pomegranate"


@pytest.mark.parametrize("allowed", [False, True])
async def test_transcripts_are_logged_only_when_allowed(capfd: pytest.CaptureFixture[str], *, allowed: bool) -> None:
    async with running_stack(log_transcripts=allowed, log_level="debug", log_format="json") as stack:
        record = await stack.call([Type(SAID)], premium=True)
        await stack.quiet()
        metrics = await stack.metrics("application/openmetrics-text")
    log = capfd.readouterr().err
    assert record.turns[0].answered
    assert '"event": "turn"' in log
    said = [line for line in log.splitlines() if "pomegranate" in line]
    assert bool(said) is allowed, said
    assert "pomegranate" not in metrics
    assert record.session_id not in metrics
    for text in (log, metrics):
        assert API_KEY not in text
        assert "sandbox-only-secret" not in text
