"""A voice that is told how to say names: words of a clause are written as they sound before they are spoken."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from agent.core.calls import CallRecorder
from agent.providers.base import Audio, ClientSpeech, TextToSpeech


class PronouncedVoice:
    """Bears the name of the voice inside. Whole words are replaced, whatever their case, and longer ones first."""

    def __init__(self, inner: TextToSpeech, pronunciations: Mapping[str, str]) -> None:
        """`pronunciations`: as it is written → as it is spoken."""
        self.provider, self.model = inner.provider, inner.model
        self._inner = inner
        self._spoken = {written.casefold(): spoken for written, spoken in pronunciations.items()}
        words = "|".join(re.escape(word) for word in sorted(pronunciations, key=len, reverse=True))
        self._pattern = re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE)

    def written(self, text: str) -> str:
        """A clause as the voice gets it."""
        return self._pattern.sub(lambda found: self._spoken.get(found[0].casefold(), found[0]), text)

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        """Streams the speech of one clause. Raises ProviderError. Closing it stops the speech."""
        async with aclosing(self._inner.speak(session, self.written(text), recorder)) as pieces:
            async for piece in pieces:
                yield piece
