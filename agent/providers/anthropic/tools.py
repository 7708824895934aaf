"""Tool use on the wire of the Messages API: what is declared, what a stream asks for, and what is sent back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agent.providers.base import Prompt, ToolRound, ToolSpec, ToolUse
from agent.providers.wire_values import clean

if TYPE_CHECKING:
    from anthropic.types import RawMessageStreamEvent

MOST_USES: Final = 16
"""Calls of one message that are taken; what a model asks for beyond that is not run."""
MOST_ARGUMENTS: Final = 16_000
"""Characters of the arguments of one call; a longer one is broken, and fails its check."""


NO_NAME: Final = "no_name"
"""The name of a call that has none which could be sent back."""
_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,256}")
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def tool_declarations(tools: Iterable[ToolSpec]) -> list[dict[str, Any]]:
    """The `tools` of a request."""
    return [{"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in tools]


def round_messages(prompt: Prompt, model: str) -> list[dict[str, Any]]:
    """The messages behind the caller's: each round is the assistant's calls and the user's message with all results."""
    messages: list[dict[str, Any]] = []
    for done in prompt.rounds:
        messages.append({"role": "assistant", "content": _asked(done, model)})
        results = [
            {"type": "tool_result", "tool_use_id": result.use_id, "content": result.content, "is_error": result.failed}
            for result in done.results
        ]
        messages.append({"role": "user", "content": results})
    return messages


def _asked(done: ToolRound, model: str) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [dict(block) for block in done.thoughts] if done.model == model else []
    if done.text.strip():
        blocks.append({"type": "text", "text": done.text.strip()})
    return blocks + [
        {"type": "tool_use", "id": use.id, "name": use.name, "input": _input(use.arguments)} for use in done.uses
    ]


def _input(arguments: str) -> Any:
    """The arguments as an object; what was not one is sent back empty, beside the result that says so."""
    try:
        return msgspec.json.decode(arguments or "{}", type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return {}


class ToolUseReader:
    """Collects the calls that one stream asks for; its JSON comes in pieces of any length.

    Where none was `offered`, what a stream asks for is no output: there is nobody to run it.
    """

    def __init__(self, offered: bool = True) -> None:
        self._offered = offered
        self.uses: list[ToolUse] = []
        self.thoughts: list[dict[str, Any]] = []
        self._open: dict[int, tuple[str, str, list[str]]] = {}

    def writes(self, event: RawMessageStreamEvent) -> bool:
        """Takes an event; whether it is a part of a call."""
        if event.type == "content_block_start" and event.content_block.type == "tool_use":
            if not self._offered:
                return False
            self._open[event.index] = (*self._named(event.content_block), [])
            return True
        if event.type == "content_block_start" and event.content_block.type == "thinking":
            self.thoughts.append({"type": "thinking", "thinking": "", "signature": ""})
        if event.type == "content_block_delta":
            return self._delta(event.index, event.delta)
        if event.type == "content_block_stop" and event.index in self._open and len(self.uses) < MOST_USES:
            identity, name, parts = self._open.pop(event.index)
            self.uses.append(ToolUse(identity, name, clean("".join(parts)[:MOST_ARGUMENTS])))
        return False

    def _named(self, block: object) -> tuple[str, str]:
        """Id and name of a call. Both are sent back: one that is missing, doubled or no name would be refused there."""
        identity, name = getattr(block, "id", None), getattr(block, "name", None)
        used = {use.id for use in self.uses} | {known for known, _, _ in self._open.values()}
        if not isinstance(identity, str) or not _ID.fullmatch(identity) or identity in used:
            identity = f"toolu_without_id_{len(used)}"
        return identity, name if isinstance(name, str) and _NAME.fullmatch(name) else NO_NAME

    def _delta(self, index: int, delta: Any) -> bool:
        if delta.type == "input_json_delta" and index in self._open:
            self._open[index][2].append(delta.partial_json)
            return True
        if self.thoughts and delta.type == "thinking_delta":
            self.thoughts[-1]["thinking"] += clean(delta.thinking)
        if self.thoughts and delta.type == "signature_delta":
            self.thoughts[-1]["signature"] += clean(delta.signature)
        return False
