"""ElevenLabs through the official SDK's streaming text to speech."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from agent.core.audio import SAMPLE_RATE
from agent.core.calls import CallRecorder, ErrorKind, Unit
from agent.providers.base import Audio
from agent.providers.call import NO_RECORDER, Failure, ProviderCall, Quota
from agent.providers.headroom import headroom_of
from agent.providers.http import (
    READ_TIMEOUT_S,
    kind_of_status,
    kind_of_transport_error,
    retry_after_s,
    session_headers,
)
from agent.providers.refusals import refusal_of
from agent.providers.sdk import SdkClient, connections
from agent.providers.speech import audio_of
from agent.providers.wire_values import MOST_LEFT, number

if TYPE_CHECKING:
    import httpx
    from elevenlabs.client import AsyncElevenLabs
    from elevenlabs.core import RequestOptions

CHUNK_BYTES: Final = 1600  # 50 ms: a smaller piece is a frame more to the caller, a larger one is heard later
_FORMAT: Final = "pcm_16000"
_WITHOUT_CONTEXT: Final = frozenset({"eleven_v3", "eleven_v3_conversational"})  # they refuse `previous_text`
_TAKES_LANGUAGE: Final = "_v2_5"  # eleven_flash_v2_5, eleven_turbo_v2_5; others find out, or refuse
_CONTEXT_CHARACTERS: Final = 200
_SESSIONS: Final = 1000  # whose last words are kept; the one that was silent longest goes first


@dataclass(frozen=True, slots=True)
class VoiceOptions:
    """How ElevenLabs is asked. `speed` 1 is as recorded; `context` sends the clause before; `logging` off is zero
    retention, which takes a plan that allows it. `language` (ISO 639-1) is told to models that take it.
    """

    speed: float = 1.0
    context: bool = True
    logging: bool = True
    language: str | None = None


class ElevenLabs:
    """One voice with one model. Retries nothing: the chain decides what comes next.

    The SDK is imported by `load`, or by the first call.
    """

    provider = "elevenlabs"

    def __init__(
        self,
        *,
        api_key: str,
        model: str,
        voice: str,
        base_url: str | None = None,
        options: VoiceOptions = VoiceOptions(),
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self.model = model
        self._voice = voice
        self._options = options
        self._before: OrderedDict[str, str] = OrderedDict()  # session → what it was last asked to say
        self._http = SdkClient(partial(connections, read_timeout_s))
        self._client = SdkClient(lambda: _connect(api_key, base_url, self._http.get()))

    def load(self) -> None:
        """Imports the SDK and makes its client: the first call does not have to."""
        self._client.get()

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio]:
        """Streams the speech of one clause as `audio_of` does. Raises ProviderError. Closing the generator stops it.

        The characters of the text are billed unless the provider refused the request.
        """
        options: RequestOptions = {
            "chunk_size": CHUNK_BYTES,
            "max_retries": 0,
            "additional_headers": session_headers(session),
        }
        with ProviderCall("tts", self.provider, self.model, recorder, _classify) as call:
            call.quantities[Unit.CHARACTERS] = len(text)
            async with self._client.get().text_to_speech.with_raw_response.stream(
                self._voice,
                text=text,
                model_id=self.model,
                output_format=_FORMAT,
                request_options=options,
                **self._asked(session),
            ) as response:
                call.accepted = True
                call.headroom = headroom_of(response.headers)
                self._remember(session, text)
                async with aclosing(audio_of(call, response.headers, response.data, SAMPLE_RATE)) as speech:
                    async for piece in speech:
                        yield piece

    def _asked(self, session: str) -> dict[str, Any]:
        """What is only sent where it is not the vendor's default."""
        from elevenlabs import VoiceSettings

        asked: dict[str, Any] = {}
        if not self._options.logging:
            asked["enable_logging"] = False
        if self._options.language is not None and _TAKES_LANGUAGE in self.model:
            asked["language_code"] = self._options.language
        if self._options.speed != 1.0:
            asked["voice_settings"] = VoiceSettings(speed=self._options.speed)
        if self._options.context and self.model not in _WITHOUT_CONTEXT and session in self._before:
            asked["previous_text"] = self._before[session]
        return asked

    def _remember(self, session: str, text: str) -> None:
        self._before[session] = text[-_CONTEXT_CHARACTERS:]
        self._before.move_to_end(session)
        while len(self._before) > _SESSIONS:
            self._before.popitem(last=False)

    async def quota(self) -> Quota | None:
        """What is left of the plan's characters; None where the API does not say. Raises ProviderError."""
        with ProviderCall("tts", self.provider, self.model, NO_RECORDER, _classify):
            plan = await self._client.get().user.subscription.get(request_options={"max_retries": 0})
            left = number(plan.character_limit - plan.character_count, -MOST_LEFT, MOST_LEFT)
        return None if left is None else Quota(float(left), "characters")

    async def warm(self) -> None:
        """Opens a connection with a request that is free of charge (the list of models). Never fails."""
        with suppress(Exception):  # the first call finds out what is wrong, and says so
            await self._client.get().models.list(request_options={"max_retries": 0})

    async def close(self) -> None:
        """Closes the connections."""
        if self._http.made is not None:
            await self._http.made.aclose()


def _connect(api_key: str, base_url: str | None, http: httpx.AsyncClient) -> AsyncElevenLabs:
    from elevenlabs import VoiceSettings
    from elevenlabs.client import AsyncElevenLabs
    from elevenlabs.core import ApiError

    # The SDK hands the timeout to httpx with every request, so it has to carry the one of connecting as well.
    timeout = cast("float", http.timeout)
    client = AsyncElevenLabs(api_key=api_key, base_url=base_url, timeout=timeout, httpx_client=http)
    # imported on first use: now, and not in the first call
    _ = client.text_to_speech.with_raw_response, VoiceSettings, ApiError
    return client


def _classify(error: Exception, call: ProviderCall) -> Failure:
    from elevenlabs.core import ApiError

    if isinstance(error, ApiError):
        status, call.headroom = error.status_code or 500, headroom_of(error.headers)
        failure = refusal_of(status, error.body).failure(kind_of_status(status), retry_after_s(error.headers))
    else:
        failure = Failure(kind_of_transport_error(error, call))
    if not call.accepted and failure.kind is not ErrorKind.TIMEOUT:
        call.quantities.clear()  # what was refused is not billed; what was too slow may well be
    return failure
