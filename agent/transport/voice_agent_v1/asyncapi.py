"""The AsyncAPI 3.0 document of the session protocol, made from its message types (https://www.asyncapi.com)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Final, get_args

import msgspec

from agent.transport.voice_agent_v1.messages import SUBPROTOCOL, ClientMessage, ServerMessage, WireMessage

AUDIO: Final = "Audio"
_SCHEMAS: Final = "#/components/schemas/{name}"
_MESSAGE: Final = "#/components/messages/{}"
_CHANNEL_MESSAGE: Final = "#/channels/session/messages/{}"


def asyncapi() -> dict[str, Any]:
    """The document: one channel, what the client sends on it, and what it receives."""
    from_client, from_server = get_args(ClientMessage), get_args(ServerMessage)
    _, schemas = msgspec.json.schema_components((*from_client, *from_server), ref_template=_SCHEMAS)
    names = [_tag(kind) for kind in (*from_client, *from_server)]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Voice agent: session protocol",
            "version": version("voice-agent"),
            "description": "docs/protocol.md tells what is sent when, how a session begins, and every close code.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "session": {
                "address": "/v1/voice",
                "description": "One voice session. POST /v1/sessions gives the token and the address.",
                "messages": {name: {"$ref": _MESSAGE.format(name)} for name in (*names, AUDIO)},
                "bindings": {"ws": {"method": "GET", "headers": _upgrade_headers()}},
            }
        },
        "operations": {
            "fromClient": _operation("receive", from_client),
            "fromServer": _operation("send", from_server),
        },
        "components": {
            "messages": {**{_tag(kind): _message(kind) for kind in (*from_client, *from_server)}, AUDIO: _audio()},
            "schemas": dict(sorted(schemas.items())),
        },
    }


def _operation(action: str, kinds: tuple[type[WireMessage], ...]) -> Mapping[str, Any]:
    """What the service does on the channel: it receives the client's messages and sends its own."""
    names = [*map(_tag, kinds), AUDIO]
    return {
        "action": action,
        "channel": {"$ref": "#/channels/session"},
        "messages": [{"$ref": _CHANNEL_MESSAGE.format(name)} for name in names],
    }


def _message(kind: type[WireMessage]) -> Mapping[str, Any]:
    said = (kind.__doc__ or "").strip()
    return {
        "name": _tag(kind),
        **({"summary": said} if said else {}),
        "payload": {"$ref": _SCHEMAS.format(name=kind.__name__)},
    }


def _audio() -> Mapping[str, Any]:
    return {
        "name": AUDIO,
        "summary": "A binary frame: PCM, signed 16-bit little-endian, mono, 16 kHz.",
        "contentType": "audio/l16;rate=16000;endianness=little-endian",
        "payload": {"type": "string", "format": "binary"},
    }


def _upgrade_headers() -> Mapping[str, Any]:
    offer = {"type": "string", "description": f"{SUBPROTOCOL}, bearer.<token>"}
    return {"type": "object", "properties": {"Sec-WebSocket-Protocol": offer}, "required": ["Sec-WebSocket-Protocol"]}


def _tag(kind: type[WireMessage]) -> str:
    return str(kind.__struct_config__.tag)
