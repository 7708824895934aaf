"""Why one connection of the chain of recognisers ends, and which reason counts when there are several."""

from __future__ import annotations

from dataclasses import replace

from agent.core.calls import ProviderError
from agent.core.errors import leaves
from agent.providers.base import Word
from agent.providers.fallback.chain import StepSkippedError


class StepBackError(Exception):
    """An earlier step is well again."""


class ReconnectError(Exception):
    """The connection is of no use, but its step may be."""


def shifted(word: Word, by: float) -> Word:
    """The same word, so many seconds later."""
    start = None if word.start_s is None else word.start_s + by
    end = None if word.end_s is None else word.end_s + by
    return replace(word, start_s=start, end_s=end)


def first_cause(group: ExceptionGroup[Exception]) -> Exception:
    """The one error that the stream goes by: a provider's before a way back; any other stays as it is."""
    known, other = group.split((ProviderError, StepSkippedError, StepBackError, ReconnectError))
    if known is None or other is not None:
        return group
    causes = list(leaves(known))
    return next((cause for cause in causes if isinstance(cause, ProviderError)), causes[0])
