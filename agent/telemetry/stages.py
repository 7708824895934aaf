"""The stages of a turn: what the caller waited for, one after the other, from the marks of its timeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

TOOL_STAGE: Final = "tool"


class Mark(StrEnum):
    """Points on the critical path, in its order."""

    SPEECH_ENDED = "speech_ended"  # the caller's last voiced sample arrived
    TRANSCRIPT_READY = "transcript_ready"  # end of turn decided and text known
    FIRST_CLAUSE = "first_clause"  # the first speakable clause left the model
    FIRST_AUDIO = "first_audio"  # the first audio of the reply arrived from the voice
    AUDIO_SENT = "audio_sent"  # it was written to the socket
    PLAYBACK_STARTED = "playback_started"  # the client says it is audible


def derive_stages(marks: Mapping[Mark, float], waits: Sequence[tuple[float, float]] = ()) -> dict[str, float | None]:
    """Stage → seconds on the critical path; None from the first mark that is missing. `waits` are those for tools."""
    path = (Mark.SPEECH_ENDED, Mark.TRANSCRIPT_READY, Mark.FIRST_CLAUSE, Mark.FIRST_AUDIO, Mark.AUDIO_SENT)
    stages: dict[str, float | None] = {}
    before = marks.get(path[0])
    for name, mark in zip(("stt", "llm", "tts", "send"), path[1:], strict=True):
        at = marks.get(mark)
        if before is None or at is None:
            stages[name] = before = None
        else:
            reached = max(before, at)
            stages[name] = reached - before
            before = reached
    llm = stages["llm"]
    if waits and llm is not None:
        tool = min(llm, tool_time(marks, waits, marks[Mark.FIRST_CLAUSE]))
        stages |= {"llm": llm - tool, TOOL_STAGE: tool}
    return stages


def between(began: float | None, ended: float | None) -> float | None:
    """Seconds from one to the other; None where one is not known."""
    return None if began is None or ended is None else ended - began


def tool_time(marks: Mapping[Mark, float], waits: Sequence[tuple[float, float]], ended_at: float) -> float:
    """Seconds that a turn waited for tools before its answer began, or before it ended without one."""
    ready = marks.get(Mark.TRANSCRIPT_READY)
    if ready is None:
        return 0.0
    end = max(ready, marks.get(Mark.FIRST_CLAUSE, ended_at))
    return sum(max(0.0, min(end, ended) - max(ready, began)) for began, ended in waits)


def since_speech(marks: Mapping[Mark, float], at: float | None) -> float | None:
    """Seconds since the caller's last voiced sample; None where one of the two is not known."""
    began = marks.get(Mark.SPEECH_ENDED)
    return None if began is None or at is None else max(0.0, at - began)
