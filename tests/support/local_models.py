"""Stand-ins for model servers of one's own: each answers the Messages API as that program has been seen to.

What they leave out is the point: no usage, no cache fields, thoughts before the text, stop reasons of other protocols.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

TEXT: Final = ("Sure. ", "Which day?")
_THOUGHT: Final = {"type": "thinking", "thinking": "", "signature": ""}


@dataclass(frozen=True, slots=True)
class LocalServer:
    """How one program answers."""

    name: str
    model: str
    thinks: bool = False
    usage_at_start: dict[str, int] | None = None
    usage_at_end: dict[str, int] | None = None
    stop_reason: str | None = "end_turn"
    signs_thoughts: bool = True


SERVERS: Final = (
    LocalServer("ollama", "qwen3:8b", True, {"input_tokens": 0, "output_tokens": 0}, {"output_tokens": 9}),
    LocalServer("llama.cpp", "gemma-3-4b-it-Q4_K_M.gguf", False, {"input_tokens": 31}, {"output_tokens": 5}, "stop"),
    LocalServer("vllm", "Qwen/Qwen3-4B", True, None, {"input_tokens": 31, "output_tokens": 5}, signs_thoughts=False),
    LocalServer("lm_studio", "lmstudio-community/gemma-3", False, None, None, None),
)


@dataclass(slots=True)
class Asked:
    """What a stand-in was asked."""

    url: str = ""
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


def _events(server: LocalServer) -> list[dict[str, Any]]:
    start: dict[str, Any] = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": server.model,
    }
    if server.usage_at_start is not None:
        start["usage"] = server.usage_at_start
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}]
    index = 0
    if server.thinks:
        block = _THOUGHT if server.signs_thoughts else {"type": "thinking", "thinking": ""}
        thought = {"type": "thinking_delta", "thinking": "They want a room."}
        events += [
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": thought},
            {"type": "content_block_stop", "index": 0},
        ]
        index = 1
    events.append({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}})
    events += [
        {"type": "content_block_delta", "index": index, "delta": {"type": "text_delta", "text": text}} for text in TEXT
    ]
    events.append({"type": "content_block_stop", "index": index})
    end: dict[str, Any] = {"type": "message_delta", "delta": {}}
    if server.stop_reason is not None:
        end["delta"] = {"stop_reason": server.stop_reason}
    if server.usage_at_end is not None:
        end["usage"] = server.usage_at_end
    return [*events, end, {"type": "message_stop"}]


@asynccontextmanager
async def local_model(server: LocalServer, port: int = 0) -> AsyncGenerator[Asked]:
    """The stand-in on a port of this machine, a free one by itself, while the block runs."""
    asked = Asked()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:  # opened ahead, and closed without a request
            writer.close()
            return
        lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
        headers = {name.lower(): value.strip() for name, _, value in lines}
        asked.headers.append(headers)
        asked.bodies.append(json.loads(await reader.readexactly(int(headers["content-length"]))))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for event in _events(server):
            writer.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", port)
    asked.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener:
        yield asked
