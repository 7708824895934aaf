"""A voice that brings no words is counted once; clicks, and voices that are understood, are not."""

from __future__ import annotations

import asyncio

from agent.turn.vad import VoiceStarted, VoiceStopped
from agent.turn.wordless import ANSWER_S, WordlessVoice
from tests.support.virtual_time import run_virtual


def counted(*steps: tuple[str, float]) -> int:
    """How many wordless voices there are after these (what happens, voiced seconds of the call so far)."""
    told: list[None] = []

    async def play() -> None:
        voice = WordlessVoice(lambda: told.append(None))
        for step, seconds in steps:
            if step == "wait":
                await asyncio.sleep(seconds)
            elif step == "words":
                voice.words()
            elif step == "stopped":
                voice.voice(VoiceStopped(0.0), seconds, reply_plays=False)
            else:
                voice.voice(VoiceStarted(0.0), seconds, reply_plays=step == "over a reply")
        voice.close()

    run_virtual(play())
    return len(told)


def test_a_voice_without_words_is_counted_once() -> None:
    assert counted(("started", 1.0), ("stopped", 1.8), ("wait", 10.0)) == 1


def test_words_in_time_are_no_loss() -> None:
    assert counted(("started", 0.0), ("stopped", 0.8), ("wait", ANSWER_S - 1), ("words", 0), ("wait", 10.0)) == 0
    assert counted(("started", 0.0), ("words", 0), ("stopped", 0.8), ("wait", 10.0)) == 0


def test_a_click_is_no_voice() -> None:
    assert counted(("started", 0.0), ("stopped", 0.1), ("wait", 10.0)) == 0


def test_a_pause_within_what_is_said_does_not_count_twice() -> None:
    said = [("started", 0.0), ("stopped", 0.8), ("wait", 1.0), ("started", 0.8), ("stopped", 1.6), ("wait", 10.0)]
    assert counted(*said) == 1


def test_a_voice_over_a_reply_is_counted_elsewhere() -> None:
    assert counted(("over a reply", 0.0), ("stopped", 0.8), ("wait", 10.0)) == 0


def test_nothing_is_told_after_the_call() -> None:
    assert counted(("started", 0.0), ("stopped", 0.8)) == 0
