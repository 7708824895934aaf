"""Claude through the official SDK's streaming Messages API."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from agent.core.calls import CUT_REPLIES, CallRecorder, ErrorKind, StopReason, Unit
from agent.providers.anthropic.models import ThinkingChoice, options_of, with_choice
from agent.providers.anthropic.thoughts import ThoughtWatch
from agent.providers.anthropic.tools import ToolUseReader, round_messages, tool_declarations
from agent.providers.base import Prompt, TextDelta
from agent.providers.call import Failure, ProviderCall
from agent.providers.headroom import headroom_of
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
from agent.providers.refusals import refusal_of
from agent.providers.sdk import SdkClient
from agent.providers.wire_values import clean, tokens

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import RawMessageStreamEvent

_CHARACTERS_PER_TOKEN: Final = 4  # a rule of thumb for English, for estimates only

# `error.type` of the API; an error inside a stream has HTTP status 200, so the type decides what status it stands for.
_STATUS_BY_TYPE: Final = {
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    "invalid_request_error": 400,
}


class Claude:
    """One Claude model. Retries nothing: the chain decides what comes next.

    `base_url` is any host that speaks the Messages API; None is the vendor's. The SDK is imported by `load`, or by the
    first call.
    """

    provider = "anthropic"

    def __init__(
        self,
        *,
        api_key: str,
        model: str,
        base_url: str | None = None,
        read_timeout_s: float = READ_TIMEOUT_S,
        thinking: ThinkingChoice | None = None,
    ) -> None:
        """`thinking` is what the operator says of this model; None leaves what the table says."""
        self.model = model
        self._options = with_choice(options_of(model), thinking)
        self._told_of_thoughts = False
        self._client = SdkClient(partial(_connect, api_key, base_url, read_timeout_s))

    def load(self) -> None:
        """Imports the SDK and makes its client: the first call does not have to."""
        self._client.get()

    async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
        """Streams one reply. Raises ProviderError. Closing the generator stops the generation.

        A reply without a letter or digit is `empty`, a refusal `declined`; one that stopped at a limit ends with a
        delta that says so. Usage that the provider did not report is estimated at four characters a token, and marked.
        """
        with ProviderCall("llm", self.provider, self.model, recorder, _classify) as call:
            count, tools = TokenCount(call, prompt), ToolUseReader(bool(prompt.tools) and prompt.may_use_tools)
            request: Any = self._request(prompt)
            watch = ThoughtWatch()
            async with (
                self._watching(watch),
                await self._client.get().messages.create(
                    **request, stream=True, extra_headers=session_headers(session)
                ) as stream,
            ):
                call.accepted = True
                call.headroom = headroom_of(stream.response.headers)
                async for event in cast("AsyncIterator[RawMessageStreamEvent]", stream):
                    watch.event(event)
                    text = count.text_of(event)
                    if text:
                        watch.spoke()
                        if speakable(text):
                            call.first_output()
                        yield TextDelta(text)
                    elif tools.writes(event):
                        call.first_output()
                        yield TextDelta("", calling=True)
            if not count.complete:
                raise call.error(ErrorKind.DISCONNECTED)
            self._check_end(call)
            if call.stopped is StopReason.TOOL_USE and tools.uses:
                yield TextDelta("", uses=tuple(tools.uses), thoughts=tuple(tools.thoughts))
            elif tools.uses and not count.wrote:
                raise call.error(ErrorKind.INCOMPLETE)  # it was cut off while it wrote down a call
            elif call.stopped in CUT_REPLIES:
                yield TextDelta("", cut=True)

    @asynccontextmanager
    async def _watching(self, watch: ThoughtWatch) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._told_of_thoughts = watch.close(self.model, told=self._told_of_thoughts)

    def _check_end(self, call: ProviderCall) -> None:
        """Raises ProviderError where a stream that came to its end is no answer for all that."""
        if call.stopped is StopReason.REFUSAL:
            raise call.error(ErrorKind.DECLINED)
        if call.stopped is StopReason.PAUSE_TURN:
            raise call.error(ErrorKind.INCOMPLETE)
        if call.first_output_at is not None:
            return
        kinds = {StopReason.CONTEXT_EXCEEDED: ErrorKind.TOO_LONG, StopReason.TOOL_USE: ErrorKind.INCOMPLETE}
        raise call.error(kinds.get(call.stopped or StopReason.OTHER, ErrorKind.EMPTY))

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        options = self._options
        request: dict[str, Any] = {
            "model": self.model,
            "max_tokens": max(prompt.max_tokens, options.least_output_tokens),
            "messages": [*messages_of(prompt), *round_messages(prompt, self.model)],
        }
        if prompt.tools:
            request["tools"] = tool_declarations(prompt.tools)
            if not prompt.may_use_tools:
                request["tool_choice"] = {"type": "none"}
        if prompt.system:
            request["system"] = [_block(prompt.system, cached=prompt.cache)]
        if options.thinking is not None:
            request["thinking"] = {"type": options.thinking}
        output: dict[str, Any] = {}
        if not options.template_thinks:
            request["extra_body"] = {"chat_template_kwargs": {"enable_thinking": False}}
        if options.effort is not None:
            output["effort"] = options.effort
        if prompt.schema is not None:
            output["format"] = {"type": "json_schema", "schema": prompt.schema}
        if output:
            request["output_config"] = output
        return request

    async def warm(self) -> None:
        """Opens a connection with a request that is free of charge (the list of models). Never fails."""
        with suppress(Exception):  # the first call finds out what is wrong, and says so
            await self._client.get().models.list(limit=1)

    async def clock_ahead_s(self) -> float | None:
        """By how many seconds our clock is ahead of the vendor's; None where it does not say."""
        import httpx2
        from anthropic import APIConnectionError, APIStatusError

        try:
            headers = (await self._client.get().models.with_raw_response.list(limit=1)).headers
        except APIStatusError as error:
            headers = error.response.headers
        except (APIConnectionError, httpx2.HTTPError):
            return None
        try:
            return time.time() - parsedate_to_datetime(headers.get("date") or "").timestamp()
        except (ValueError, TypeError, OverflowError):
            return None

    async def close(self) -> None:
        """Closes the connections."""
        if self._client.made is not None:
            await self._client.made.close()


