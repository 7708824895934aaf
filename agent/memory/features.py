"""What the words of a thing or an utterance have that others can share: stems of content words, and values."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from agent.memory.values import values_in
from agent.memory.words import content_stems

EMPTY = frozenset(
    content_stems(
        "done yours now both appointment booking reservation order number reference id code request it them mine yours"
        " successfully new old first second other one"
    )
)
"""Stems that tell no thing from another."""
FILLERS = frozenset(
    content_stems("oh wait hold actually sorry hmm then ok okay good great can could would like please let me now")
)
"""Stems of words that fill a request."""


@lru_cache(maxsize=4_000)
def stems_in(text: str) -> frozenset[str]:
    """The stems of a text's content words."""
    return frozenset(content_stems(text))


@lru_cache(maxsize=4_000)
def values_said(text: str) -> frozenset[str]:
    """The values of a text, case aside."""
    return frozenset(value.text.casefold() for value in values_in(text))


@lru_cache(maxsize=4_000)
def kinds_said(text: str) -> Mapping[str, frozenset[str]]:
    """The values of a text by kind, case aside; only kinds that it has."""
    found: dict[str, set[str]] = {}
    for value in values_in(text):
        found.setdefault(value.kind, set()).add(value.text.casefold())
    return {kind: frozenset(values) for kind, values in found.items()}
