"""A model that thinks before it speaks costs its caller time: it is noticed, and said in the log with what to set."""

from __future__ import annotations

import time
from typing import Final

import structlog

log = structlog.get_logger()

_THOUGHTS: Final = frozenset({"thinking", "redacted_thinking"})


class ThoughtWatch:
    """Follows one stream. `close` comes last, whatever became of it."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._thought = False
        self._spoke_after_s: float | None = None

    def event(self, event: object) -> None:
        """Takes an event of the stream."""
        block = getattr(event, "content_block", None)
        if self._spoke_after_s is None and getattr(block, "type", None) in _THOUGHTS:
            self._thought = True

    def spoke(self) -> None:
        """Text came."""
        if self._spoke_after_s is None:
            self._spoke_after_s = time.monotonic() - self._began

    def close(self, model: str, *, told: bool) -> bool:
        """Says once that this model thought before it spoke; whether it has been told by now."""
        if told or not self._thought:
            return told
        waited = self._spoke_after_s
        late = time.monotonic() - self._began if waited is None else waited
        log.warning(
            "first text late: the model thinks first",
            model=model,
            first_text_s=None if waited is None else round(waited, 2),
            waited_s=round(late, 2),
            set=f"VOICE_AGENT_MODEL_THINKING={model}=disabled, or =template, or take a model that does not think",
        )
        return True
