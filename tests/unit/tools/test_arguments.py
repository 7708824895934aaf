"""The shape of arguments, where a stranger wrote it: whatever it says, a check comes to its end."""

from __future__ import annotations

from typing import Any

import pytest

from agent.tools.arguments import ArgumentError, SchemaArguments, SchemaError


def doubling(depth: int) -> dict[str, Any]:
    """A schema in which each definition names the next one twice: 2**depth checks of one value."""
    steps: dict[str, Any] = {f"s{n}": {"allOf": [{"$ref": f"#/$defs/s{n + 1}"}] * 2} for n in range(depth)}
    return {
        "type": "object",
        "properties": {"room": {"$ref": "#/$defs/s0"}},
        "$defs": {**steps, f"s{depth}": {"type": "string"}},
    }


def test_a_strangers_schema_that_grows_without_end_is_given_up() -> None:
    arguments = SchemaArguments(doubling(60), foreign=True)
    with pytest.raises(ArgumentError, match="too often"):
        arguments.read('{"room": "garden"}')
    with pytest.raises(ArgumentError, match="too often"):
        arguments.read('{"room": "garden"}')


def test_a_strangers_references_are_followed_where_they_are_few() -> None:
    schema = {
        "type": "object",
        "properties": {"rooms": {"type": "array", "items": {"$ref": "#/$defs/room"}}},
        "$defs": {"room": {"type": "string", "maxLength": 9}},
    }
    arguments = SchemaArguments(schema, foreign=True)
    many = {"rooms": ["garden"] * 500}
    for _ in range(5):  # each call has a count of its own
        assert arguments.read('{"rooms": [' + ", ".join(['"garden"'] * 500) + "]}") == many
    with pytest.raises(ArgumentError, match="too long"):
        arguments.read('{"rooms": ["conservatory"]}')


def test_a_schema_that_is_nested_too_deep_is_none() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(400):
        deep = {"not": deep}
    with pytest.raises(SchemaError, match="too deep"):
        SchemaArguments({"type": "object", "properties": {"room": deep}}, foreign=True)
