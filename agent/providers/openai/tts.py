"""Speech over the OpenAI protocol (`/v1/audio/speech`), of OpenAI itself or of any host that speaks it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final

from agent.core.calls import CallRecorder, ErrorKind, Unit
from agent.providers.base import Audio
from agent.providers.call import ProviderCall
from agent.providers.http import READ_TIMEOUT_S, is_audio, session_headers
from agent.providers.openai.client import classify, connect, list_models
from agent.providers.output_check import audible
from agent.providers.resample import ToSessionRate, WholeSamples

_RATE: Final = 24_000  # of `response_format="pcm"`: PCM s16le mono, by the vendor's convention
_CHUNK_BYTES: Final = 960  # 20 ms at that rate


class OpenAISpeech:
    """One voice with one model. Retries nothing: the chain decides what comes next.

    The SDK is imported when one is made, not with the module. `base_url` includes the version part, as in
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
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self.model = model
        self._voice = voice
        self._client = connect(api_key, base_url, read_timeout_s)

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio]:
        """Streams the speech of one clause, resampled to 16 kHz. Raises ProviderError. Closing the generator stops it.

        A stream that stays under -50 dBFS to its end is `empty`, one that ends inside a sample `malformed`. The
        characters of the text are billed unless the provider refused the request.
        """
        with ProviderCall("tts", self.provider, self.model, recorder, classify) as call:
            call.quantities[Unit.CHARACTERS] = len(text)
            async with self._client.audio.speech.with_streaming_response.create(
                model=self.model,
                voice=self._voice,
                input=text,
                response_format="pcm",
                extra_headers=session_headers(session),
            ) as response:
                call.accepted = True
                if not is_audio(response.headers):
                    raise call.error(ErrorKind.MALFORMED)
                whole, resampler = WholeSamples(), ToSessionRate(_RATE)
                async for data in response.iter_bytes(_CHUNK_BYTES):
                    pcm = resampler.feed(whole.feed(data))
                    if not pcm:
                        continue
                    if call.first_output_at is None and audible(pcm):
                        call.first_output()
                    yield Audio(pcm, self.provider)
                if whole.broken_off:
                    raise call.error(ErrorKind.MALFORMED)
                pcm = resampler.feed(b"", last=True)
            if call.first_output_at is None and audible(pcm):
                call.first_output()
            if pcm:
                yield Audio(pcm, self.provider)
            if call.first_output_at is None:
                raise call.error(ErrorKind.EMPTY)

    async def warm(self) -> None:
        """Opens a connection with a request that is free of charge (the list of models). Never fails."""
        await list_models(self._client)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()
