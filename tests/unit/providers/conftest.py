"""What the providers' tests share."""

from __future__ import annotations

import pytest

from tests.support.providers import RecordingRecorder


@pytest.fixture
def recorder() -> RecordingRecorder:
    return RecordingRecorder()
