"""The client of the OpenAI protocol that speech and transcription share."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from agent.core.calls import ErrorKind
from agent.providers.call import Failure, ProviderCall
from agent.providers.http import (
    CONNECT_TIMEOUT_S,
    KEEPALIVE_EXPIRY_S,
    MAX_CONNECTIONS,
    MAX_IDLE_CONNECTIONS,
    kind_of_status,
    kind_of_transport_error,
    retry_after_s,
)
from agent.providers.refusals import refusal_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI


def connect(api_key: str, base_url: str | None, read_timeout_s: float) -> AsyncOpenAI:
    """A client that retries nothing and keeps connections for 300 s. Imports the SDK."""
    import httpx2
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    timeout = httpx2.Timeout(read_timeout_s, connect=CONNECT_TIMEOUT_S)
    limits = httpx2.Limits(
        max_connections=MAX_CONNECTIONS,
        max_keepalive_connections=MAX_IDLE_CONNECTIONS,
        keepalive_expiry=KEEPALIVE_EXPIRY_S,
    )
    client = AsyncOpenAI(
        api_key=api_key,
        base_url=base_url,
        max_retries=0,
        timeout=timeout,
        http_client=DefaultAsyncHttpxClient(limits=limits, timeout=timeout),
    )
    _ = client.audio.speech, client.audio.transcriptions  # imported on first use: now, and not in the first call
    return client


async def list_models(client: AsyncOpenAI) -> None:
    """Opens a connection with a request that is free of charge. Never fails."""
    with suppress(Exception):  # the first call finds out what is wrong, and says so
        await client.models.list()


def classify(error: Exception, call: ProviderCall) -> Failure:
    """What an exception of the SDK means. A call that was refused is billed nothing."""
    failure = _failure(error, call)
    if not call.accepted and failure.kind is not ErrorKind.TIMEOUT:
        call.quantities.clear()  # what was refused is not billed; what was too slow may well be
    return failure


def _failure(error: Exception, call: ProviderCall) -> Failure:
    from openai import APIConnectionError, APIStatusError

    if isinstance(error, APIStatusError):
        refusal = refusal_of(error.status_code, error.body)
        return refusal.failure(kind_of_status(error.status_code), retry_after_s(error.response.headers))
    if isinstance(error, APIConnectionError) and isinstance(error.__cause__, Exception):
        return Failure(kind_of_transport_error(error.__cause__, call))
    return Failure(kind_of_transport_error(error, call))
