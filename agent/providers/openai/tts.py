"""Speech over the OpenAI protocol (`/v1/audio/speech`), of OpenAI itself or of any host that speaks it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any, Final

from agent.core.calls import CallRecorder, Unit
from agent.providers.base import Audio
from agent.providers.call import ProviderCall
from agent.providers.headroom import headroom_of
from agent.providers.http import READ_TIMEOUT_S, session_headers
from agent.providers.openai.client import classify, connect, list_models
from agent.providers.sdk import SdkClient
from agent.providers.speech import audio_of

_RATE: Final = 24_000  # of `response_format="pcm"`: PCM s16le mono, by the vendor's convention
_CHUNK_BYTES: Final = 960  # 20 ms at that rate


class OpenAISpeech:
    """One voice with one model. Retries nothing: the chain decides what comes next.

    The SDK is imported by `load`, or by the first call. `base_url` includes the version part, as in
    `https://api.openai.com/v1`.
    """

    provider = "openai_tts"

    def __init__(
        self,
        *,
        api_key: str,
        model: str,
        voice: str,
        base_url: str | None = None,
        speed: float = 1.0,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self.model = model
        self._voice = voice
        self._pace: dict[str, Any] = {} if speed == 1.0 else {"speed": speed}
        self._client = SdkClient(partial(connect, api_key, base_url, read_timeout_s))

    def load(self) -> None:
        """Imports the SDK and makes its client: the first call does not have to."""
        self._client.get()

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio]:
        """Streams the speech of one clause as `audio_of` does. Raises ProviderError. Closing the generator stops it.

        The characters of the text are billed unless the provider refused the request.
        """
        with ProviderCall("tts", self.provider, self.model, recorder, classify) as call:
            call.quantities[Unit.CHARACTERS] = len(text)
            async with self._client.get().audio.speech.with_streaming_response.create(
                model=self.model,
                voice=self._voice,
                input=text,
                response_format="pcm",
                extra_headers=session_headers(session),
                **self._pace,
            ) as response:
                call.accepted = True
                call.headroom = headroom_of(response.headers)
                data = response.iter_bytes(_CHUNK_BYTES)
                async with aclosing(audio_of(call, response.headers, data, _RATE)) as speech:
                    async for piece in speech:
                        yield piece

    async def warm(self) -> None:
        """Opens a connection with a request that is free of charge (the list of models). Never fails."""
        await list_models(self._client.get())

    async def close(self) -> None:
        """Closes the connections."""
        if self._client.made is not None:
            await self._client.made.close()
