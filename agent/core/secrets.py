"""What makes a secret too weak to sign tokens with."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

MIN_SECRET: Final = 32  # characters; RFC 7518 section 3.2 asks for 256 bits with HS256
MIN_BITS: Final = 80.0  # by its characters' frequency; of 300,000 secrets of 32 random hex digits the least had 88.8
MAX_STEPS: Final = 0.6  # share of neighbours in the alphabet, as in "abcdef"; of those 300,000 the highest had 0.42
PUBLISHED: Final = ("sandbox-only", "your-256-bit", "your-secret", "changeme", "change-me", "change_me", "example")
"""Parts of secrets that stand in somebody's documentation."""
HOW: Final = "`openssl rand -hex 32` makes one"


def weakness(secret: str) -> str | None:
    """Why a secret is refused, as the end of a sentence that begins with its name; None when it is good."""
    if len(secret) < MIN_SECRET:
        return f"takes {MIN_SECRET} characters or more; {HOW}"
    counted = Counter(secret)
    bits = -sum(count * math.log2(count / len(secret)) for count in counted.values())
    steps = sum(abs(ord(a) - ord(b)) == 1 for a, b in itertools.pairwise(secret)) / (len(secret) - 1)
    repeats = secret in (secret + secret)[1:-1]
    if bits < MIN_BITS or steps > MAX_STEPS or repeats:
        return f"is too easy to guess: it repeats itself or counts; {HOW}"
    if any(part in secret.lower() for part in PUBLISHED):
        return f"is published in documentation; {HOW}"
    return None


def refuse_shared(known: Mapping[str, str], keys: Iterable[str], published: str, allowed: str | None) -> None:
    """Raises ValueError when what opens one door opens another one, too.

    `known` are secrets by their settings, `keys` those of the setting `api_keys`. Everybody knows the `published` one:
    only the setting `allowed` takes it, if any does.
    """
    for name, secret in known.items():
        if secret == published and name != allowed:
            raise ValueError(f"{_variable(name)} is the sandbox's, which everybody knows; set another one")
    seen: dict[str, str] = {}
    for name, secret in [*known.items(), *(("api_keys", key) for key in dict.fromkeys(keys))]:
        if secret in seen:
            raise ValueError(f"{_variable(name)} is the same as {_variable(seen[secret])}: each takes its own")
        seen[secret] = name


def _variable(name: str) -> str:
    return f"VOICE_AGENT_{name.upper()}"
