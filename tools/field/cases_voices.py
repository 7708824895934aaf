"""Voices: what they have been seen to do, and audio that is not what was asked for."""

from __future__ import annotations

from typing import Any, Final

from tools.field.callers import QUESTION, fault, faults, types
from tools.field.case import Case, Group
from voice_sandbox.faults import FaultKind

_KNOWN: Final = ("wav", "silently_wav", "mp3", "silently_mp3", "ogg", "flac", "ulaw", "22050", "24000", "44100")
_UNKNOWN: Final = ("unknown", "json", "html")


def _first(group: Group, words: str, kind: FaultKind, *counted: str, **options: Any) -> Case:
    """ElevenLabs alone has the fault, and the caller gets a whole reply for all that."""
    return Case(
        group=group,
        fault=words,
        rules=fault("elevenlabs", kind, **options),
        script=types(QUESTION),
        says="room",
        counted=counted,
    )


def _lasting(kind: FaultKind, words: str) -> Case:
    return Case(
        group="voices",
        fault=f"{words}, for everybody",
        rules=fault("elevenlabs", kind, everybody=True),
        script=types(QUESTION, QUESTION),
        says="room",
        everybody=True,
        counted=("elevenlabs → deepgram_tts (misconfigured)",),
        once=("elevenlabs misconfigured",),
    )


CASES: Final = (
    _lasting(FaultKind.GONE, "the voice was deleted (404)"),
    _lasting(FaultKind.NO_CREDIT, "the plan's characters are used up (401 `quota_exceeded`)"),
    _lasting(FaultKind.UNAUTHORIZED, "the key is revoked (401)"),
    _lasting(FaultKind.FORBIDDEN, "the key lacks a permission (401 `missing_permissions`)"),
    _first("voices", "429 for too many calls at once", FaultKind.RATE_LIMITED, "elevenlabs → deepgram_tts"),
    _first("voices", "success without audio", FaultKind.EMPTY, "elevenlabs → deepgram_tts (empty)"),
    _first("voices", "silence in place of speech", FaultKind.EMPTY, "elevenlabs → deepgram_tts", variant="silence"),
    _first("voices", "0.8 s of silence before the speech", FaultKind.LATE_VOICE, interval_s=0.8),
    _first("voices", "a clean end at half of the words", FaultKind.HALF, "elevenlabs → deepgram_tts (incomplete)"),
    _first("voices", "slower than real time (0.6)", FaultKind.SLOW_VOICE, "elevenlabs → deepgram_tts (resting)"),
    _first("voices", "the text is babbled four times over", FaultKind.BABBLE, "elevenlabs malformed"),
    _first("voices", "the line is cut in the middle of a clause", FaultKind.CUT, "elevenlabs → deepgram_tts", after=20),
    Case(
        group="voices",
        fault="ElevenLabs and Deepgram are out: the browser speaks",
        rules=faults(("elevenlabs", FaultKind.REFUSE, {}), ("deepgram_tts", FaultKind.REFUSE, {})),
        script=types(QUESTION),
        says="room",
        everybody=True,
        counted=("deepgram_tts → browser (refused)",),
    ),
    *(
        _first("audio", f"{variant} in place of PCM of 16 kHz", FaultKind.WRONG_FORMAT, variant=variant)
        for variant in _KNOWN
    ),
    *(
        _first("audio", f"{variant} in place of PCM", FaultKind.WRONG_FORMAT,
               "elevenlabs → deepgram_tts (malformed)", variant=variant)
        for variant in _UNKNOWN
    ),
    _first("audio", "one odd byte at the end", FaultKind.ODD_BYTE),
)  # fmt: skip
