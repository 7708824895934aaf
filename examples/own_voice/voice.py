"""A voice behind an HTTP server of one's own: text in, PCM s16le mono 16 kHz out."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import httpx

from agent.core.audio import SAMPLE_RATE
from agent.core.calls import CallRecorder, Unit
from agent.providers.base import Audio
from agent.providers.call import Failure, ProviderCall
from agent.providers.http import kind_of_status, kind_of_transport_error, retry_after_s
from agent.providers.speech import audio_of


class OwnVoice:
    """One voice. Retries nothing: the chain decides what comes next."""

    provider = "own_voice"
    model = "voice-1"

    def __init__(self, base_url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._client = httpx.AsyncClient(base_url=base_url, timeout=10.0, transport=transport)

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio]:
        """Streams the speech of one clause. Raises ProviderError. Closing the generator stops the synthesis."""
        with ProviderCall("tts", self.provider, self.model, recorder, _classify) as call:
            call.quantities[Unit.CHARACTERS] = len(text)
            async with self._client.stream("POST", "/speak", json={"text": text}) as response:
                response.raise_for_status()
                call.accepted = True  # from here on it is billed
                speech = audio_of(call, response.headers, response.aiter_bytes(), SAMPLE_RATE)
                async with aclosing(speech) as pieces:
                    async for piece in pieces:
                        yield piece

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()


def _classify(error: Exception, call: ProviderCall) -> Failure:
    if isinstance(error, httpx.HTTPStatusError):
        return Failure(kind_of_status(error.response.status_code), retry_after_s(error.response.headers))
    return Failure(kind_of_transport_error(error, call))
