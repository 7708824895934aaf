"""The line: audio that comes in clumps, gets lost or runs late, and voices that are late in the ear alone."""

from __future__ import annotations

from typing import Any, Final

from tools.field.callers import fault, no_fault, speaks
from tools.field.case import Case
from tools.field.cases_recognisers import NOVA, REPLY
from tools.field.handset import BadLine
from voice_sandbox.faults import FaultKind


def _line(words: str, bad: BadLine, settings: dict[str, Any] | None = None) -> Case:
    return Case(
        group="line",
        fault=f"{words}, heard by {'Nova' if settings else 'Flux'}",
        rules=no_fault,
        script=speaks("room_01", bad=bad),
        says=REPLY,
        turns=1,
        settings=settings or {},
    )


def _voice(words: str, kind: FaultKind, **options: Any) -> Case:
    return Case(
        group="line",
        fault=f"{words}, after a spoken question",
        rules=fault("elevenlabs", kind, **options),
        script=speaks("billing_04"),
        says="working days.*4417",
        turns=1,
    )


CASES: Final = (
    _line("frames in clumps of 200 ms", BadLine(hold_s=0.2)),
    _line("frames in clumps of 500 ms", BadLine(hold_s=0.5)),
    _line("frames in clumps of 500 ms", BadLine(hold_s=0.5), NOVA),
    _line("frames in clumps of 200 ms, and 5 % of them silent", BadLine(hold_s=0.2, lost=0.05)),
    _line("10 % of the frames are silent", BadLine(lost=0.1)),
    _line("10 % of the frames are silent", BadLine(lost=0.1), NOVA),
    _line("the client's clock is 0.5 % slow", BadLine(clock=0.995)),
    _line("the client's clock is 0.5 % fast", BadLine(clock=1.005)),
    _voice("0.8 s of silence before the voice", FaultKind.LATE_VOICE, interval_s=0.8),
    _voice("a voice slower than real time (0.6)", FaultKind.SLOW_VOICE),
    _voice("a voice that ends cleanly at half of the words", FaultKind.HALF),
    _voice("a voice that stalls in the middle", FaultKind.STALL, after=10),
)
