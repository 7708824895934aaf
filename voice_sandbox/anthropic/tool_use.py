"""Tool use of the Messages API: what a request may declare and send back, and the blocks in which a model asks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from voice_sandbox.http_response import identifier

Invalid = Callable[[str], Exception]
"""The words of a refusal → the error to raise."""
_NAME: Final = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
_CHOICES: Final = ("auto", "any", "tool", "none")
_PART: Final = 12  # characters of a delta of arguments, about
BROKEN: Final = "broken_json"
UNKNOWN: Final = "unknown_tool"
AGAIN: Final = "again"
BAD_ARGUMENTS: Final = "bad_arguments"


@dataclass(frozen=True, slots=True)
class ToolUseBlock:
    """One call that a model asks for. `arguments` is JSON, or what a fault has made of it."""

    id: str
    name: str
    arguments: str

    def opening(self) -> dict[str, Any]:
        """The block as a stream begins it: its input follows in deltas."""
        return {"type": "tool_use", "id": self.id, "name": self.name, "input": {}}

    def block(self) -> dict[str, Any]:
        """The whole block."""
        return {**self.opening(), "input": json.loads(self.arguments)}

    def parts(self) -> list[str]:
        """The arguments in deltas; the first is empty, as the vendor sends it, and the cuts follow no token."""
        return ["", *(self.arguments[at : at + _PART] for at in range(0, len(self.arguments), _PART))]


def blocks_for(wishes: Sequence[tuple[str, Mapping[str, Any]]], fault: str) -> tuple[ToolUseBlock, ...]:
    """The blocks of these calls, under a fault."""
    made: list[ToolUseBlock] = []
    for name, arguments in wishes:
        given = dict(arguments) | ({"as_you_like": True} if fault == BAD_ARGUMENTS else {})
        text = json.dumps(given)
        text = text[:-2] if fault == BROKEN else text
        made.append(ToolUseBlock(identifier("toolu_"), f"{name}_now" if fault == UNKNOWN else name, text))
    return tuple(made)


def check_tools(body: Mapping[str, Any], invalid: Invalid) -> None:
    """Declared tools, and that every call has its result in the message after it. Raises what `invalid` makes."""
    tools = body.get("tools")
    names = _declared(tools, invalid)
    choice = body.get("tool_choice")
    if choice is not None:
        kind = choice.get("type") if isinstance(choice, dict) else None
        if kind not in _CHOICES:
            raise invalid(f"tool_choice.type: Input should be one of {', '.join(map(repr, _CHOICES))}")
        if not names:
            raise invalid("tool_choice: may only be specified while providing tools")
    asked: set[str] = set()
    used = False
    for i, message in enumerate(cast("list[dict[str, Any]]", body["messages"])):
        parts = [part for part in message["content"] if isinstance(part, dict)] if _listed(message) else []
        answered = _answered(parts, asked, i, invalid)
        if missing := sorted(asked - answered):
            raise invalid(
                f"messages.{i}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        asked = _asked(parts, message["role"], i, invalid)
        used = used or bool(asked or answered)
    if asked:
        raise invalid(f"messages: `tool_use` ids were found without `tool_result` blocks: {', '.join(sorted(asked))}")
    if used and not names:
        raise invalid("Requests which include `tool_use` or `tool_result` blocks must define tools")


def _listed(message: Mapping[str, Any]) -> bool:
    return isinstance(message["content"], list)


def _declared(tools: Any, invalid: Invalid) -> set[str]:
    names: set[str] = set()
    if tools is None:
        return names
    if not isinstance(tools, list):
        raise invalid("tools: Input should be a valid list")
    for i, tool in enumerate(cast("list[Any]", tools)):
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str) or not _NAME.match(tool["name"]):
            raise invalid(f"tools.{i}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        schema = tool.get("input_schema")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise invalid(f"tools.{i}.input_schema.type: Input should be 'object'")
        if tool["name"] in names:
            raise invalid("tools: Tool names must be unique.")
        names.add(tool["name"])
    return names


def _answered(parts: Sequence[Mapping[str, Any]], asked: set[str], i: int, invalid: Invalid) -> set[str]:
    found: set[str] = set()
    for j, part in enumerate(parts):
        if part.get("type") != "tool_result":
            continue
        identity = part.get("tool_use_id")
        if identity not in asked:
            raise invalid(
                f"messages.{i}.content.{j}: unexpected `tool_use_id` found in `tool_result` blocks: {identity}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous message."
            )
        found.add(identity)
    return found


def _asked(parts: Sequence[Mapping[str, Any]], role: str, i: int, invalid: Invalid) -> set[str]:
    found: set[str] = set()
    for j, part in enumerate(parts):
        if part.get("type") != "tool_use":
            continue
        if role != "assistant":
            raise invalid(f"messages.{i}.content.{j}: `tool_use` blocks can only be in `assistant` messages")
        if not isinstance(part.get("id"), str) or not isinstance(part.get("input"), dict):
            raise invalid(f"messages.{i}.content.{j}.tool_use.input: Input should be a valid dictionary")
        if part["id"] in found:
            raise invalid(f"messages.{i}: `tool_use` ids must be unique")
        found.add(part["id"])
    return found
