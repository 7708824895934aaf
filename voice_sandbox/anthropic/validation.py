"""What the Messages API accepts: models and their abilities, and the validation of a request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import msgspec

from voice_sandbox.anthropic.prompt_cache import MAX_BREAKPOINTS
from voice_sandbox.anthropic.tool_use import check_tools


@dataclass(frozen=True, slots=True)
class Model:
    """What one model accepts, and does when not told."""

    thinking: frozenset[str]
    """Types of `thinking` it accepts."""
    thinks_by_default: bool
    minimum_cache_tokens: int = 4096
    """Shortest cacheable prefix. 4,096 is documented for Haiku 4.5; nothing is published for the 5.5 family, which
    is given the same."""
    prefill: bool = False
    """Whether the last message may be the assistant's."""


_OLDER: Final = frozenset({"enabled", "disabled", "adaptive"})
# Thinking per model: Haiku 5.5 can be told not to think (at an effort of high or less), Sonnet 5.5 takes
# `between_tools` in place of `disabled`, Opus 5.5 always thinks (docs.apiyi.com, 2026-11-09).
MODELS: Final[Mapping[str, Model]] = {
    "claude-haiku-5-5": Model(frozenset({"disabled", "adaptive", "between_tools"}), True),
    "claude-sonnet-5-5": Model(frozenset({"adaptive", "between_tools"}), True),
    "claude-opus-5-5": Model(frozenset({"adaptive"}), True),
    "claude-haiku-4-5": Model(_OLDER, False, prefill=True),
    "claude-haiku-4-5-20251001": Model(_OLDER, False, prefill=True),
    "claude-sonnet-4-6": Model(_OLDER, False, minimum_cache_tokens=1024),
    "claude-sonnet-5": Model(frozenset({"disabled", "adaptive"}), False, minimum_cache_tokens=1024),
}
_LOW_EFFORT: Final = frozenset({"low", "medium", "high"})
_KEYS: Final = frozenset(
    {"max_tokens", "messages", "model", "cache_control", "container", "diagnostics", "inference_geo", "metadata"}
    | {
        "output_config",
        "service_tier",
        "speed",
        "stop_sequences",
        "stream",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    }
    | {"temperature", "top_p", "top_k"}
)


class InvalidRequestError(Exception):
    """The API refuses the request with this status, error type and message."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message


def _invalid(message: str) -> InvalidRequestError:
    return InvalidRequestError(400, "invalid_request_error", message)


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises RefusedError without a key (x-api-key or a bearer token) or without anthropic-version."""
    key = headers.get("x-api-key", "") or headers.get("authorization", "").removeprefix("Bearer")
    if not key.strip():
        raise InvalidRequestError(401, "authentication_error", "x-api-key header is required")
    if "anthropic-version" not in headers:
        raise _invalid("anthropic-version: header is required")


def parse(raw: bytes, *, counting: bool = False) -> tuple[dict[str, Any], Model]:
    """The body of a request and its model. With `counting`, as count_tokens takes it. Raises RefusedError."""
    try:
        body = msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise _invalid("The request body is not valid JSON") from error
    for key in body:
        if key not in _KEYS:
            raise _invalid(f"{key}: Extra inputs are not permitted")
    name = body.get("model")
    if not isinstance(name, str) or not name:
        raise _invalid("model: Field required")
    if name not in MODELS:
        raise InvalidRequestError(404, "not_found_error", f"model: {name}")
    if not counting:
        _check_max_tokens(body)
    model = MODELS[name]
    _check_messages(body.get("messages"), model)
    check_tools(body, _invalid)
    _check_text(body.get("system"), "system")
    _check_thinking(body, model)
    _check_format(body)
    _check_breakpoints(body)
    return body, model


def _check_max_tokens(body: dict[str, Any]) -> None:
    if "max_tokens" not in body:
        raise _invalid("max_tokens: Field required")
    wanted = body["max_tokens"]
    if not isinstance(wanted, int) or isinstance(wanted, bool):
        raise _invalid("max_tokens: Input should be a valid integer")
    if wanted < 0:
        raise _invalid("max_tokens: Input should be greater than or equal to 0")


