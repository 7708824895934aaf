"""A model for what no caller waits for, such as notes: where callers are not sent, nothing else goes either."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from agent.core.calls import CallRecorder, ErrorKind, ProviderError
from agent.providers.base import LanguageModel, Prompt, TextDelta
from agent.providers.fallback.breaker import Breaker


class ModelBeside:
    """Asks one model, and nobody in its place. What comes of it says nothing about the model's health to callers."""

    def __init__(self, inner: LanguageModel, breaker: Breaker) -> None:
        self.provider, self.model = inner.provider, inner.model
        self._inner, self._breaker = inner, breaker

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        """Streams one reply. Raises ProviderError, without a call where the breaker is not closed."""
        if not self._breaker.allows:
            raise ProviderError(self.provider, ErrorKind.REFUSED)
        async with aclosing(self._inner.reply(session, prompt, recorder)) as pieces:
            async for piece in pieces:
                yield piece
