"""Language models: what Anthropic's service has been seen to do."""

from __future__ import annotations

from typing import Any, Final

from tools.field.callers import HARD, QUESTION, fault, faults, types
from tools.field.case import Case
from voice_sandbox.faults import FaultKind

HAIKU: Final = "claude-haiku-5-5"
SONNET: Final = "claude-sonnet-5-5"
CANNOT_ANSWER: Final = "I cannot answer right now"
DECLINED: Final = "I cannot help with that"
_ALL: Final = (FaultKind.OVERLOADED, FaultKind.SERVER_ERROR, FaultKind.REFUSE, FaultKind.EMPTY, FaultKind.STALL)


def _one_model(kind: FaultKind, model: str, **options: Any) -> Case:
    name, other = ("Haiku", "sonnet") if model == HAIKU else ("Sonnet", "haiku")
    return Case(
        group="models",
        fault=f"{name} answers {kind} to every request",
        rules=fault("anthropic", kind, model=model, **options),
        script=types(QUESTION if model == HAIKU else HARD),
        says="room",
        counted=(f"{name.lower()} → {other}",),
    )


def _lasting(kind: FaultKind, words: str) -> Case:
    return Case(
        group="models",
        fault=f"{words}, for everybody",
        rules=fault("anthropic", kind, everybody=True, model=HAIKU),
        script=types(QUESTION, QUESTION),
        says="room",
        everybody=True,
        counted=("haiku → sonnet",),
        once=("anthropic misconfigured",),
    )


def _stop(reason: str, after: int, words: str, *, good: bool, says: str = "room", never: str = r"(?!)") -> Case:
    return Case(
        group="models",
        fault=words,
        rules=fault("anthropic", FaultKind.STOP, model=HAIKU, variant=reason, after=after, count=1),
        script=types(QUESTION),
        says=says,
        never=never,
        good=good,
    )


CASES: Final = (
    Case(
        group="models",
        fault="one 529 from Haiku",
        rules=fault("anthropic", FaultKind.OVERLOADED, model=HAIKU, count=1),
        script=types(QUESTION),
        says="room",
        counted=("anthropic overloaded",),
    ),
    Case(
        group="models",
        fault="one empty answer of Haiku",
        rules=fault("anthropic", FaultKind.EMPTY, model=HAIKU, count=1),
        script=types(QUESTION),
        says="room",
        counted=("anthropic empty",),
    ),
    *(_one_model(kind, HAIKU) for kind in _ALL),
    *(_one_model(kind, SONNET) for kind in _ALL),
    Case(
        group="models",
        fault="`overloaded_error` in the middle of Haiku's reply",
        rules=fault("anthropic", FaultKind.OVERLOADED, model=HAIKU, after=4),
        script=types(QUESTION),
        says="room",
        counted=("haiku → sonnet (overloaded)",),
    ),
    Case(
        group="models",
        fault="429 with `retry-after: 60` from Haiku, for everybody",
        rules=fault("anthropic", FaultKind.RATE_LIMITED, everybody=True, model=HAIKU, retry_after_s=60.0),
        script=types(QUESTION, QUESTION),
        says="room",
        everybody=True,
        counted=("haiku → sonnet",),
    ),
    Case(
        group="models",
        fault="429 with `retry-after: 60` from both models, once; then they would answer",
        rules=faults(
            ("anthropic", FaultKind.RATE_LIMITED, {"model": HAIKU, "retry_after_s": 60.0, "count": 1}),
            ("anthropic", FaultKind.RATE_LIMITED, {"model": SONNET, "retry_after_s": 60.0, "count": 1}),
        ),
        script=types(QUESTION),
        says=CANNOT_ANSWER,
        good=False,
        everybody=True,
    ),
    Case(
        group="models",
        fault="both models are out",
        rules=fault("anthropic", FaultKind.SERVER_ERROR),
        script=types(QUESTION),
        says=CANNOT_ANSWER,
        good=False,
        everybody=True,
    ),
    Case(
        group="models",
        fault="both models are out, and the caller asks again",
        rules=fault("anthropic", FaultKind.REFUSE),
        script=types(QUESTION, QUESTION),
        says="Still not",
        never=CANNOT_ANSWER,
        good=False,
        everybody=True,
    ),
    _stop("refusal", 0, "Haiku declines to answer", good=True),
    Case(
        group="models",
        fault="both models decline to answer",
        rules=fault("anthropic", FaultKind.STOP, variant="refusal"),
        script=types(QUESTION),
        says=DECLINED,
        good=False,
        counted=("anthropic declined",),
    ),
    Case(
        group="models",
        fault="both models decline, and the caller asks for something else",
        rules=faults(
            ("anthropic", FaultKind.STOP, {"variant": "refusal", "model": HAIKU, "count": 1}),
            ("anthropic", FaultKind.STOP, {"variant": "refusal", "model": SONNET, "count": 1}),
        ),
        script=types(QUESTION, "what are your opening hours"),
        says=r"\w",
        never=DECLINED,
    ),
    _stop("refusal", 12, "Haiku declines in the middle of a sentence that is heard", good=False, says=DECLINED),
    _stop("max_tokens", 12, "a reply is cut by `max_tokens` within a sentence", good=False, never=r"\w$"),
    _stop("model_context_window_exceeded", 12, "the context is full in the middle of a reply", good=False),
    _stop("model_context_window_exceeded", 0, "the context is full before a word", good=True),
    _stop("tool_use", 12, "`tool_use` after an answer, without a tool", good=True),
    _stop("tool_use", 0, "`tool_use` in place of an answer", good=True),
    _stop("pause_turn", 12, "`pause_turn` in the middle of a reply", good=True),
    _stop("something_new", 60, "a stop reason that nobody knows yet", good=True),
    _lasting(FaultKind.NO_CREDIT, "an empty wallet (400 “credit balance”)"),
    _lasting(FaultKind.GONE, "Haiku is retired (404)"),
    _lasting(FaultKind.UNAUTHORIZED, "the key is revoked (401)"),
    _lasting(FaultKind.FORBIDDEN, "the organisation is disabled (403)"),
    Case(
        group="models",
        fault="a gateway leaves out `usage`",
        rules=fault("anthropic", FaultKind.NO_USAGE),
        script=types(QUESTION),
        says="room",
        charged=("llm",),
    ),
    Case(
        group="models",
        fault="a gateway fills `usage` with zeros",
        rules=fault("anthropic", FaultKind.NO_USAGE, variant="zeros"),
        script=types(QUESTION),
        says="room",
        charged=("llm",),
    ),
)
