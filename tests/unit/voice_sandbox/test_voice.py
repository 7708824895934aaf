from __future__ import annotations

import asyncio
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from voice_sandbox.voice import PROGRAM, SimulatedVoice, VoiceError, tones

needs_espeak = pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"{PROGRAM} is not installed")


def loudness_dbfs(pcm: bytes) -> float:
    samples = np.frombuffer(pcm, "<i2").astype(float)
    return float(20 * np.log10(np.sqrt(np.mean(samples**2)) / 32768))


def test_tones_have_the_length_of_the_text_and_gaps_between_words() -> None:
    pcm = tones("ab c", 16_000)
    assert len(pcm) == 4 * 960 * 2
    assert tones("ab c", 16_000) == pcm
    gap = pcm[2 * 1920 : 3 * 1920]
    assert gap == bytes(1920)
    assert -26 < loudness_dbfs(pcm[:3840]) < -16
    assert tones("a", 16_000) != tones("b", 16_000)


@needs_espeak
async def test_espeak_speaks_at_the_wanted_rate() -> None:
    voice = SimulatedVoice.create("espeak")
    assert voice.name == "espeak"
    slow, fast = (
        await voice.render("Hello there, good morning.", 16_000),
        await voice.render("Hello there, good morning.", 24_000),
    )
    assert 0.8 < len(slow) / 2 / 16_000 < 3
    assert len(fast) / len(slow) == pytest.approx(1.5, rel=0.01)
    assert loudness_dbfs(slow) > -35


@needs_espeak
async def test_text_is_never_taken_for_an_option_or_a_command() -> None:
    voice = SimulatedVoice.create("espeak")
    texts = ["--version", "-w /tmp/x.wav", "$(id); `id` | cat", "a\x00b", "<speak>&"]
    for pcm in await asyncio.gather(*(voice.render(text, 16_000) for text in texts)):
        assert len(pcm) > 3200


async def test_nothing_to_say_is_empty() -> None:
    voice = SimulatedVoice.create("tones")
    assert voice.name == "tones"
    assert await voice.render(" \n", 16_000) == b""


async def test_a_rendered_text_is_kept(tmp_path: Path) -> None:
    # a stand-in for espeak-ng that fails when it is run a second time
    program = tmp_path / "once"
    wav = tmp_path / "a.wav"
    flag = tmp_path / "ran"
    program.write_text(
        f"#!{sys.executable}\nimport os, sys, wave\n"
        f"if os.path.exists({str(flag)!r}): sys.exit(1)\nopen({str(flag)!r}, 'w').close()\n"
        f"w = wave.open({str(wav)!r}, 'wb'); w.setnchannels(1); w.setsampwidth(2); w.setframerate(16000)\n"
        f"w.writeframes(b'\\x01\\x00' * 1600); w.close()\nsys.stdout.buffer.write(open({str(wav)!r}, 'rb').read())\n"
    )
    program.chmod(0o755)
    voice = SimulatedVoice(str(program))
    first = await voice.render("hello", 16_000)
    assert first == await voice.render("hello", 16_000) == b"\x01\x00" * 1600
    with pytest.raises(VoiceError, match="no WAV file"):
        await voice.render("other", 16_000)


async def test_a_missing_program_is_an_error() -> None:
    with pytest.raises(VoiceError, match="could not be started"):
        await SimulatedVoice("/nonexistent/espeak-ng").render("hello", 16_000)


def test_espeak_must_be_there_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert SimulatedVoice.create("auto").name == "tones"
    with pytest.raises(ValueError, match="not installed"):
        SimulatedVoice.create("espeak")
