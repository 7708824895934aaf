"""Stand-ins for speech servers of one's own that speak OpenAI's protocol (docs/local-models.md).

Each answers as we know its program: what they leave out, and how they put it, is the point.
"""

from __future__ import annotations

import asyncio
import json
import math
import struct
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from agent.policy.policies import DEFAULT_PATH
from voice_loadtest.stack.policies import uncached

_RATE: Final = 24_000
_PIECE: Final = 4_096


@dataclass(frozen=True, slots=True)
class AudioServer:
    """How one program answers."""

    name: str
    stt_model: str
    tts_model: str
    voice: str
    text: str = "{}"
    """The words, as the program writes them into `text`."""
    media_type: str = "audio/pcm"
    lists_models: bool = True


SERVERS: Final = (
    AudioServer("speaches", "Systran/faster-distil-whisper-small.en", "speaches-ai/Kokoro-82M-v1.0-ONNX", "af_heart"),
    AudioServer("whisper.cpp and Kokoro-FastAPI", "whisper-1", "kokoro", "af_heart", " {}\n", lists_models=False),
    AudioServer("LocalAI", "whisper-1", "voice-en-us-amy-low", "alloy", " {}", "audio/L16"),
)


@dataclass(slots=True)
class Heard:
    """What a stand-in was asked."""

    url: str = ""
    models: list[str] = field(default_factory=list[str])
    segments: list[int] = field(default_factory=list[int])
    """Bytes of each upload."""
    spoken: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    keys: set[str] = field(default_factory=set[str])


@asynccontextmanager
async def local_audio(server: AudioServer, words: Sequence[str], port: int = 0) -> AsyncGenerator[Heard]:
    """The stand-in on a port, a free one by itself. It hears `words`, one after the other, and speaks with a hum."""
    heard, left = Heard(), iter(words)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:  # opened ahead, and closed without a request
            writer.close()
            return
        request, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        heard.keys.add(headers.get("authorization", ""))
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = request.split()[1]
        if path == "/v1/audio/transcriptions":
            heard.segments.append(len(body))
            heard.models.append(_field(body, "model"))
            _answer(writer, "application/json", json.dumps({"text": server.text.format(next(left, ""))}).encode())
        elif path == "/v1/audio/speech":
            asked = json.loads(body)
            heard.spoken.append(asked)
            await _speak(writer, server.media_type, hum(0.06 * len(asked["input"])))
        elif path == "/v1/models" and server.lists_models:
            _answer(writer, "application/json", b'{"object": "list", "data": []}')
        else:
            _answer(writer, "text/html", b"<h1>File Not Found</h1>", "404 Not Found")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", port)
    heard.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/v1"
    async with listener:
        yield heard


def hum(seconds: float) -> bytes:
    """Something like a voice, as PCM s16le mono at 24 kHz."""
    loud = (8_000 * (0.6 + 0.4 * math.sin(at / 900)) * math.sin(at / 18) for at in range(int(seconds * _RATE)))
    return b"".join(struct.pack("<h", int(value)) for value in loud)


def _field(body: bytes, name: str) -> str:
    """A field of a multipart form."""
    _, _, behind = body.partition(f'name="{name}"\r\n\r\n'.encode())
    return behind.partition(b"\r\n")[0].decode()


def _answer(writer: asyncio.StreamWriter, media_type: str, body: bytes, status: str = "200 OK") -> None:
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    writer.write(head.encode() + body)


async def _speak(writer: asyncio.StreamWriter, media_type: str, pcm: bytes) -> None:
    """In chunks, as it is made."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    writer.write(head.encode())
    for start in range(0, len(pcm), _PIECE):
        piece = pcm[start : start + _PIECE]
        writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await writer.drain()
    writer.write(b"0\r\n\r\n")


def own_policies(folder: Path) -> Path:
    """The policies that are shipped, with the chains of the recipe."""
    file = folder / "policies.toml"
    text = uncached(DEFAULT_PATH.read_text())
    lines = (_chain(line) for line in text.splitlines())
    file.write_text("\n".join(lines))
    return file


def _chain(line: str) -> str:
    if line.startswith("stt = ["):
        return 'stt = ["whisper"]'
    return 'tts = ["openai_tts"]' if line.startswith("tts = [") else line
