"""Where a thing is named in a call: by now, first in its clause, in passing, beside a number, as what a part is of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from agent.memory.mentions import root, rooted, vocabulary
from agent.memory.words import content_stems, words_of

_CODE = re.compile(r"\b[A-Za-z]{1,5}-?\d[\w-]*|\b\d+-\d[\w-]*")


def named_first(clause: str, thing: str, names: Sequence[str]) -> bool:
    """Whether a clause names the thing before it names any other ("the key of locker 117C")."""
    words = [rooted(word) for word in words_of(clause)]
    mine = next((place for place, word in enumerate(words) if word in vocabulary(thing)), len(words))
    others = frozenset[str]().union(*(vocabulary(name) for name in names if name.casefold() != thing.casefold()))
    return not any(word in others - vocabulary(thing) for word in words[:mine]) and mine < len(words)


@lru_cache(maxsize=2_000)
def stems(text: str) -> frozenset[str]:
    whole = _CODE.sub(lambda found: found.group().replace("-", ""), text)  # "LF-300" and "LF-301" share nothing
    return frozenset(root(stem) for stem in content_stems(whole) if len(stem) > 1 or stem.isdigit())


def beside(words: str, span: tuple[int, int], thing: str) -> bool:
    """Whether a value is tied to a name without a word between them: "$12.50 in late fees", "a fee of $3"."""
    name = re.escape(thing)
    after = re.compile(rf"\s+(?:in|of|for) (?:(?:the|your|my|our|his|her|a|an) )?{name}\b", re.IGNORECASE)
    before = re.compile(rf"\b{name} of\s+$", re.IGNORECASE)
    return after.match(words, span[1]) is not None or before.search(words[: span[0]]) is not None
