"""The last voice: the client speaks a clause itself, with its own speech synthesis."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from agent.core.calls import CallRecorder
from agent.providers.base import ClientSpeech


class ClientVoice:
    """Hands each clause to the client. Never fails and costs nothing, so it reports no call.

    Only a client that declared that it can speak gets it into its chain.
    """

    provider = "browser"
    model = "speech-synthesis"

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[ClientSpeech]:
        """Yields the whole clause, once."""
        yield ClientSpeech(text)
