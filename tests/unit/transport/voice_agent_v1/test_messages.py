"""The wire messages, and that docs/protocol.md names every one of them."""

from __future__ import annotations

import contextlib
import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.transport.voice_agent_v1 import messages
from agent.transport.voice_agent_v1.messages import (
    CLIENT_TYPES,
    ClientMessage,
    CloseCode,
    ServerMessage,
    Start,
    Text,
    decode,
)
from tests.support.paths import ROOT

PROTOCOL = ROOT / "docs" / "protocol.md"


def tags(union: object) -> dict[str, type]:
    return {kind.__struct_config__.tag: kind for kind in typing.get_args(union)}


def test_known_messages_are_read_and_unknown_fields_ignored() -> None:
    assert decode('{"type": "text", "text": "hi", "colour": "red"}') == Text(text="hi")
    assert decode('{"type": "start"}') == Start()


def test_an_unknown_type_is_none() -> None:
    assert decode('{"type": "dance"}') is None


@pytest.mark.parametrize("frame", ["", "{", "[]", "null", "7", '{"type": 7}', "{}", '{"type": "text", "text": []}'])
def test_broken_messages_raise_decode_errors_only(frame: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        decode(frame)


def test_brackets_without_end_are_a_decode_error_too() -> None:
    with pytest.raises(msgspec.DecodeError, match="nested too deeply"):
        decode('{"type": "hangup", "unknown": ' + "[" * 6_000)


@given(st.text(max_size=100))
def test_no_text_makes_decode_raise_anything_else(frame: str) -> None:
    with contextlib.suppress(msgspec.DecodeError):
        decode(frame)


def test_the_protocol_page_names_every_message_field_and_close_code() -> None:
    page = PROTOCOL.read_text()
    lines = page.splitlines()
    for name in tags(ClientMessage) | tags(ServerMessage):  # their fields are in docs/reference/protocol.md
        assert any(line.startswith((f"| `{name}` |", f"- `{name}`:")) for line in lines), name
    codes = [value for key, value in vars(CloseCode).items() if key.isupper()]
    assert all(f"| {code} |" in page for code in codes)
    assert set(tags(ClientMessage)) == CLIENT_TYPES
    assert messages.SUBPROTOCOL in page
