"""Speech going out to a client: late by a drawn latency, then faster than real time; and how that goes wrong."""

from __future__ import annotations

import asyncio
import io
import re
import struct
from collections.abc import AsyncGenerator, Mapping
from typing import Final

import numpy as np
import soundfile

from voice_sandbox.faults import Fault, FaultKind
from voice_sandbox.http_response import ResponsePiece, SimulatedCall, Streamed
from voice_sandbox.voice import to_rate

_CHUNK_S: Final = 0.02
_SPEED: Final = 5  # seconds of audio per second: vendors synthesise several times faster than real time
_SLOW: Final = 0.6
_BABBLE: Final = 4
_RATE: Final = re.compile(r"(silently_)?(\d{4,6})")
_JSON: Final = b'{"detail":{"status":"something_went_wrong","message":"Something went wrong"}}'
_HTML: Final = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body></body></html>"
_UNKNOWN: Final = b"\x00\x00\x00\x20ftypM4A " + bytes(range(256)) * 8  # an MPEG-4 file, as far as anybody can tell


async def spoken(call: SimulatedCall, text: str, rate: int, voice: str | None = None) -> bytes:
    """The text as PCM s16le mono at `rate` Hz, or what the call's fault makes of it: nothing, silence, half, more.

    Returns when the first byte is due: a drawn `tts` latency after the call, or later if rendering takes longer; a real
    voice takes the time it takes. Raises VoiceError when the voice cannot speak.
    """
    drawn_s = call.world.latency.sample("tts", provider=call.provider, model=call.model, voice=voice)
    due_s = 0.0 if call.world.voice.real else drawn_s
    loop = asyncio.get_running_loop()
    started = loop.time()
    pcm = await call.world.voice.render(text, rate)
    await asyncio.sleep(max(0.0, started + due_s - loop.time()))
    return pcm if call.fault is None else _as_long_as(call.fault, pcm, rate)


def _as_long_as(fault: Fault, pcm: bytes, rate: int) -> bytes:
    match fault.kind:
        case FaultKind.EMPTY:
            return bytes(len(pcm)) if fault.variant == "silence" else b""
        case FaultKind.HALF:
            return pcm[: len(pcm) // 4 * 2]
        case FaultKind.LATE_VOICE:
            return bytes(int(fault.interval_s * rate) * 2) + pcm
        case FaultKind.BABBLE:
            return pcm * _BABBLE
        case _:
            return pcm


def streamed_speech(
    call: SimulatedCall, pcm: bytes, rate: int, headers: Mapping[str, str], header: bytes = b""
) -> Streamed:
    """An answer with this audio, after an optional file header, in the format that the call's fault makes of it."""
    data, headers, bytes_per_s = header + pcm, dict(headers), rate * 2
    if call.fault is not None and call.applies(FaultKind.WRONG_FORMAT):
        data, content_type = _in_format(call.fault.variant, pcm, rate)
        headers["content-type"] = content_type or headers["content-type"]
        bytes_per_s = max(1, round(len(data) / (len(pcm) / bytes_per_s))) if pcm else bytes_per_s
        header = b""
    if call.applies(FaultKind.ODD_BYTE):
        data += b"\x01"
    return Streamed(call, _pieces(call, data, bytes_per_s, len(header)), headers, odd_bytes)


async def _pieces(call: SimulatedCall, data: bytes, bytes_per_s: int, header: int) -> AsyncGenerator[ResponsePiece]:
    """The audio in chunks of 20 ms at five times real time; slower than real time where that is the fault."""
    if header:
        yield ResponsePiece(data[:header], useful=False)
    step = max(2, int(bytes_per_s * _CHUNK_S) // 2 * 2)
    speed = _SLOW if call.applies(FaultKind.SLOW_VOICE) else _SPEED
    pause_s = _CHUNK_S / speed if speed == _SLOW else call.world.latency.pace(_CHUNK_S / speed)
    loop = asyncio.get_running_loop()
    started = loop.time()
    for i, start in enumerate(range(header, len(data), step)):
        if i:
            await asyncio.sleep(max(0.0, started + i * pause_s - loop.time()))
        yield ResponsePiece(data[start : start + step])


def _in_format(variant: str, pcm: bytes, rate: int) -> tuple[bytes, str]:
    """The audio in another format, and its content type; empty where it goes on under the one that was asked for."""
    samples = np.frombuffer(pcm, dtype="<i2")
    if named := _RATE.fullmatch(variant):
        other = int(named[2])
        return to_rate(samples, rate, other), "" if named[1] else f"audio/pcm;rate={other}"
    match variant:
        case "wav":
            return wav_header(len(pcm), rate) + pcm, "audio/wav"
        case "silently_wav":
            return wav_header(len(pcm), rate) + pcm, ""
        case "mp3":
            return _written(samples, rate, "MP3", "MPEG_LAYER_III"), "audio/mpeg"
        case "silently_mp3":
            return _written(samples, rate, "MP3", "MPEG_LAYER_III"), ""
        case "ogg":
            return _written(samples, rate, "OGG", "VORBIS"), "audio/ogg"
        case "flac":
            return _written(samples, rate, "FLAC", "PCM_16"), "audio/flac"
        case "ulaw":
            narrow = np.frombuffer(to_rate(samples, rate, 8000), dtype="<i2")
            return _written(narrow, 8000, "RAW", "ULAW"), "audio/basic"
        case "json":
            return _JSON, ""
        case "html":
            return _HTML, "text/html"
        case _:
            return _UNKNOWN, "audio/mp4"


def _written(samples: np.ndarray[tuple[int], np.dtype[np.int16]], rate: int, form: str, subtype: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=form, subtype=subtype)
    return file.getvalue()


def wav_header(length: int, rate: int) -> bytes:
    """The 44 bytes before `length` bytes of PCM s16le mono."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + length, b"WAVE", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16, b"data", length),
    )


def odd_bytes(chunk: bytes) -> bytes:
    """A chunk that ends in the middle of a sample."""
    return chunk[:-1]
