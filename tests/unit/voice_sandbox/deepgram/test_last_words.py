"""The end of a Flux stream while a speech model still recognises what was said: a probe hears its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.speech_model import QUIET, VOICE, LevelDetector, SlowModel
from voice_sandbox.deepgram.stream import Close, Out, OutgoingMessage
from voice_sandbox.deepgram.v2 import LAST_WORDS_S, FluxListener
from voice_sandbox.recognizer.hearing import Hearing
from voice_sandbox.recognizer.library import ClipLibrary
from voice_sandbox.recognizer.voice_detector import DetectorPool
from voice_sandbox.state import BUNDLED_CLIPS, SandboxOptions, SandboxState

CLOSE = '{"type": "CloseStream"}'
NOW = 100.0
BUNDLED = ClipLibrary.load([BUNDLED_CLIPS])


async def listening(model: SlowModel, library: ClipLibrary) -> FluxListener:
    """A stream on which a second of voice came, as fast as it was taken."""
    world = SandboxState.create(SandboxOptions(profile="instant", voice="tones"))
    turns = await Hearing(library, model, DetectorPool(LevelDetector)).turns()
    listener = FluxListener(world, "flux-general-en", "r1", {}, turns)
    listener.opening(NOW)
    for piece in (*[VOICE] * 50, *[QUIET] * 5):
        listener.audio(piece, NOW)
    return listener


def said(outs: Sequence[Out]) -> list[tuple[str, str]]:
    told: list[dict[str, Any]] = [dict(out.payload) for out in outs if isinstance(out, OutgoingMessage)]
    return [(one["event"], one["transcript"]) for one in told]


async def test_words_that_are_still_recognised_come_before_the_end_of_the_stream() -> None:
    model = SlowModel()
    listener = await listening(model, BUNDLED)
    assert not any(isinstance(out, Close) for out in listener.command(CLOSE, NOW))
    model.answer("a room")
    outs = listener.check(NOW + 1)
    assert ("EndOfTurn", "a room") in said(outs)
    assert isinstance(outs[-1], Close)


async def test_words_that_never_come_hold_the_end_up_for_ten_seconds() -> None:
    listener = await listening(SlowModel(), BUNDLED)
    listener.command(CLOSE, NOW)
    assert (listener.deadline or 0) <= NOW + LAST_WORDS_S
    assert not any(isinstance(out, Close) for out in listener.check(NOW + LAST_WORDS_S - 1))
    assert listener.check(NOW + LAST_WORDS_S)[-1] == Close(1000)


async def test_a_stream_without_a_voice_ends_at_once() -> None:
    world = SandboxState.create(SandboxOptions(profile="instant", voice="tones"))
    turns = await Hearing(BUNDLED, SlowModel(), DetectorPool(LevelDetector)).turns()
    listener = FluxListener(world, "flux-general-en", "r1", {}, turns)
    listener.opening(NOW)
    listener.audio(QUIET * 50, NOW)
    assert listener.command(CLOSE, NOW)[-1] == Close(1000)
