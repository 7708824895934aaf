"""Clips to hear: the bundled ones, and real recordings where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.sandbox.hearing.library import ClipLibrary
from agent.sandbox.world import BUNDLED_CLIPS

ROOT = Path(__file__).parents[3]
RECORDINGS = Path(os.environ.get("VOICE_AGENT_DATA", ROOT.parent / "shared" / "data")) / "speech"


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
