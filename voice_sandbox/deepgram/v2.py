"""Deepgram's /v2/listen (Flux): turns, with their start, eager end, resumption and end.

The shapes are those of deepgram-sdk 7.17 and of recorded traffic: an `Update` for every 0.24 s of audio in which no
state changed, `sequence_id` over all messages, windows that start where the last turn ended. `CloseStream` closes
without an `EndOfTurn`, as the real service does. There is no KeepAlive: a stream without audio is closed
after 10 s. Transcripts are written as in the clip library.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from litestar import WebSocket
from litestar.handlers import websocket

from voice_sandbox.deepgram.quirks import KEEP_OPEN
from voice_sandbox.deepgram.stream import Close, Out, OutgoingMessage, serve
from voice_sandbox.deepgram.upgrade import IDLE_S, NET_0001, PROVIDER, BadRequestError, Upgrade, number, pcm_source
from voice_sandbox.recognizer.spoken_turns import MakeTurns
from voice_sandbox.recognizer.turns import USUAL_THRESHOLD, TurnEvent, TurnEventKind, TurnRules, endless
from voice_sandbox.recognizer.words import RecognizedWord
from voice_sandbox.state import SandboxState

MODELS: Final = ("flux-general-en", "flux-general-multi")
UPDATE_EVERY_S: Final = 0.24
LAST_WORDS_S: Final = 10.0  # at most, until words of what was sent before the end of a stream have come
_EVENTS: Final = {
    TurnEventKind.START: "StartOfTurn",
    TurnEventKind.EAGER: "EagerEndOfTurn",
    TurnEventKind.RESUMED: "TurnResumed",
    TurnEventKind.END: "EndOfTurn",
}
_WORD_CONFIDENCE: Final = 0.99
_LIMITS: Final = {
    "eager_eot_threshold": (0.3, 0.9),
    "eot_threshold": (0.5, 1.0),
    "eot_timeout_ms": (500.0, 60_000.0),
}


@websocket("/v2/listen")
async def listen_v2(socket: WebSocket[Any, Any, Any]) -> None:
    """A Flux connection."""
    upgrade = Upgrade.begin(socket)
    if await upgrade.refused():
        return
    params = dict(socket.query_params)
    try:
        if params.get("model") not in MODELS:
            raise BadRequestError(f"No such Flux model: choose one of {', '.join(MODELS)}.")
        source = pcm_source(params)
        turns = await upgrade.world.hearing.turns()
        listener = FluxListener(upgrade.world, upgrade.model, upgrade.request_id, params, turns)
        listener.keep_open(
            upgrade.keeps_turns_open(KEEP_OPEN["v2"]), even_if_asked=upgrade.keeps_turns_open(("never_ends",))
        )
    except BadRequestError as error:
        upgrade.settle("bad_request")
        await upgrade.answer(400, str(error))
        return
    await serve(upgrade, listener, source)


class FluxListener:
    """Speaks Flux about one stream of audio."""

    def __init__(
        self, world: SandboxState, model: str, request_id: str, params: Mapping[str, str], turns: MakeTurns
    ) -> None:
        """Raises BadRequestError for a threshold that is out of range."""
        eager = number(params, "eager_eot_threshold", 0.0, *_LIMITS["eager_eot_threshold"])
        rules = TurnRules(
            eager=eager or None,
            end=number(params, "eot_threshold", USUAL_THRESHOLD, *_LIMITS["eot_threshold"]),
            timeout_s=number(params, "eot_timeout_ms", 5_000, *_LIMITS["eot_timeout_ms"]) / 1000,
        )
        self._turns = turns(
            rules,
            lambda: world.latency.sample("stt", provider=PROVIDER, model=model),
            world.options.early_ends,
            world.early_dice,
        )
        self._obeys = True
        self._request_id = request_id
        self._word_times = world.options.flux_word_times
        self._sequence = 0
        self._turn = 0
        self._window_start = 0.0
        self._told_at = 0.0
        self._alive_at = 0.0
        self._closes_by: float | None = None

    def keep_open(self, for_ever: bool, *, even_if_asked: bool = False) -> None:
        """Lets no turn end by itself, nor by order of the client, where that is the fault."""
        self._obeys = not even_if_asked
        self._turns.rules = endless() if for_ever else self._turns.rules

    def wake_by(self, wake: Callable[[], None]) -> None:
        """`wake` is called when `check` has something to tell, though no time has come for it."""
        self._turns.on_change = wake

    def close(self) -> None:
        """The connection is over."""
        self._turns.close()

    @property
    def deadline(self) -> float | None:
        turn, idle = self._turns.deadline, self._alive_at + IDLE_S
        return min(at for at in (idle, turn, self._closes_by) if at is not None)

    def opening(self, now: float) -> Sequence[Out]:
        self._alive_at = now
        return [self._numbered({"type": "Connected", "request_id": self._request_id})]

    def audio(self, pcm: bytes, now: float) -> Sequence[Out]:
        self._alive_at = now
        outs = [out for event in self._turns.audio(pcm, now) for out in self._tell(event)]
        seconds = self._turns.seconds
        if not outs and seconds - self._told_at >= UPDATE_EVERY_S - 1e-9:
            outs.append(self._update(now))
        return outs

    def check(self, now: float) -> Sequence[Out]:
        if self._closes_by is not None:
            outs = [out for event in self._turns.check(now) for out in self._tell(event)]
            if self._turns.ending and now < self._closes_by - 1e-6:
                return outs
            return [*outs, self._update(now), Close(1000)]
        if now - self._alive_at >= IDLE_S - 1e-6:
            return [Close(1011, NET_0001)]
        return [out for event in self._turns.check(now) for out in self._tell(event)]

    def command(self, text: str, now: float) -> Sequence[Out]:
        try:
            message = json.loads(text)
            kind = message["type"]
        except (ValueError, TypeError, KeyError):
            return self._fatal("UNPARSABLE_CLIENT_MESSAGE", "The message is not JSON with a type.")
        if kind == "CloseStream":
            return self._last_words(now)
        if kind == "ForceEndTurn":
            return [] if not self._obeys else [out for event in self._turns.force(now) for out in self._tell(event)]
        if kind == "Configure":
            return [self._configure(cast("dict[str, Any]", message))]
        return self._fatal("UNPARSABLE_CLIENT_MESSAGE", "Unknown message type.")

    def _last_words(self, now: float) -> Sequence[Out]:
        """The end of the stream; words that are still being recognised come before it."""
        waits = self._obeys and self._turns.open and not self._turns.heard.words
        outs = [out for event in self._turns.force(now) for out in self._tell(event)] if waits else []
        if waits and self._turns.ending:
            self._closes_by = now + LAST_WORDS_S
            return outs
        return [*outs, self._update(now), Close(1000)]

    def _tell(self, event: TurnEvent) -> list[Out]:
        name = _EVENTS.get(event.kind)
        if name is None or (event.kind is TurnEventKind.END and not event.heard.words):
            return []
        out = self._turn_info(name, event.heard, event.confidence, event.trigger)
        if event.kind is TurnEventKind.END:
            self._turn += 1
            self._window_start = self._turns.seconds
        return [out]

    def _update(self, now: float) -> OutgoingMessage:
        return self._turn_info("Update", self._turns.heard, self._turns.confidence(now))

    def _turn_info(self, event: str, heard: RecognizedWord, confidence: float, trigger: str = "") -> OutgoingMessage:
        self._told_at = self._turns.seconds
        words: list[dict[str, Any]] = []
        for word in heard.words:
            words.append({"word": word.text, "confidence": _WORD_CONFIDENCE})
            if self._word_times:
                words[-1] |= {"start": word.start, "end": word.end}
        info: dict[str, Any] = {
            "type": "TurnInfo",
            "request_id": self._request_id,
            "event": event,
            "turn_index": self._turn,
            "audio_window_start": round(self._window_start, 4),
            "audio_window_end": round(self._told_at, 4),
            "transcript": heard.text,
            "words": words,
            "end_of_turn_confidence": confidence,
        }
        if trigger:
            info["trigger"] = trigger
        return self._numbered(info, useful=bool(words))

    def _configure(self, message: Mapping[str, Any]) -> OutgoingMessage:
        rules = self._turns.rules
        wanted: dict[str, Any] = message.get("thresholds") or {}
        for name, value in wanted.items():
            low, high = _LIMITS.get(name, (1.0, 0.0))
            if value is not None and not (isinstance(value, int | float) and low <= value <= high):
                failure = {"code": "INVALID_THRESHOLD", "description": f"{name} is out of range."}
                return self._numbered({"type": "ConfigureFailure", "request_id": self._request_id, **failure})
        rules.eager = wanted.get("eager_eot_threshold") or rules.eager
        rules.end = wanted.get("eot_threshold") or rules.end
        rules.timeout_s = (wanted.get("eot_timeout_ms") or rules.timeout_s * 1000) / 1000
        thresholds = {
            "eager_eot_threshold": rules.eager,
            "eot_threshold": rules.end,
            "eot_timeout_ms": round(rules.timeout_s * 1000),
        }
        success = {"type": "ConfigureSuccess", "request_id": self._request_id, "thresholds": thresholds}
        return self._numbered({**success, "keyterms": message.get("keyterms") or []})

    def _fatal(self, code: str, description: str) -> Sequence[Out]:
        return [self._numbered({"type": "Error", "code": code, "description": description}), Close(1008, code)]

    def _numbered(self, payload: dict[str, Any], *, useful: bool = False) -> OutgoingMessage:
        payload["sequence_id"] = self._sequence
        self._sequence += 1
        return OutgoingMessage(payload, useful)
