"""Recognisers: what Deepgram and models of the Whisper family have been seen to do, and microphones that stop."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from tools.field.callers import answered, fault, faults, no_fault, speaks, speaks_before_and_in
from tools.field.case import Case, Rules, Scene, Script
from tools.field.handset import BadLine, handset
from tools.field.sounds import hiss, hum, music, offset
from voice_loadtest.audio import BYTES_PER_SECOND, CallerRecording
from voice_sandbox.faults import FaultKind

NOVA: Final = {"stt_model": "nova-3"}
ALONE: Final = (('stt = ["deepgram", "whisper", "browser"]', 'stt = ["deepgram", "browser"]'),)
"""The policies without a second recogniser, as where no OpenAI key is set."""
REPLY: Final = "location"  # a word of the reply to `room_01`
_OFF_S: Final = 12.0  # longer than the vendor waits for audio
_MUSIC_S: Final = 5.0


def _never_ends(model: str, variant: str, words: str, *counted: str, alone: bool = True) -> Case:
    name, settings = ("Flux", {}) if model == "flux" else ("Nova", NOVA)
    return Case(
        group="recognisers",
        fault=f"{name} {words}, {'without' if alone else 'with'} an OpenAI key",
        rules=fault("deepgram", FaultKind.QUIRK, variant=variant),
        script=speaks("room_01"),
        says=REPLY,
        turns=1,
        counted=counted,
        settings=settings,
        policies=ALONE if alone else (),
    )


def _quirk(words: str, variant: str, settings: dict[str, Any]) -> Case:
    return Case(
        group="recognisers",
        fault=f"{'Nova' if settings else 'Flux'} {words}",
        rules=fault("deepgram", FaultKind.QUIRK, variant=variant),
        script=speaks("room_01"),
        says=REPLY,
        turns=1,
        settings=settings,
    )


def _fault(words: str, kind: FaultKind, *counted: str, **options: Any) -> Case:
    return Case(
        group="recognisers",
        fault=words,
        rules=fault("deepgram", kind, **options),
        script=speaks("room_01"),
        says=REPLY,
        turns=1,
        counted=counted,
        charged=("stt", "llm", "tts"),
    )


def _lasting(kind: FaultKind, words: str) -> Case:
    return Case(
        group="recognisers",
        fault=f"{words}, for everybody",
        rules=fault("deepgram", kind, everybody=True),
        script=_twice("room_01", "room_03"),
        says=r"\w",
        everybody=True,
        counted=("deepgram → whisper",),
        once=("deepgram misconfigured",),
    )


def _around(words: str, sound: bytes, settings: dict[str, Any], *names: str) -> Case:
    return Case(
        group="recognisers",
        fault=f"{words}, heard by {'Nova' if settings else 'Flux'}",
        rules=no_fault,
        script=speaks(*(names or ("room_01",)), bad=BadLine(around=sound)),
        says=REPLY,
        turns=1,
        settings=settings,
    )


def _twice(first: str, second: str) -> Script:
    """Says one thing, and another when that was answered."""

    async def script(scene: Scene) -> None:
        scene.inject()
        async with handset(scene.line) as phone:
            await phone.say(scene.sounds[first])
            await answered(scene.line)
            scene.line.fresh()
            await phone.say(scene.sounds[second])
            await answered(scene.line)

    return script


async def _microphone_off(scene: Scene) -> None:
    line = scene.line
    async with handset(line) as phone:
        await phone.say(scene.sounds["room_01"])
        await answered(line)
        phone.open = False
        await asyncio.sleep(_OFF_S)
        phone.open = True
        line.fresh()
        await phone.say(scene.sounds["room_03"])
        await answered(line)


async def _asleep_in_the_middle(scene: Scene) -> None:
    line, whole = scene.line, scene.sounds["room_01"]
    async with handset(line) as phone:
        half = CallerRecording.of("half", whole.pcm[: int(1.4 * BYTES_PER_SECOND)])
        await phone.say(half)
        line.owe()
        phone.open = False
        await answered(line)


def _music_then_words(rules: Rules, words: str, **options: Any) -> Case:
    async def script(scene: Scene) -> None:
        scene.inject()
        async with handset(scene.line) as phone:
            await phone.sound(music(_MUSIC_S, -25.0))
            await phone.quiet(2.5)
            await phone.say(scene.sounds["room_01"])
            await answered(scene.line)

    return Case(
        group="recognisers", fault=words, rules=rules, script=script, says=REPLY, never="watching", turns=1, **options
    )


CASES: Final = (
    _never_ends("flux", "open_turn", "never sends EndOfTurn by itself", "turn_forced"),
    _never_ends("flux", "never_ends", "never ends a turn, nor when it is asked to", "turn_ended_here"),
    _never_ends("nova", "open_turn", "has final results, never `speech_final`", "turn_forced"),
    _never_ends("nova", "never_ends", "never ends a turn, nor after `Finalize`", "turn_ended_here"),
    _never_ends("nova", "interim_only", "has only interim results", "turn_ended_here"),
    _never_ends("flux", "never_ends", "never ends a turn, nor when it is asked to", "turn_ended_here", alone=False),
    _never_ends("nova", "interim_only", "has only interim results", "turn_ended_here", alone=False),
    _quirk("tells the end of a turn twice", "twice", {}),
    _quirk("tells the end of a turn twice", "twice", NOVA),
    _quirk("has the times of words out of order", "word_order", {}),
    _quirk("has the times of words out of order", "word_order", NOVA),
    _lasting(FaultKind.NO_CREDIT, "Deepgram's wallet is empty (402)"),
    _lasting(FaultKind.GONE, "the recogniser's model is retired"),
    _lasting(FaultKind.UNAUTHORIZED, "Deepgram's key is revoked (401)"),
    _lasting(FaultKind.FORBIDDEN, "Deepgram's key may not (403)"),
    _fault("Deepgram refuses connections", FaultKind.REFUSE, "deepgram → whisper (refused)"),
    _fault("Deepgram closes in the middle of a turn, once", FaultKind.CUT, "deepgram disconnected", after=2, count=1),
    _fault("Deepgram closes with 1011 in the middle of a turn", FaultKind.CUT, "deepgram disconnected", after=2,
           count=1, variant="1011"),
    _fault("Deepgram says nothing more in the middle of a turn", FaultKind.STALL, after=2),
    _fault("Deepgram sends what is not JSON", FaultKind.MALFORMED, "deepgram malformed"),
    _fault("Deepgram hears nothing at all", FaultKind.EMPTY, "deepgram → whisper (empty)"),
    _fault("429 from Deepgram", FaultKind.RATE_LIMITED, "deepgram → whisper (rate_limited)"),
    Case(
        group="recognisers",
        fault="Deepgram and Whisper are out: the browser listens",
        rules=faults(("deepgram", FaultKind.REFUSE, {}), ("openai_stt", FaultKind.REFUSE, {})),
        script=speaks("room_01"),
        says=r"\w",
        everybody=True,
        counted=("whisper → browser (refused)",),
    ),
    Case(
        group="recognisers",
        fault="Deepgram goes away between two turns",
        rules=fault("deepgram", FaultKind.REFUSE),
        script=speaks_before_and_in("room_01", "room_03"),
    ),
    Case(
        group="recognisers",
        fault=f"the microphone is off for {_OFF_S:g} s (no frames), then the caller speaks on",
        rules=no_fault,
        script=_microphone_off,
        counted=("frames_stopped",),
        turns=1,
    ),
    Case(
        group="recognisers",
        fault="the telephone falls asleep in the middle of a sentence",
        rules=no_fault,
        script=_asleep_in_the_middle,
        counted=("frames_stopped",),
        turns=1,
    ),
    _music_then_words(
        fault("openai_stt", FaultKind.QUIRK, variant="phantom", count=1),
        f"{_MUSIC_S:g} s of music, for which Whisper invents “Thank you for watching!”",
    ),
    _music_then_words(no_fault, f"{_MUSIC_S:g} s of music, without an OpenAI key", policies=ALONE),
    _around("hiss of −34 dBFS all the time", hiss(4.0, -34.0), {}),
    _around("hiss of −34 dBFS all the time", hiss(4.0, -34.0), NOVA),
    _around("an offset (DC) of 3 %", offset(1.0, 0.03), {}),
    _around("mains hum of −40 dBFS", hum(1.0, -40.0), {}),
)  # fmt: skip