def _connect(api_key: str, base_url: str | None, read_timeout_s: float) -> AsyncAnthropic:
    """A client that retries nothing and keeps connections for 300 s. Imports the SDK."""
    import httpx2
    from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

    timeout = httpx2.Timeout(read_timeout_s, connect=CONNECT_TIMEOUT_S)
    limits = httpx2.Limits(
        max_connections=MAX_CONNECTIONS,
        max_keepalive_connections=MAX_IDLE_CONNECTIONS,
        keepalive_expiry=KEEPALIVE_EXPIRY_S,
    )
    client = AsyncAnthropic(
        api_key=api_key,
        base_url=base_url,
        max_retries=0,
        timeout=timeout,
        open_telemetry=False,  # the service makes its own spans, from the timeline
        http_client=DefaultAsyncHttpxClient(limits=limits, timeout=timeout),
    )
    _ = client.messages  # imported on first use: now, and not in the first call
    return client


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


class TokenCount:
    """Follows the events of one stream and keeps the call's token counts right at every moment.

    Until the provider reports, the counts are estimates: a call may be cancelled between any two events.
    """

    def __init__(self, call: ProviderCall, prompt: Prompt) -> None:
        self.complete = False
        self._call = call
        self._characters = self._texts = 0
        self._input_reported = False
        call.quantities[Unit.INPUT_TOKENS] = _estimate(sum(map(len, prompt.texts())))
        call.estimated = True

    @property
    def wrote(self) -> bool:
        """Whether there was any text."""
        return self._texts > 0

    def text_of(self, event: RawMessageStreamEvent) -> str:
        """The text that an event carries; empty for events without."""
        quantities = self._call.quantities
        if event.type == "content_block_delta" and event.delta.type == "text_delta":
            return self._wrote(event.delta.text)
        if event.type == "content_block_start" and event.content_block.type == "text":
            return self._wrote(event.content_block.text or "")  # "" at the vendor's; gateways may put words there
        if event.type == "content_block_delta" and event.delta.type in _UNHEARD:
            self._characters += len(getattr(event.delta, _UNHEARD[event.delta.type], None) or "")
            quantities[Unit.OUTPUT_TOKENS] = _estimate(self._characters)
        if event.type == "message_start":
            self._input_reported = self._take_input(getattr(event.message, "usage", None))
        elif event.type == "message_delta":
            # Servers of one's own leave out what they do not know, and the SDK makes nothing up.
            usage: object = getattr(event, "usage", None)
            self._call.stopped = _stop_reason(getattr(event.delta, "stop_reason", None))
            self._input_reported = self._take_input(usage) or self._input_reported
            written = _tokens(usage, "output_tokens")
            if written or not self._characters:
                quantities[Unit.OUTPUT_TOKENS] = written or 0
            self._call.estimated = not self._input_reported or written is None
            self.complete = self._call.stopped is not None  # nothing comes after it but `message_stop`
        elif event.type == "message_stop":
            self.complete = True
        return ""

    def _wrote(self, text: str) -> str:
        if not text:
            return ""
        self._characters += len(text)
        self._texts += 1
        self._call.quantities[Unit.OUTPUT_TOKENS] = _estimate(self._characters)
        return clean(text)

    def _take_input(self, usage: object) -> bool:
        """Whether a usage says what the prompt was; gateways have been seen to leave it out or to fill in zeros."""
        read = [(unit, _tokens(usage, name)) for unit, name in _INPUT_FIELDS]
        if not any(count for _, count in read):
            return False
        for unit, count in read:
            if count is not None:
                self._call.quantities[unit] = count
        return True


_UNHEARD: Final = {"input_json_delta": "partial_json", "thinking_delta": "thinking"}
"""Deltas that nobody hears and that are paid for, and where their text is."""
_INPUT_FIELDS: Final = (
    (Unit.INPUT_TOKENS, "input_tokens"),
    (Unit.CACHE_WRITE_TOKENS, "cache_creation_input_tokens"),
    (Unit.CACHE_READ_TOKENS, "cache_read_input_tokens"),
)


def _tokens(usage: object, name: str) -> int | None:
    """A count of a usage object; None where there is none. The SDK builds its objects without checking them."""
    return tokens(getattr(usage, name, None))


def _stop_reason(name: str | None) -> StopReason | None:
    if name is None:
        return None
    return StopReason(name) if name in _STOP_REASONS else StopReason.OTHER


_STOP_REASONS: Final = frozenset(StopReason)


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
        status = _STATUS_BY_TYPE.get(error.type or "", error.status_code)
        call.headroom = headroom_of(error.response.headers)
        refusal = refusal_of(status, error.body)
        return refusal.failure(kind_of_status(status), retry_after_s(error.response.headers))
    if isinstance(error, APIConnectionError) and isinstance(error.__cause__, Exception):
        return Failure(kind_of_transport_error(error.__cause__, call))
    return Failure(kind_of_transport_error(error, call))
