"""Why a tool that is somebody else's could not be used, as a word that is safe to log."""

from __future__ import annotations


class OutsideError(Exception):
    """Something is wrong that a model can do nothing about. `reason` is a bounded word; nothing else is told."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
