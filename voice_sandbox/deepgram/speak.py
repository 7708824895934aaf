"""Deepgram's text to speech (Aura): POST /v1/speak, chunked audio over HTTP.

Characters are counted when a request is accepted, as the vendor bills them.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from litestar import post
from litestar.types import ASGIApp

from voice_sandbox.deepgram.upgrade import LASTING
from voice_sandbox.faults import FaultKind
from voice_sandbox.http_response import STATUS_FAULTS, Answer, AnyRequest, SimulatedCall, identifier, refused
from voice_sandbox.speech_stream import spoken, streamed_speech
from voice_sandbox.voice import VoiceError

PROVIDER: Final = "deepgram_tts"
_MODEL: Final = re.compile(r"aura(-2)?-[a-z]+-[a-z]{2}")
_RATES: Final = frozenset({"8000", "16000", "24000", "32000", "48000"})
_MAX_CHARACTERS: Final = 2000


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    """Deepgram's error body."""
    request_id = identifier("")
    body = {"err_code": code, "err_msg": message, "request_id": request_id}
    return Answer(status, body, {"dg-request-id": request_id, "dg-error": message, **(headers or {})})


@post("/v1/speak", status_code=200)
async def speak(request: AnyRequest) -> ASGIApp:
    """The text as PCM s16le mono at `sample_rate`, in chunks of 20 ms."""
    try:
        body = msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.MsgspecError:
        body = {}
    text, asked = body.get("text"), request.query_params
    model = asked.get("model", "aura-asteria-en")
    call = SimulatedCall.begin(request, PROVIDER, model, {"text": text, **dict(asked)})
    if call.applies(FaultKind.REFUSE):
        return await refused(call)
    problem = _status_fault(call) or _problem(request, text, model)
    if problem is not None or not isinstance(text, str):
        call.settle("refused_by_api")
        return problem or _error(400, "Bad Request", "Failed to deserialize JSON payload: missing field `text`.")
    rate = int(asked.get("sample_rate", "24000"))
    call.count(characters=len(text))
    try:
        pcm = await spoken(call, text, rate)
    except VoiceError as error:
        call.settle("server_error")
        return _error(500, "INTERNAL_SERVER_ERROR", str(error))
    headers = {
        "content-type": f"audio/l16;rate={rate};channels=1",
        "dg-request-id": identifier(""),
        "dg-model-name": model,
        "dg-char-count": str(len(text)),
    }
    return streamed_speech(call, pcm, rate, headers)


def _status_fault(call: SimulatedCall) -> Answer | None:
    fault = call.fault
    status = STATUS_FAULTS.get(fault.kind) if fault is not None else None
    if fault is None or status is None:
        return None
    call.settle(fault.kind)
    text = LASTING.get(fault.kind, fault.kind.value)
    return _error(status, str(status), text, call.retry_after(status))


def _problem(request: AnyRequest, text: object, model: str) -> Answer | None:
    """Why the vendor would refuse this request, or None."""
    asked = request.query_params
    if not request.headers.get("authorization", "").removeprefix("Token").strip():
        return _error(401, "INVALID_AUTH", "Invalid credentials.")
    if not isinstance(text, str) or not text.strip():
        return _error(400, "Bad Request", "The text payload is empty.")
    if len(text) > _MAX_CHARACTERS:
        return _error(413, "PAYLOAD_TOO_LARGE", f"Input text exceeds maximum character limit of {_MAX_CHARACTERS}.")
    if not _MODEL.fullmatch(model):
        return _error(400, "INVALID_QUERY_PARAMETER", f"No such model {model} was found.")
    if (asked.get("encoding"), asked.get("container")) != ("linear16", "none"):
        return _error(400, "UNSUPPORTED_AUDIO_FORMAT", "The sandbox speaks encoding linear16 in container none.")
    if asked.get("sample_rate", "24000") not in _RATES:
        return _error(400, "UNSUPPORTED_AUDIO_FORMAT", "Unsupported sample rate for linear16.")
    return None
