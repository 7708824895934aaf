"""Language models: what Anthropic's service has been seen to do."""

from __future__ import annotations

from typing import Final

from tools.field.callers import HARD, QUESTION, fault, types
from tools.field.case import Case
from voice_sandbox.faults import FaultKind

HAIKU: Final = "claude-haiku-5-5"
SONNET: Final = "claude-sonnet-5-5"

CASES: Final = (
    Case(
        group="models",
        fault="one 529 from Haiku",
        rules=fault("anthropic", FaultKind.OVERLOADED, model=HAIKU, count=1),
        script=types(QUESTION),
        counted=("anthropic overloaded",),
    ),
    Case(
        group="models",
        fault="Haiku answers 529 to every request",
        rules=fault("anthropic", FaultKind.OVERLOADED, model=HAIKU),
        script=types(QUESTION),
        counted=("haiku → sonnet (overloaded)",),
    ),
    Case(
        group="models",
        fault="Sonnet answers 529 to every request",
        rules=fault("anthropic", FaultKind.OVERLOADED, model=SONNET),
        script=types(HARD),
        counted=("sonnet → haiku (overloaded)",),
    ),
)
