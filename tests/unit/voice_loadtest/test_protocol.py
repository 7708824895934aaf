"""The callers' view of the protocol takes whatever the service may send."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from agent.transport.voice_agent_v1 import messages
from voice_loadtest.protocol import decode

KINDS: tuple[type[msgspec.Struct], ...] = get_args(messages.ServerMessage)
_OF_TYPE: dict[Any, Any] = {str: "words", int: 2, float: 1.5, bool: True, msgspec.Raw: msgspec.Raw(b"{}")}


def least(kind: type[msgspec.Struct]) -> msgspec.Struct:
    """A message with null in every field that may be null."""
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        options = get_args(field.type)
        if type(None) in options:
            values[field.name] = None
        elif options:
            values[field.name] = {} if field.type.__origin__ is dict else ()
        else:
            values[field.name] = _OF_TYPE[field.type]
    return kind(**values)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_message_with_nulls_where_they_may_be_is_read(kind: type[msgspec.Struct]) -> None:
    frame = messages.encode(least(kind))  # pyright: ignore[reportArgumentType]
    assert decode(frame).type == kind.__struct_config__.tag
