"""Clips to hear: the bundled ones, and real recordings where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.paths import DATA
from voice_sandbox.recognizer.library import ClipLibrary
from voice_sandbox.state import BUNDLED_CLIPS

RECORDINGS = DATA / "speech"


@pytest.fixture(scope="session")
def folders() -> list[Path]:
    """The bundled clips, then the real recordings if they are there."""
    return [BUNDLED_CLIPS, RECORDINGS] if (RECORDINGS / "transcripts.jsonl").exists() else [BUNDLED_CLIPS]


@pytest.fixture(scope="session")
def library(folders: list[Path]) -> ClipLibrary:
    return ClipLibrary.load(folders)


@pytest.fixture(scope="session")
def bundled() -> ClipLibrary:
    return ClipLibrary.load([BUNDLED_CLIPS])
