"""ElevenLabs' text to speech: POST /v1/text-to-speech/{voice_id}/stream, chunked audio over HTTP.

Characters are counted when a request is accepted, as the vendor bills them: a client that hangs up pays for the whole
text.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from litestar import post
from litestar.types import ASGIApp

from voice_sandbox.faults import FaultKind
from voice_sandbox.http_response import Answer, AnyRequest, SimulatedCall, identifier, refused
from voice_sandbox.receptionist.outages import voice_is_out
from voice_sandbox.speech_stream import spoken, streamed_speech
from voice_sandbox.voice import VoiceError

PROVIDER: Final = "elevenlabs"
MODELS: Final = frozenset(
    {"eleven_flash_v2", "eleven_flash_v2_5", "eleven_turbo_v2", "eleven_turbo_v2_5", "eleven_multilingual_v2"}
    | {"eleven_v3", "eleven_v3_conversational", "eleven_v4", "eleven_v4_turbo"}
)
_DEFAULT_MODEL: Final = "eleven_multilingual_v2"
_PCM: Final = re.compile(r"pcm_(8000|16000|22050|24000|32000|44100|48000)")
_MAX_CHARACTERS: Final = 40_000
_ERRORS: Final = {
    FaultKind.UNAUTHORIZED: (401, "invalid_api_key", "Invalid API key"),
    FaultKind.RATE_LIMITED: (429, "too_many_concurrent_requests", "Too many concurrent requests"),
    FaultKind.OVERLOADED: (529, "system_busy", "We are experiencing heavy load, please try again later"),
    FaultKind.SERVER_ERROR: (500, "internal_server_error", "Internal server error"),
    FaultKind.NO_CREDIT: (
        401, "quota_exceeded", "This request exceeds your quota of 10000. You have 3 credits remaining.",
    ),
    FaultKind.FORBIDDEN: (401, "missing_permissions", "The API key you used is missing the permission text_to_speech"),
    FaultKind.GONE: (404, "voice_not_found", "A voice with voice_id {voice} was not found."),
}  # fmt: skip


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Answer:
    body = {"detail": {"status": code, "message": message}}
    return Answer(status, body, {"request-id": identifier(""), **(headers or {})})


def _invalid(field: str, message: str) -> Answer:
    """A 422 as the vendor's framework writes it."""
    return Answer(422, {"detail": [{"type": "value_error", "loc": ["body", field], "msg": message}]})


@post("/v1/text-to-speech/{voice_id:str}/stream", status_code=200)
async def stream_speech(request: AnyRequest) -> ASGIApp:
    """The text as PCM s16le mono at the rate of `output_format`, in chunks of 20 ms."""
    try:
        body = msgspec.json.decode(await request.body(), type=dict[str, Any])
    except msgspec.MsgspecError:
        body = {}
    text, model = body.get("text"), body.get("model_id") or _DEFAULT_MODEL
    logged = {
        "voice": request.path_params["voice_id"],
        "text": text,
        "output_format": request.query_params.get("output_format"),
    }
    call = SimulatedCall.begin(request, PROVIDER, str(model), logged)
    if call.applies(FaultKind.REFUSE):
        return await refused(call)
    problem = _status_fault(call) or _problem(request, text, str(model)) or _asked_outage(text)
    if problem is not None:
        call.settle("refused_by_api")
        return problem
    rate_format = _PCM.fullmatch(request.query_params.get("output_format", ""))
    if rate_format is None or not isinstance(text, str):
        call.settle("refused_by_api")
        return _error(
            400, "output_format_not_supported", "The sandbox speaks PCM: use an output_format such as pcm_16000"
        )
    rate = int(rate_format[1])
    call.count(characters=len(text))
    try:
        pcm = await spoken(call, text, rate, logged["voice"])
    except VoiceError as error:
        call.settle("server_error")
        return _error(500, "internal_server_error", str(error))
    headers = {
        "content-type": "audio/pcm",
        "request-id": identifier(""),
        "character-cost": str(len(text)),
        **call.world.rates.elevenlabs(PROVIDER),
    }
    return streamed_speech(call, pcm, rate, headers)


def _status_fault(call: SimulatedCall) -> Answer | None:
    fault = call.fault
    if fault is None or fault.kind not in _ERRORS:
        return None
    call.settle(fault.kind)
    status, code, message = _ERRORS[fault.kind]
    voice = call.request.path_params["voice_id"]
    return _error(status, code, message.format(voice=voice), call.retry_after(status))


def _asked_outage(text: object) -> Answer | None:
    """The outage that a sample caller asks for."""
    if not isinstance(text, str) or not voice_is_out(text):
        return None
    return _error(*_ERRORS[FaultKind.SERVER_ERROR])


def _problem(request: AnyRequest, text: object, model: str) -> Answer | None:
    """Why the vendor would refuse this request, or None."""
    if not request.headers.get("xi-api-key", "").strip():
        return _error(401, "needs_authorization", "Neither authorization header nor xi-api-key received")
    if not isinstance(text, str):
        return _invalid("text", "Field required")
    if not text.strip():
        return _error(400, "input_text_empty", "Input text cannot be empty")
    if len(text) > _MAX_CHARACTERS:
        return _error(400, "max_character_limit_exceeded", f"This request exceeds {_MAX_CHARACTERS} characters")
    if model not in MODELS:
        return _error(400, "model_not_found", f"A model with model ID {model} does not exist")
    return None
