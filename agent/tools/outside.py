"""Why a tool that is somebody else's could not be used, as a word that is safe to log."""

from __future__ import annotations

from typing import Final

REASONS: Final = frozenset(
    {"host", "name", "address", "redirect", "connection", "request", "encoding", "too_large", "malformed"}
    | {f"status_{hundred}xx" for hundred in range(1, 10)}
    | {"no_program", "down", "mcp", "busy"}
)
"""All there are: they are a metric label. `mcp`: the server says itself that the call cannot be made. `busy`: so many
calls of a function hang that no more are begun."""


class OutsideError(Exception):
    """Something is wrong that a model can do nothing about. `reason` is one of `REASONS`; nothing else is told."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
