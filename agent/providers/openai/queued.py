"""A transcriber whose requests each take a slot of its provider."""

from __future__ import annotations

from typing import Final

from agent.core.calls import CallRecorder
from agent.providers.fallback.chain import StepSkippedError
from agent.providers.fallback.concurrency import PriorityLimiter
from agent.providers.openai.segmented_stt import Transcriber

QUEUE_S: Final = 0.5  # a segment has waited for its pause already: longer would break the deadline of the chain


class QueuedTranscriber:
    """One session's way to a transcriber that all sessions share."""

    def __init__(self, inner: Transcriber, slots: PriorityLimiter, *, priority: bool) -> None:
        self.provider = inner.provider
        self.model = inner.model
        self._inner = inner
        self._slots = slots
        self._goes_first = priority

    async def transcribe(self, session: str, pcm: bytes, recorder: CallRecorder) -> str:
        """As the transcriber inside. Raises PassedOverError `busy` when no slot becomes free in time."""
        if not await self._slots.take(first=self._goes_first, within_s=QUEUE_S):
            raise StepSkippedError("busy")
        try:
            return await self._inner.transcribe(session, pcm, recorder)
        finally:
            self._slots.give()
