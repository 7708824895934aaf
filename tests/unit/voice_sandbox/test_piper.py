"""Piper's program, played by a small one that keeps to its habits: a WAV file a line, and a note of it on stderr."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sys
import wave
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.support.providers import until
from voice_sandbox.local_packages import find_voice
from voice_sandbox.piper import Piper, PiperError
from voice_sandbox.voice import SimulatedVoice, VoiceError

PROGRAM: Final = """
import itertools, os, sys, time, wave
folder = sys.argv[sys.argv.index("--output-dir") + 1]
open(sys.argv[0] + ".pid", "w").write(str(os.getpid()))
print("INFO:__main__:loading", file=sys.stderr, flush=True)
for number, line in zip(itertools.count(), sys.stdin):
    text = line.strip()
    if text == "die once" and not os.path.exists(sys.argv[0] + ".died"):
        open(sys.argv[0] + ".died", "w").close()
        sys.exit(3)
    if text == "die" or os.path.exists(sys.argv[0] + ".broken"):
        sys.exit(3)
    if text == "slow":
        time.sleep(0.5)
    if text == "hang":
        time.sleep(600)
    path = os.path.join(folder, f"{number}.wav")
    with wave.open(path, "wb") as file:
        file.setnchannels(1); file.setsampwidth(2); file.setframerate(22050)
        file.writeframes(bytes(2 * 2205 * len(text.split())))
    print("INFO:__main__:Wrote", path, file=sys.stderr, flush=True)
"""


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncGenerator[Piper]:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    piper = Piper(tmp_path / "voice.onnx", (sys.executable, str(program)))
    try:
        yield piper
    finally:
        await piper.close()


def seconds(wav: bytes) -> float:
    with wave.open(io.BytesIO(wav)) as file:
        return file.getnframes() / file.getframerate()


async def test_every_sentence_gets_its_own_speech_from_one_program(tmp_path: Path) -> None:
    async with running(tmp_path) as piper:
        spoken = await asyncio.gather(piper.speak("one"), piper.speak("two\nwords"), piper.speak("now three words"))
        assert [seconds(wav) for wav in spoken] == pytest.approx([0.1, 0.2, 0.3])


async def test_what_has_no_sound_is_not_asked_for(tmp_path: Path) -> None:
    async with running(tmp_path) as piper:
        assert await piper.speak(" … ") == b""


async def test_a_program_that_stopped_is_an_error_and_is_started_again(tmp_path: Path) -> None:
    async with running(tmp_path) as piper:
        with pytest.raises(PiperError, match="stopped"):
            await piper.speak("die")
        assert seconds(await piper.speak("one")) == pytest.approx(0.1)


async def test_a_program_that_dies_at_a_sentence_is_started_again_and_says_it(tmp_path: Path) -> None:
    async with running(tmp_path) as piper:
        assert seconds(await piper.speak("die once")) == pytest.approx(0.2)
        assert piper.restarts == 1


async def test_a_program_that_was_killed_between_sentences_is_started_again(tmp_path: Path) -> None:
    async with running(tmp_path) as piper:
        await piper.speak("one")
        os.kill(int((tmp_path / "program.py.pid").read_text()), signal.SIGKILL)
        assert seconds(await piper.speak("two words")) == pytest.approx(0.2)
        assert piper.restarts == 1


async def test_where_piper_stays_away_a_simulated_voice_speaks_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voice_sandbox.voice._RETRY_S", 0.05)
    broken = tmp_path / "program.py.broken"
    async with running(tmp_path) as piper:
        voice = SimulatedVoice(None, piper)
        assert len(await voice.render("one", 16_000)) == pytest.approx(3200, abs=4)
        broken.touch()
        assert len(await voice.render("two words", 16_000)) > 3200, "tones"
        assert (voice.name, voice.real, voice.failure) == ("tones", False, "piper stopped")
        broken.unlink()
        await until(lambda: voice.failure is None)
        assert (voice.name, voice.real) == ("piper", True)
        assert len(await voice.render("two words", 16_000)) == pytest.approx(6400, abs=4), "tones are not remembered"
        await voice.close()


async def test_a_caller_who_leaves_does_not_leave_his_sentence_to_the_next(tmp_path: Path) -> None:
    async with running(tmp_path) as piper:
        await piper.speak("one")
        left = asyncio.create_task(piper.speak("slow"))
        done, _ = await asyncio.wait({left}, timeout=0.1)
        assert not done
        left.cancel()
        assert seconds(await piper.speak("two words")) == pytest.approx(0.2)


async def test_closing_ends_what_is_being_said(tmp_path: Path) -> None:
    async with running(tmp_path) as piper:
        await piper.speak("one")
        stuck = asyncio.create_task(piper.speak("hang"))
        await asyncio.wait({stuck}, timeout=0.1)
        await piper.close()
        assert stuck.cancelled() or stuck.done()
        await asyncio.gather(stuck, return_exceptions=True)


async def test_at_most_16_sentences_wait(tmp_path: Path) -> None:
    async with running(tmp_path) as piper:
        many = await asyncio.gather(*(piper.speak("one") for _ in range(20)), return_exceptions=True)
        assert sum(isinstance(one, PiperError) for one in many) == 4


async def test_a_program_that_is_not_there_leaves_the_simulated_voice(tmp_path: Path) -> None:
    voice = SimulatedVoice(None, Piper(tmp_path / "voice.onnx", (str(tmp_path / "nothing"),)))
    assert len(await voice.render("Hello.", 16_000)) > 3200
    assert "could not be run" in (voice.failure or "")
    await voice.close()


async def test_who_comes_while_16_sentences_wait_is_refused_and_nothing_is_called_broken(tmp_path: Path) -> None:
    async with running(tmp_path) as piper:
        voice = SimulatedVoice(None, piper)
        many = [voice.render("word " * count, 16_000) for count in range(1, 21)]
        done = await asyncio.gather(*many, return_exceptions=True)
        assert sum(isinstance(one, VoiceError) for one in done) == 4
        assert voice.real


async def test_the_voice_resamples_what_piper_says(tmp_path: Path) -> None:
    async with running(tmp_path) as piper:
        voice = SimulatedVoice(None, piper)
        assert (voice.name, voice.real) == ("piper", True)
        assert len(await voice.render("one", 16_000)) == pytest.approx(3200, abs=4)


@pytest.mark.slow
@pytest.mark.skipif(find_voice() is None, reason="piper-tts and its voice are not installed: `make local`")
async def test_the_real_program_speaks_sentence_after_sentence() -> None:
    voice = SimulatedVoice.create("piper")
    try:
        for text in ("Hello.", "Hello, this is Harbour House. How can I help you?", "…", "Bye."):
            spoken = len(await voice.render(text, 16_000)) / 32_000
            assert (spoken > 0.3) == (text != "…")
    finally:
        await voice.close()
