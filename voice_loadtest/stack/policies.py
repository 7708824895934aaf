"""The shipped policies as demos and game days need them: assigned so that minutes are enough to compare them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_SHIPPED: Final = Path(__file__).parents[2] / "agent" / "policy" / "policies.toml"
_ASSIGNMENTS: Final = "[assignments.free]"
TIERS: Final = ("free", "premium")


def policies_text(weights: Mapping[str, int]) -> str:
    """The shipped policies, assigned by `weights` in both tiers, and without the audio cache: the sandbox repeats
    itself so much that hardly a clause would need the voice.
    """
    text = _SHIPPED.read_text(encoding="utf-8")
    kept = uncached(text[: text.index(_ASSIGNMENTS)])
    shares = "".join(f"{policy} = {percent}\n" for policy, percent in weights.items())
    return kept + "\n".join(f"[assignments.{tier}]\n{shares}" for tier in TIERS)


def uncached(policies: str) -> str:
    """A policy file without the audio cache, and so without the openings that are kept in it."""
    without = policies.replace("audio_cache = true", "audio_cache = false")
    return re.sub(r"first_words = \{[^}]*\}", "first_words = { openings = false }", without)
