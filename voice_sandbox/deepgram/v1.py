"""Deepgram's /v1/listen (Nova): interim and final results, speech starts, utterance ends.

The shapes are those of deepgram-sdk 7.17 and of recorded traffic: an interim result for every 1.04 s of a segment,
final results cut the segments, empty ones included, and `CloseStream` is answered with what is left, an empty final
result and `Metadata`.

The real service endpoints on silence alone. Here `endpointing` is the least silence before a final result, and what
was heard decides the rest, as on /v2/listen: half a clip is waited for 700 ms.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from litestar import WebSocket
from litestar.handlers import websocket

from voice_sandbox.deepgram.quirks import KEEP_OPEN
from voice_sandbox.deepgram.stream import Close, Out, OutgoingMessage, serve
from voice_sandbox.deepgram.upgrade import IDLE_S, NET_0001, PROVIDER, BadRequestError, Upgrade, number, pcm_source
from voice_sandbox.recognizer.spoken_turns import MakeTurns
from voice_sandbox.recognizer.turns import LEAST_SILENCE_S, TurnEvent, TurnEventKind, TurnRules, endless
from voice_sandbox.recognizer.words import RecognizedWord
from voice_sandbox.state import SandboxState

INTERIM_EVERY_S: Final = 1.04
SILENT_SEGMENT_S: Final = 5 * INTERIM_EVERY_S
_CHANNEL: Final = [0, 1]
_WORD_CONFIDENCE: Final = 0.99
_MODEL_UUID: Final = str(uuid.uuid5(uuid.NAMESPACE_DNS, "nova.sandbox"))
_NOTHING: Final = RecognizedWord((), complete=False)


@websocket("/v1/listen")
async def listen_v1(socket: WebSocket[Any, Any, Any]) -> None:
    """A Nova connection."""
    upgrade = Upgrade.begin(socket)
    if await upgrade.refused():
        return
    params = dict(socket.query_params)
    try:
        if upgrade.model.startswith("flux"):
            raise BadRequestError("Flux models are served on /v2/listen.")
        source = pcm_source(params)
        turns = await upgrade.world.hearing.turns()
        listener = NovaListener(upgrade.world, upgrade.model, upgrade.request_id, params, turns)
        listener.keep_open(upgrade.keeps_turns_open(KEEP_OPEN["v1"]))
    except BadRequestError as error:
        upgrade.settle("bad_request")
        await upgrade.answer(400, str(error))
        return
    await serve(upgrade, listener, source)


def _flag(params: Mapping[str, str], name: str) -> bool:
    return params.get(name, "false").lower() == "true"


class NovaListener:
    """Speaks Nova about one stream of audio."""

    def __init__(
        self, world: SandboxState, model: str, request_id: str, params: Mapping[str, str], turns: MakeTurns
    ) -> None:
        """Raises BadRequestError for a parameter that is out of range."""
        self._endpointing = params.get("endpointing", "").lower() != "false"
        given = self._endpointing and params.get("endpointing", "true").lower() != "true"
        least_s = number(params, "endpointing", 10, 0, 10_000) / 1000 if given else 0.01
        self._utterance_end_s = number(params, "utterance_end_ms", 0, 1_000, 5_000) / 1000
        self._interim = _flag(params, "interim_results")
        self._vad_events = _flag(params, "vad_events")
        rules = TurnRules(timeout_s=60.0, least_silence_s=max(least_s, LEAST_SILENCE_S))
        self._turns = turns(rules, lambda: world.latency.sample("stt", provider=PROVIDER, model=model))
        self._info = {"name": f"general-{model}", "version": "sandbox", "arch": model}
        self._request_id = request_id
        self._hash = hashlib.sha256()
        self._created = datetime.now(UTC)
        self._ordered = ""
        self._segment_start = 0.0
        self._interim_at = 0.0
        self._last_word_end: float | None = None
        self._alive_at = 0.0

    def keep_open(self, for_ever: bool) -> None:
        """Lets no turn end by itself, where that is the fault."""
        self._turns.rules = endless() if for_ever else self._turns.rules

    def wake_by(self, wake: Callable[[], None]) -> None:
        """`wake` is called when `check` has something to tell, though no time has come for it."""
        self._turns.on_change = wake

    def close(self) -> None:
        """The connection is over."""
        self._turns.close()

    @property
    def deadline(self) -> float | None:
        turn = self._turns.deadline
        idle = self._alive_at + IDLE_S
        return idle if turn is None else min(idle, turn)

    def opening(self, now: float) -> Sequence[Out]:
        self._alive_at = now
        return []

    def audio(self, pcm: bytes, now: float) -> Sequence[Out]:
        self._alive_at = now
        self._hash.update(pcm)
        outs = [out for event in self._turns.audio(pcm, now) for out in self._tell(event)]
        seconds = self._turns.seconds
        if not outs and seconds - self._interim_at >= INTERIM_EVERY_S - 1e-9:
            outs.extend(self._regular(seconds))
        last = self._last_word_end
        if self._utterance_end_s and last is not None and not self._turns.started:
            if seconds - last < self._utterance_end_s:
                return outs
            outs.append(OutgoingMessage({"type": "UtteranceEnd", "channel": _CHANNEL, "last_word_end": last}))
            self._last_word_end = None
        return outs

    def check(self, now: float) -> Sequence[Out]:
        if now - self._alive_at >= IDLE_S - 1e-6:
            return [Close(1011, NET_0001)]
        return [out for event in self._turns.check(now) for out in self._tell(event)]

    def command(self, text: str, now: float) -> Sequence[Out]:
        self._alive_at = now
        try:
            message = json.loads(text)
            kind = message["type"]
        except (ValueError, TypeError, KeyError):
            return self._schema_error(text)
        if kind == "KeepAlive":
            return []
        if kind in ("Finalize", "CloseStream"):
            self._ordered = kind
            ended = [event for event in self._turns.force(now) if event.kind is TurnEventKind.END]
            if self._turns.ending:
                return []  # its words are still to come
            return self._rest(ended[0].heard if ended else _NOTHING)
        if kind == "Configure":
            return [self._configured(message)]
        return self._schema_error(text)

    def _tell(self, event: TurnEvent) -> list[Out]:
        if event.kind is TurnEventKind.VOICE and self._vad_events:
            at = round(self._turns.opened_at, 2)
            return [OutgoingMessage({"type": "SpeechStarted", "channel": _CHANNEL, "timestamp": at})]
        if event.kind is TurnEventKind.END and self._ordered:
            return self._rest(event.heard)
        if event.kind is TurnEventKind.END:
            return [self._results(event.heard, final=True, speech_final=self._endpointing)]
        return []

    def _regular(self, seconds: float) -> list[Out]:
        """What a segment sends on its way: interim results, and a final one now and then while nobody speaks."""
        if not self._turns.open and seconds - self._segment_start >= SILENT_SEGMENT_S - 1e-9:
            return [self._results(_NOTHING, final=True, speech_final=True)]
        self._interim_at = seconds
        return [self._results(self._turns.heard)] if self._interim else []

    def _rest(self, heard: RecognizedWord) -> list[Out]:
        """The final result of all audio so far, as the client ordered it; a closed stream ends after it."""
        ordered, self._ordered = self._ordered, ""
        rest = self._results(heard, final=True, speech_final=True, from_finalize=ordered == "Finalize")
        if ordered == "Finalize":
            return [rest]
        end = self._results(_NOTHING, final=True, speech_final=True)
        return [rest, end, OutgoingMessage(self._metadata()), Close(1000)]

    def _results(
        self, heard: RecognizedWord, *, final: bool = False, speech_final: bool = False, from_finalize: bool = False
    ) -> OutgoingMessage:
        seconds = self._turns.seconds
        words = [
            {
                "word": word.text.strip(".,!?").lower(),
                "start": word.start,
                "end": word.end,
                "confidence": _WORD_CONFIDENCE,
                "punctuated_word": word.text,
            }
            for word in heard.words
        ]
        payload = {
            "type": "Results",
            "channel_index": _CHANNEL,
            "duration": round(seconds - self._segment_start, 4),
            "start": round(self._segment_start, 4),
            "is_final": final,
            "speech_final": speech_final,
            "channel": {
                "alternatives": [
                    {"transcript": heard.text, "confidence": _WORD_CONFIDENCE if words else 0.0, "words": words}
                ]
            },
            "metadata": {"request_id": self._request_id, "model_info": self._info, "model_uuid": _MODEL_UUID},
            "from_finalize": from_finalize,
        }
        if final:
            self._segment_start = self._interim_at = seconds
        if heard.words:
            self._last_word_end = heard.words[-1].end
        return OutgoingMessage(payload, bool(words))

    def _metadata(self) -> dict[str, Any]:
        return {
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self._request_id,
            "sha256": self._hash.hexdigest(),
            "created": self._created.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "duration": round(self._turns.seconds, 4),
            "channels": 1,
            "models": [_MODEL_UUID],
            "model_info": {_MODEL_UUID: self._info},
        }

    def _configured(self, message: Mapping[str, Any]) -> OutgoingMessage:
        if message.get("keyterms") is not None and "nova-3" not in self._info["arch"]:
            failure = {"code": "CONFIGURE_KEYTERMS_NOT_SUPPORTED", "description": "Only Nova-3 updates keyterms."}
            return OutgoingMessage({"type": "ConfigureFailure", "request_id": self._request_id, **failure})
        success: dict[str, Any] = {"type": "ConfigureSuccess", "request_id": self._request_id}
        if message.get("keyterms") is not None:
            success["keyterms"] = message["keyterms"]
        return OutgoingMessage(success)

    def _schema_error(self, text: str) -> Sequence[Out]:
        error = {"type": "Error", "variant": "SchemaError", "description": "Could not deserialize last text message."}
        return [OutgoingMessage({**error, "message": text[:1000]})]
