"""OpenAI's audio endpoints: POST /v1/audio/speech and POST /v1/audio/transcriptions.

Speech is PCM s16le mono at 24 kHz, bare (`pcm`) or in a WAV file. Transcriptions take WAV files and answer as JSON, as
text, or as server-sent events. Characters and audio seconds are counted when a request is accepted.
"""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import AsyncGenerator
from typing import Any, Final

import msgspec
import numpy as np
from litestar import post
from litestar.datastructures import UploadFile
from litestar.types import ASGIApp

from voice_sandbox.anthropic.prompt_cache import estimate_tokens
from voice_sandbox.faults import FaultKind
from voice_sandbox.http_response import (
    Answer,
    AnyRequest,
    ResponsePiece,
    SimulatedCall,
    Streamed,
    identifier,
    refused,
    whole,
)
from voice_sandbox.speech_stream import spoken, streamed_speech, wav_header
from voice_sandbox.voice import VoiceError, to_rate

TTS: Final = "openai_tts"
STT: Final = "openai_stt"
SPEECH_MODELS: Final = frozenset({"tts-1", "tts-1-hd", "gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15"})
TRANSCRIPTION_MODELS: Final = frozenset(
    {"whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-mini-transcribe-2025-12-15"}
)
SPEECH_RATE: Final = 24_000
_HEARING_RATE: Final = 16_000
_MAX_SPEECH_CHARACTERS: Final = 4096
_AUDIO_TOKENS_PER_S: Final = 10
PHANTOM: Final = "Thank you for watching!"  # what such models have been reported to hear in silence and music
_ERRORS: Final = {
    FaultKind.UNAUTHORIZED: (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    FaultKind.RATE_LIMITED: (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests"),
    FaultKind.OVERLOADED: (
        529, "server_error", "overloaded", "The engine is currently overloaded, please try again later",
    ),
    FaultKind.SERVER_ERROR: (500, "server_error", None, "The server had an error while processing your request."),
    FaultKind.NO_CREDIT: (
        429, "insufficient_quota", "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    FaultKind.FORBIDDEN: (403, "invalid_request_error", None, "Project does not have access to this model."),
    FaultKind.GONE: (
        404, "invalid_request_error", "model_not_found", "The model has been deprecated and is no longer available.",
    ),
}  # fmt: skip


def _error(status: int, kind: str, code: str | None, message: str, headers: dict[str, str] | None = None) -> Answer:
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return Answer(status, body, {"x-request-id": identifier("req_"), **(headers or {})})


def _invalid(message: str) -> Answer:
    return _error(400, "invalid_request_error", None, message)


def _refusal(call: SimulatedCall) -> Answer | None:
    """The answer of a status fault, or of a missing key."""
    fault = call.fault
    answer = _ERRORS.get(fault.kind) if fault is not None else None
    if answer is None:
        if call.request.headers.get("authorization", "").removeprefix("Bearer").strip():
            return None
        call.settle("unauthorized")
        return _error(401, "invalid_request_error", None, "You didn't provide an API key.")
    call.settle(fault.kind if fault is not None else "")
    status, kind, code, message = answer
    return _error(status, kind, code, message, call.retry_after(status))


@post("/v1/audio/speech", status_code=200)
async def speech(request: AnyRequest) -> ASGIApp:
    """The input as speech at 24 kHz, streamed."""
    try:
        body = msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.MsgspecError:
        body = {}
    model, text, wanted = body.get("model"), body.get("input"), body.get("response_format", "mp3")
    call = SimulatedCall.begin(request, TTS, str(model or "unknown"), {"text": text, "response_format": wanted})
    if call.applies(FaultKind.REFUSE):
        return await refused(call)
    refusal = _refusal(call) or _speech_problem(model, text, wanted, body)
    if refusal is not None or not isinstance(text, str):
        call.settle("refused_by_api")
        return refusal or _invalid("input: Field required")
    call.count(characters=len(text))
    try:
        pcm = await spoken(call, text, SPEECH_RATE)
    except VoiceError as error:
        call.settle("server_error")
        return _error(500, "server_error", None, str(error))
    header = wav_header(len(pcm), SPEECH_RATE) if wanted == "wav" else b""
    headers = {"content-type": f"audio/{wanted}", "x-request-id": identifier("req_"), **call.world.rates.openai(TTS)}
    return streamed_speech(call, pcm, SPEECH_RATE, headers, header)


def _speech_problem(model: object, text: object, wanted: object, body: dict[str, Any]) -> Answer | None:
    if model not in SPEECH_MODELS:
        return _error(404, "invalid_request_error", "model_not_found", f"The model '{model}' does not exist")
    if not isinstance(text, str) or not text or len(text) > _MAX_SPEECH_CHARACTERS:
        return _invalid(f"input: a string of 1 to {_MAX_SPEECH_CHARACTERS} characters is required")
    if not body.get("voice"):
        return _invalid("voice: Field required")
    if wanted not in ("pcm", "wav") or body.get("stream_format", "audio") != "audio":
        return _invalid("The sandbox speaks response_format pcm and wav, as plain audio")
    return None


@post("/v1/audio/transcriptions", status_code=200)
async def transcriptions(request: AnyRequest) -> ASGIApp:
    """The words in a WAV file, as far as the clip library knows them."""
    form = await request.form()
    model, file, wanted = form.get("model"), form.get("file"), form.get("response_format", "json")
    call = SimulatedCall.begin(
        request, STT, str(model or "unknown"), {"response_format": wanted, "stream": form.get("stream")}
    )
    if call.applies(FaultKind.REFUSE):
        return await refused(call)
    refusal = _refusal(call)
    if refusal is None and model not in TRANSCRIPTION_MODELS:
        refusal = _error(404, "invalid_request_error", "model_not_found", f"The model '{model}' does not exist")
    if refusal is None and wanted not in ("json", "text"):
        refusal = _invalid("The sandbox transcribes to response_format json and text")
    if refusal is not None or not isinstance(file, UploadFile):
        call.settle("refused_by_api")
        return refusal or _invalid("file: Field required")
    try:
        pcm = await asyncio.to_thread(_heard, await file.read())
    except (wave.Error, EOFError, ValueError):
        call.settle("refused_by_api")
        return _invalid("Audio file might be corrupted or unsupported")
    finally:
        await file.close()
    seconds = len(pcm) / 2 / _HEARING_RATE
    call.count(audio_seconds=seconds)
    return await _transcribed(call, pcm, seconds, wanted, streamed=form.get("stream") in ("true", "True", "1"))


async def _transcribed(call: SimulatedCall, pcm: bytes, seconds: float, wanted: str, *, streamed: bool) -> ASGIApp:
    loop = asyncio.get_running_loop()
    due = loop.time() + call.world.latency.sample("stt", provider=STT, model=call.model)
    text = await call.world.hearing.transcribe(pcm)
    await asyncio.sleep(max(0.0, due - loop.time()))
    if call.applies(FaultKind.EMPTY):
        text = "   " if call.fault is not None and call.fault.variant == "whitespace" else ""
    if call.applies(FaultKind.QUIRK):
        text = PHANTOM
    headers = {"x-request-id": identifier("req_")}
    if wanted == "text":
        return await whole(call, Answer(200, f"{text}\n".encode(), {**headers, "content-type": "text/plain"}))
    tokens = _token_usage(text, seconds)
    if streamed and call.model != "whisper-1":  # whisper-1 ignores `stream`, as documented
        headers["content-type"] = "text/event-stream; charset=utf-8"
        return Streamed(
            call, _transcript_events(text, tokens), headers, lambda event: event[: len(event) // 2] + b"\n\n"
        )
    usage = {"type": "duration", "seconds": round(seconds, 3)} if call.model == "whisper-1" else tokens
    return await whole(call, Answer(200, {"text": text, "usage": usage}, headers))


def _token_usage(text: str, seconds: float) -> dict[str, Any]:
    """Estimated: ten tokens per second of audio, one per four characters of text."""
    heard, written = max(1, round(seconds * _AUDIO_TOKENS_PER_S)), estimate_tokens(text)
    return {
        "type": "tokens",
        "input_tokens": heard,
        "input_token_details": {"audio_tokens": heard, "text_tokens": 0},
        "output_tokens": written,
        "total_tokens": heard + written,
    }


async def _transcript_events(text: str, usage: dict[str, Any]) -> AsyncGenerator[ResponsePiece]:
    words = text.split(" ") if text.strip() else []
    for i, word in enumerate(words):
        delta = word if i == 0 else f" {word}"
        yield ResponsePiece(_event({"type": "transcript.text.delta", "delta": delta}))
    yield ResponsePiece(_event({"type": "transcript.text.done", "text": text, "usage": usage}))
    yield ResponsePiece(b"data: [DONE]\n\n", useful=False)


def _event(fields: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (fields["type"].encode(), msgspec.json.encode(fields))


def _heard(data: bytes) -> bytes:
    """A 16-bit WAV file as PCM s16le mono at 16 kHz. Raises wave.Error, EOFError or ValueError."""
    with wave.open(io.BytesIO(data)) as reader:
        if reader.getsampwidth() != 2:
            raise ValueError("only 16-bit audio is heard")
        channels, rate = reader.getnchannels(), reader.getframerate()
        frames = reader.readframes(min(reader.getnframes(), len(data)))
    samples = np.frombuffer(frames[: len(frames) // (2 * channels) * 2 * channels], dtype="<i2")
    mono = samples.reshape(-1, channels).mean(axis=1).astype(np.int16)
    return to_rate(mono, rate, _HEARING_RATE)
