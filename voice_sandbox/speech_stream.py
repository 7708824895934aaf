"""Speech going out to a client: rendered, late by a drawn latency, then faster than real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from voice_sandbox.faults import FaultKind
from voice_sandbox.http_response import ResponsePiece, SimulatedCall

_CHUNK_S: Final = 0.02
_SPEED: Final = 5  # seconds of audio per second: vendors synthesise several times faster than real time


async def spoken(call: SimulatedCall, text: str, rate: int) -> bytes:
    """The text as PCM s16le mono at `rate` Hz, or what the call's `empty` fault makes of it: nothing, or as long a
    silence.

    Returns when the first byte is due: a drawn `tts` latency after the call, or later if rendering takes longer. Raises
    VoiceError when the voice cannot speak.
    """
    due_s = call.world.latency.sample("tts", provider=call.provider, model=call.model)
    loop = asyncio.get_running_loop()
    started = loop.time()
    pcm = await call.world.voice.render(text, rate)
    await asyncio.sleep(max(0.0, started + due_s - loop.time()))
    if call.applies(FaultKind.EMPTY):
        return bytes(len(pcm)) if call.fault is not None and call.fault.variant == "silence" else b""
    return pcm


async def tts_pieces(call: SimulatedCall, pcm: bytes, rate: int, header: bytes = b"") -> AsyncGenerator[ResponsePiece]:
    """The audio in chunks of 20 ms at five times real time, after an optional file header."""
    if header:
        yield ResponsePiece(header, useful=False)
    step = int(rate * _CHUNK_S) * 2
    pause_s = call.world.latency.pace(_CHUNK_S / _SPEED)
    loop = asyncio.get_running_loop()
    started = loop.time()
    for i, start in enumerate(range(0, len(pcm), step)):
        if i:
            await asyncio.sleep(max(0.0, started + i * pause_s - loop.time()))
        yield ResponsePiece(pcm[start : start + step])


def odd_bytes(chunk: bytes) -> bytes:
    """A chunk that ends in the middle of a sample."""
    return chunk[:-1]
