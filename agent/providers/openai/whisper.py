"""Transcription of whole segments over the OpenAI protocol (`/v1/audio/transcriptions`)."""

from __future__ import annotations

import asyncio
import io
import math
import re
import wave
from functools import partial
from typing import Any, Final, cast

from agent.core.audio import SAMPLE_RATE, SAMPLE_WIDTH
from agent.core.calls import CallRecorder, ErrorKind, ListeningNote, Unit, note
from agent.providers.call import ProviderCall
from agent.providers.http import READ_TIMEOUT_S, session_headers
from agent.providers.openai.client import classify, connect, list_models
from agent.providers.openai.phantoms import is_phantom
from agent.providers.output_check import speakable
from agent.providers.sdk import SdkClient
from agent.providers.wire_values import clean, number

_TELLS_CONFIDENCE: Final = re.compile(r"gpt-4o(-mini)?-transcribe(-\d{4}-\d\d-\d\d)?")  # as the vendor documents it
_LEAST_LOGPROB: Final = -1e5  # vendors write -9999 for a token that was as good as impossible


class Whisper:
    """One transcription model of OpenAI or of any host that speaks its protocol. Retries nothing.

    The SDK is imported by `load`, or by the first call. `base_url` includes the version part, as in
    `https://api.openai.com/v1`. `language` is an ISO 639-1 code, None lets the model find out. A transcript that takes
    longer than `deadline_s` is a `timeout`. Words that nobody said (`phantoms`) are no words.
    """

    provider = "openai_stt"

    def __init__(
        self,
        *,
        api_key: str,
        model: str,
        base_url: str | None = None,
        language: str | None = "en",
        deadline_s: float = READ_TIMEOUT_S,
    ) -> None:
        self.model = model
        self._options: dict[str, Any] = {} if language is None else {"language": language}
        if _TELLS_CONFIDENCE.fullmatch(model):
            self._options["include"] = ["logprobs"]
        self._client = SdkClient(partial(connect, api_key, base_url, READ_TIMEOUT_S))
        self._deadline_s = deadline_s

    def load(self) -> None:
        """Imports the SDK and makes its client: the first call does not have to."""
        self._client.get()

    async def transcribe(self, session: str, pcm: bytes, recorder: CallRecorder) -> str:
        """The words in a segment of PCM s16le mono 16 kHz, "" for words that nobody said.

        Raises ProviderError: a transcript without words is `empty`.

        The samples of the segment are billed unless the provider refused the request.
        """
        with ProviderCall("stt", self.provider, self.model, recorder, classify) as call:
            call.quantities[Unit.AUDIO_SAMPLES] = len(pcm) // SAMPLE_WIDTH
            try:
                async with asyncio.timeout(self._deadline_s):
                    text, confidence = await self._ask(session, pcm, call)
            except TimeoutError:
                raise call.error(ErrorKind.TIMEOUT) from None
            if not isinstance(text, str):
                raise call.error(ErrorKind.MALFORMED)
            if not speakable(text):
                raise call.error(ErrorKind.EMPTY)
            text = clean(text)
            if is_phantom(text, confidence):
                note(recorder, ListeningNote.PHANTOM_DROPPED)
                return ""
            call.first_output()
            return text.strip()

    async def _ask(self, session: str, pcm: bytes, call: ProviderCall) -> tuple[object, float | None]:
        """The text as the host gave it, and how sure it is of it."""
        async with self._client.get().audio.transcriptions.with_streaming_response.create(
            model=self.model,
            file=("segment.wav", _wav(pcm), "audio/wav"),
            response_format="json",
            extra_headers=session_headers(session),
            **self._options,
        ) as response:
            call.accepted = True
            answer = await response.parse()
        return getattr(answer, "text", None), confidence_of(getattr(answer, "logprobs", None))

    async def warm(self) -> None:
        """Opens a connection with a request that is free of charge (the list of models). Never fails."""
        await list_models(self._client.get())

    async def close(self) -> None:
        """Closes the connections."""
        if self._client.made is not None:
            await self._client.made.close()


def confidence_of(logprobs: Any) -> float | None:
    """The geometric mean of the tokens' probabilities; None where a host gives none that can be read."""
    told = logprobs if isinstance(logprobs, list) else []
    read = (number(getattr(token, "logprob", None), _LEAST_LOGPROB, 0.0) for token in cast("list[Any]", told))
    values = [value for value in read if value is not None]
    return math.exp(sum(values) / len(values)) if values else None


def _wav(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(SAMPLE_WIDTH)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(pcm)
    return file.getvalue()