def _check_messages(messages: Any, model: Model) -> None:
    if not isinstance(messages, list):
        raise _invalid("messages: Field required")
    if not messages:
        raise _invalid("messages: at least one message is required")
    entries = cast("list[Any]", messages)
    for i, message in enumerate(entries):
        if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
            raise _invalid(f"messages.{i}.role: Input should be 'user', 'assistant' or 'system'")
        content = message.get("content")
        if content is None:
            raise _invalid(f"messages.{i}.content: Field required")
        last_of_assistant = i == len(entries) - 1 and message["role"] == "assistant"
        if not content and not last_of_assistant:
            raise _invalid(
                f"messages.{i}: all messages must have non-empty content "
                "except for the optional final assistant message"
            )
        _check_text(content, f"messages.{i}")
    if entries[0]["role"] == "assistant":
        raise _invalid('messages: first message must use the "user" role')
    if entries[-1]["role"] == "assistant" and not model.prefill:
        raise _invalid(
            "This model does not support assistant message prefill. The conversation must end with a user message."
        )


def _check_text(content: Any, place: str) -> None:
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        raise _invalid(f"{place}: Input should be a valid string or list")
    for i, part in enumerate(cast("list[Any]", content)):
        if not isinstance(part, dict) or not isinstance(part.get("type"), str):
            raise _invalid(f"{place}.{i}: Input should be a valid content block")
        if part["type"] != "text":
            continue
        if not isinstance(part.get("text"), str):
            raise _invalid(f"{place}.{i}.text: Field required")
        if not part["text"].strip():
            raise _invalid(f"{place}: text content blocks must contain non-whitespace text")


def _check_thinking(body: dict[str, Any], model: Model) -> None:
    thinking = body.get("thinking")
    if thinking is None:
        return
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind not in model.thinking:
        accepted = ", ".join(f"'{name}'" for name in sorted(model.thinking))
        raise _invalid(f"thinking.type: '{kind}' is not supported on this model: use one of {accepted}")
    config = body.get("output_config")
    effort = config.get("effort") if isinstance(config, dict) else None
    if kind == "disabled" and effort is not None and effort not in _LOW_EFFORT:
        raise _invalid(f"thinking: 'disabled' is not supported with effort '{effort}'")


def _check_format(body: dict[str, Any]) -> None:
    config = body.get("output_config")
    wanted = config.get("format") if isinstance(config, dict) else None
    if wanted is None:
        return
    if (
        not isinstance(wanted, dict)
        or wanted.get("type") != "json_schema"
        or not isinstance(wanted.get("schema"), dict)
    ):
        raise _invalid("output_config.format: Input should be {'type': 'json_schema', 'schema': {...}}")


def _check_breakpoints(body: dict[str, Any]) -> None:
    markers: list[Any] = [body.get("cache_control")]
    tools = body.get("tools") or []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in cast("list[Any]", tools)):
        raise _invalid("tools: Input should be a valid list")
    markers += [tool.get("cache_control") for tool in cast("list[dict[str, Any]]", tools)]
    contents: list[Any] = [body.get("system"), *(message["content"] for message in body["messages"])]
    for content in contents:
        if isinstance(content, list):
            markers += [part.get("cache_control") for part in cast("list[dict[str, Any]]", content)]
    set_markers = [marker for marker in markers if marker is not None]
    if len(set_markers) > MAX_BREAKPOINTS:
        raise _invalid(
            f"A maximum of {MAX_BREAKPOINTS} blocks with cache_control may be provided. Found {len(set_markers)}."
        )
    for marker in set_markers:
        if (
            not isinstance(marker, dict)
            or marker.get("type") != "ephemeral"
            or marker.get("ttl", "5m") not in ("5m", "1h")
        ):
            raise _invalid("cache_control: Input should be {'type': 'ephemeral'} with a ttl of '5m' or '1h'")


def thinks(body: dict[str, Any], model: Model) -> bool:
    """Whether the model thinks before its first word: as told, else as it does by default. `between_tools` does not."""
    thinking = body.get("thinking")
    return model.thinks_by_default if thinking is None else thinking["type"] in ("adaptive", "enabled")
