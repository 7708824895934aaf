"""A sentence that is known before the call, such as a greeting: it is spoken as any reply is, and no model is asked."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from agent.core.calls import CallRecorder
from agent.providers.base import Prompt, TextDelta


@dataclass(frozen=True, slots=True)
class FixedReply:
    """In the place of a model: answers everything with the same text, at once and at no cost."""

    text: str
    provider: str = "recorded"
    model: str = "fixed"

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        """Streams the text."""
        yield TextDelta(self.text)
