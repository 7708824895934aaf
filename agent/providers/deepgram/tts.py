"""Deepgram's voices (Aura) through the official SDK's streaming text to speech."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from agent.core.audio import SAMPLE_RATE
from agent.core.calls import CallRecorder, ErrorKind, Unit
from agent.providers.base import Audio
from agent.providers.call import NO_RECORDER, Failure, ProviderCall, Quota
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
from agent.providers.wire_values import MOST_LEFT, clean, number

if TYPE_CHECKING:
    import httpx
    from deepgram import AsyncDeepgramClient
    from deepgram.core.request_options import RequestOptions

CHUNK_BYTES: Final = 1600  # 50 ms


class DeepgramSpeech:
    """One Aura voice, whose id is its model. Retries nothing: the chain decides what comes next.

    The SDK is imported by `load`, or by the first call. `training_opt_out` keeps what is said out of the
    vendor's training.
    """

    provider = "deepgram_tts"

    def __init__(
        self,
        *,
        api_key: str,
        model: str,
        base_url: str | None = None,
        training_opt_out: bool = True,
        read_timeout_s: float = READ_TIMEOUT_S,
    ) -> None:
        self.model = model
        self._opt_out = training_opt_out
        self._http = SdkClient(partial(connections, read_timeout_s))
        self._client = SdkClient(lambda: _connect(api_key, base_url, self._http.get(), read_timeout_s))

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
            async with self._client.get().speak.v1.audio.with_raw_response.generate(
                text=text,
                model=self.model,
                encoding="linear16",
                container="none",
                sample_rate=SAMPLE_RATE,
                mip_opt_out=self._opt_out,
                request_options=options,
            ) as response:
                call.accepted = True
                async with aclosing(audio_of(call, response.headers, response.data, SAMPLE_RATE)) as speech:
                    async for piece in speech:
                        yield piece

    async def quota(self) -> Quota | None:
        """What is left of the first project's balance; None where the key may not see it. Raises ProviderError."""
        with ProviderCall("tts", self.provider, self.model, NO_RECORDER, _classify):
            projects = await self._client.get().manage.v1.projects.list()
            for project in projects.projects or ():
                balances = await self._client.get().manage.v1.projects.billing.balances.list(project.project_id or "")
                for balance in balances.balances or ():
                    left = number(balance.amount or 0.0, -MOST_LEFT, MOST_LEFT)
                    return None if left is None else Quota(left, clean(balance.units or "usd"))
        return None

    async def warm(self) -> None:
        """Opens a connection with a request that is free of charge (the list of models). Never fails."""
        with suppress(Exception):  # the first call finds out what is wrong, and says so
            await self._client.get().manage.v1.models.list(request_options={"max_retries": 0})

    async def close(self) -> None:
        """Closes the connections."""
        if self._http.made is not None:
            await self._http.made.aclose()


def _connect(api_key: str, base_url: str | None, http: httpx.AsyncClient, read_timeout_s: float) -> AsyncDeepgramClient:
    from deepgram import AsyncDeepgramClient, DeepgramClientEnvironment
    from deepgram.core import api_error

    host = base_url or "https://api.deepgram.com"
    socket = host.replace("http", "ws", 1)
    environment = DeepgramClientEnvironment(base=host, production=socket, agent=socket, agent_rest=host)
    client = AsyncDeepgramClient(api_key=api_key, environment=environment, httpx_client=http, timeout=read_timeout_s)
    _ = client.speak.v1.audio.with_raw_response, api_error  # imported on first use: now, and not in the first call
    return client


def _classify(error: Exception, call: ProviderCall) -> Failure:
    from deepgram.core.api_error import ApiError

    if isinstance(error, ApiError):
        status = error.status_code or 500
        failure = refusal_of(status, error.body).failure(kind_of_status(status), retry_after_s(error.headers))
    else:
        failure = Failure(kind_of_transport_error(error, call))
    if not call.accepted and failure.kind is not ErrorKind.TIMEOUT:
        call.quantities.clear()  # what was refused is not billed; what was too slow may well be
    return failure
