"""Claude through the official SDK's streaming Messages API."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any, Final, cast

from agent.core.calls import CallRecorder, ErrorKind, Unit
from agent.providers.anthropic.models import options_of
from agent.providers.base import Prompt, TextDelta
from agent.providers.call import Failure, ProviderCall
from agent.providers.http import (
    CONNECT_TIMEOUT_S,
    KEEPALIVE_EXPIRY_S,
    MAX_CONNECTIONS,
    MAX_IDLE_CONNECTIONS,
    READ_TIMEOUT_S,
    kind_of_status,
    kind_of_transport_error,
    retry_after_s,
    session_headers,
)
from agent.providers.output_check import speakable

if TYPE_CHECKING:
    from anthropic.types import RawMessageStreamEvent

_CHARACTERS_PER_TOKEN: Final = 4  # a rule of thumb for English, for estimates only

# `error.type` of the API; an error inside a stream has HTTP status 200, so the type decides and not the status.
_BY_TYPE: Final = {
    "authentication_error": ErrorKind.UNAUTHORIZED,
    "billing_error": ErrorKind.UNAUTHORIZED,
    "permission_error": ErrorKind.UNAUTHORIZED,
    "rate_limit_error": ErrorKind.RATE_LIMITED,
    "timeout_error": ErrorKind.TIMEOUT,
    "overloaded_error": ErrorKind.OVERLOADED,
    "api_error": ErrorKind.OVERLOADED,
    "invalid_request_error": ErrorKind.BAD_REQUEST,
    "not_found_error": ErrorKind.BAD_REQUEST,
    "request_too_large": ErrorKind.BAD_REQUEST,
}


class Claude:
    """One Claude model. Retries nothing: the chain decides what comes next.

    `base_url` is any host that speaks the Messages API; None is the vendor's. The SDK is imported when one is made, not
    with the module.
    """

    provider = "anthropic"

    def __init__(
        self, *, api_key: str, model: str, base_url: str | None = None, read_timeout_s: float = READ_TIMEOUT_S
    ) -> None:
        import httpx2
        from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

        self.model = model
        self._options = options_of(model)
        timeout = httpx2.Timeout(read_timeout_s, connect=CONNECT_TIMEOUT_S)
        limits = httpx2.Limits(
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=MAX_IDLE_CONNECTIONS,
            keepalive_expiry=KEEPALIVE_EXPIRY_S,
        )
        self._client = AsyncAnthropic(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            timeout=timeout,
            open_telemetry=False,  # the service makes its own spans, from the timeline
            http_client=DefaultAsyncHttpxClient(limits=limits, timeout=timeout),
        )

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        """Streams one reply. Raises ProviderError. Closing the generator stops the generation.

        A reply without a letter or digit is `empty`. Usage of a call that did not end by itself is estimated: the
        output at four characters a token, the input too unless the provider had reported it.
        """
        with ProviderCall("llm", self.provider, self.model, recorder, _classify) as call:
            tokens = _TokenCount(call, prompt)
            request: Any = self._request(prompt)
            async with await self._client.messages.create(
                **request, stream=True, extra_headers=session_headers(session)
            ) as stream:
                call.accepted = True
                async for event in cast("AsyncIterator[RawMessageStreamEvent]", stream):
                    text = tokens.text_of(event)
                    if text:
                        if speakable(text):
                            call.first_output()
                        yield TextDelta(text)
            if not tokens.complete:
                raise call.error(ErrorKind.DISCONNECTED)
            if call.first_output_at is None:
                raise call.error(ErrorKind.EMPTY)

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        options = self._options
        request: dict[str, Any] = {
            "model": self.model,
            "max_tokens": max(prompt.max_tokens, options.least_output_tokens),
            "messages": messages_of(prompt),
        }
        if prompt.system:
            request["system"] = [_block(prompt.system, cached=prompt.cache)]
        if options.thinking is not None:
            request["thinking"] = {"type": options.thinking}
        output: dict[str, Any] = {}
        if options.effort is not None:
            output["effort"] = options.effort
        if prompt.schema is not None:
            output["format"] = {"type": "json_schema", "schema": prompt.schema}
        if output:
            request["output_config"] = output
        return request

    async def warm(self) -> None:
        """Opens a connection with a request that is free of charge (the list of models). Never fails."""
        import httpx2
        from anthropic import AnthropicError

        try:
            await self._client.models.list(limit=1)
        except (AnthropicError, httpx2.HTTPError):
            return  # the first call finds out what is wrong, and says so

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.close()


def _block(text: str, *, cached: bool) -> dict[str, Any]:
    """A text block; with `cached` the prompt up to its end is offered to the provider's cache."""
    block: dict[str, Any] = {"type": "text", "text": text}
    return {**block, "cache_control": {"type": "ephemeral"}} if cached else block


def messages_of(prompt: Prompt) -> list[dict[str, Any]]:
    """The messages of a request: a breakpoint behind the last one that stays as it is, the notes in the last one."""
    made: list[dict[str, Any]] = [{"role": message.role, "content": message.text} for message in prompt.messages]
    if prompt.cache and len(made) > 1:
        made[-2]["content"] = [_block(prompt.messages[-2].text, cached=True)]
    if prompt.memory:
        made[-1]["content"] = [_block(text, cached=False) for text in (prompt.memory, prompt.messages[-1].text)]
    return made


class _TokenCount:
    """Follows the events of one stream and keeps the call's token counts right at every moment.

    Until the provider reports, the counts are estimates: a call may be cancelled between any two events.
    """

    def __init__(self, call: ProviderCall, prompt: Prompt) -> None:
        self.complete = False
        self._call = call
        self._characters = 0
        texts = [prompt.system, prompt.memory, *(message.text for message in prompt.messages)]
        call.quantities[Unit.INPUT_TOKENS] = _estimate(sum(map(len, texts)))
        call.estimated = True

    def text_of(self, event: RawMessageStreamEvent) -> str:
        """The text that an event carries; empty for events without."""
        quantities = self._call.quantities
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            self._characters += len(event.delta.text)
            quantities[Unit.OUTPUT_TOKENS] = _estimate(self._characters)
            return event.delta.text
        if event.type == "message_start":
            usage = event.message.usage
            quantities[Unit.INPUT_TOKENS] = usage.input_tokens or 0
            quantities[Unit.CACHE_WRITE_TOKENS] = usage.cache_creation_input_tokens or 0
            quantities[Unit.CACHE_READ_TOKENS] = usage.cache_read_input_tokens or 0
        elif event.type == "message_delta":
            quantities[Unit.OUTPUT_TOKENS] = event.usage.output_tokens
            self._call.estimated = False
        elif event.type == "message_stop":
            self.complete = True
        return ""


def _estimate(characters: int) -> int:
    return -(-characters // _CHARACTERS_PER_TOKEN)


def _classify(error: Exception, call: ProviderCall) -> Failure:
    failure = _failure(error, call)
    if not call.accepted and failure.kind is not ErrorKind.TIMEOUT:
        call.quantities.clear()  # what was refused is not billed; what was too slow may well be
        call.estimated = False
    return failure


def _failure(error: Exception, call: ProviderCall) -> Failure:
    from anthropic import APIConnectionError, APIStatusError

    if isinstance(error, APIStatusError):
        kind = _BY_TYPE.get(error.type or "") or kind_of_status(error.status_code)
        return Failure(kind, retry_after_s(error.response.headers))
    if isinstance(error, APIConnectionError) and isinstance(error.__cause__, Exception):
        return Failure(kind_of_transport_error(error.__cause__, call))
    return Failure(kind_of_transport_error(error, call))
