"""docs/scale.md names everything that a process keeps on purpose, with its bound."""

from __future__ import annotations

from functools import _lru_cache_wrapper  # pyright: ignore[reportPrivateUsage]
from importlib import import_module
from typing import Final

from agent.billing import ceilings
from agent.core import pace
from agent.policy.evidence import MAX_CALLS
from agent.providers import audio_cache
from agent.providers.elevenlabs import tts
from agent.rollback.evidence import SPARE
from tests.support.paths import ROOT

PAGE: Final = (
    (ROOT / "docs" / "scale.md").read_text().partition("<!-- kept -->")[2].partition("<!-- end of kept -->")[0]
)
WORDS: Final = 50_000  # stems of single words: 0.1 kB each


def test_the_page_names_every_bound() -> None:
    bounds = [line.split("|")[2].strip() for line in PAGE.splitlines() if line.startswith("|")][2:]
    assert bounds == [
        f"{MAX_CALLS + SPARE:,}",
        f"{audio_cache.LIMIT_BYTES // 2**20}",
        f"{tts._SESSIONS:,}",  # pyright: ignore[reportPrivateUsage]
        f"{max(_sizes()):,}",
        f"{pace.MOST_NAMES:,}",
        f"{ceilings.MAX_ACCOUNTS:,}",
    ]


def test_no_cache_of_texts_is_without_a_bound() -> None:
    assert len(_sizes()) >= 15


def _sizes() -> list[int]:
    """How many entries the caches of the memory's modules hold at most."""
    found: list[int] = []
    for file in sorted((ROOT / "agent" / "memory").glob("*.py")):
        for one in vars(import_module(f"agent.memory.{file.stem}")).values():
            if isinstance(one, _lru_cache_wrapper) and one.__name__ != "load_flows":
                size = one.cache_parameters()["maxsize"]
                assert size is not None, one
                found.append(size)
    return [size for size in found if size < WORDS]
