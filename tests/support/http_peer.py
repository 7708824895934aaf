"""A server on loopback that answers every request with the same bytes, whatever the SDKs make of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def http_peer(
    body: bytes | bytearray, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> AsyncGenerator[str]:
    """Its address, while it runs. The bytes may be changed meanwhile."""
    fields = {"content-type": "application/json", **(headers or {})}
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        sizes = [line for line in request.split("\r\n") if line.startswith("content-length:")]
        await reader.readexactly(int(sizes[0].split(":")[1]) if sizes else 0)
        writer.write(f"{head}content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def message_stream(blocks: Sequence[Mapping[str, Any]], *, stop: str, usage: Mapping[str, Any]) -> bytes:
    """A stream of the Messages API with these content blocks: `{"text": …}`, or the start of a block as it is."""
    started = {"type": "message", "id": "m", "role": "assistant", "model": "claude", "content": [], "usage": usage}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": started}]
    for index, block in enumerate(blocks):
        begins = {"type": "text", "text": ""} if "text" in block else dict(block)
        events.append({"type": "content_block_start", "index": index, "content_block": begins})
        if "text" in block:
            delta = {"type": "text_delta", "text": block["text"]}
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    events += [{"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage}, {"type": "message_stop"}]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()
