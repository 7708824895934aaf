"""`docs/reference/protocol.md`, from the message types of the session protocol."""

from __future__ import annotations

from typing import Any, Final, get_args

import msgspec

from agent.transport.voice_agent_v1 import messages
from agent.transport.voice_agent_v1.messages import ClientMessage, ServerMessage, WireMessage
from tools.docs.declared import field_texts
from tools.docs.markdown import entry, page, sentence, wrapped

_KINDS: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "object": "object",
    "array": "list",
}


def reference() -> str:
    """The page."""
    intro = (
        f"Every message of `{messages.SUBPROTOCOL}`. [protocol.md](../protocol.md) tells what is sent when. A text"
        " frame is a JSON object whose `type` names the message; a binary frame is audio: PCM, signed 16-bit"
        " little-endian, mono, 16 kHz. The same as AsyncAPI 3.0: [asyncapi.json](asyncapi.json)."
    )
    return page(
        "Messages of the session protocol",
        intro,
        _messages("From the client", get_args(ClientMessage)),
        _messages("From the server", get_args(ServerMessage)),
        _close_codes(),
    )


def _messages(title: str, kinds: tuple[type[WireMessage], ...]) -> str:
    return f"## {title}\n\n" + "\n\n".join(map(_message, kinds))


def _message(kind: type[WireMessage]) -> str:
    said = wrapped(kind.__doc__ or "")
    return "\n\n".join(filter(None, (f"### `{kind.__struct_config__.tag}`", said, "\n".join(_fields(kind, 0)))))


def _fields(kind: type[msgspec.Struct], depth: int) -> list[str]:
    texts, lines = field_texts(kind), list[str]()
    _, components = msgspec.json.schema_components((kind,), ref_template="{name}")
    properties: dict[str, Any] = components[kind.__name__]["properties"]
    for field in msgspec.structs.fields(kind):
        nested = isinstance(field.type, type) and issubclass(field.type, msgspec.Struct)
        takes = "object" if nested else _type(properties[field.encode_name])
        default = "" if field.required or nested else f"Default `{msgspec.json.encode(field.default).decode()}`."
        said = sentence(texts.get(field.name, ""))
        lines.append(entry(field.encode_name, f"({takes}).", said, default, depth=depth))
        if nested:
            lines += _fields(field.type, depth + 1)
    return lines


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(_type, schema["anyOf"])))
    if "enum" in schema:
        return " or ".join(f"`{choice}`" for choice in schema["enum"])
    return _KINDS.get(schema.get("type", ""), "any JSON")


def _close_codes() -> str:
    texts = field_texts(messages.CloseCode)
    lines = [
        entry(str(code), sentence(f"{name.lower().replace('_', ' ')}{': ' if texts[name] else ''}{texts[name]}"))
        for name, code in vars(messages.CloseCode).items()
        if name.isupper()
    ]
    return "## Close codes\n\n" + "\n".join(lines)
