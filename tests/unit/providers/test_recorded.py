from __future__ import annotations

import wave
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from agent.core.audio import duration_s
from agent.core.calls import CallRecorder
from agent.core.errors import ConfigurationError
from agent.providers.base import Audio
from agent.providers.output_check import audible
from agent.providers.recorded import TEXTS, Sentence, load_clips, record_clips
from agent.providers.recorded_texts import TEXTS_OF, texts_in
from tests.support.providers import RecordingRecorder


class _Voice:
    provider = "voice"
    model = "test"

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio]:
        for _ in text:
            yield Audio(b"\x00\x10" * 160, "elevenlabs")


def test_every_sentence_is_shipped_as_audible_speech() -> None:
    clips = load_clips()
    assert set(clips) == set(Sentence)
    for sentence, clip in clips.items():
        assert clip.text == TEXTS[sentence]
        assert audible(clip.pcm)
        assert 0.5 < duration_s(len(clip.pcm)) < 6


@pytest.mark.parametrize("language", sorted(TEXTS_OF))
def test_each_language_has_every_sentence_as_audible_speech(language: str) -> None:
    clips = load_clips(None, language)
    for sentence in Sentence:
        assert clips[sentence].text == TEXTS_OF[language][sentence]
        assert audible(clips[sentence].pcm)
        assert 0.5 < duration_s(len(clips[sentence].pcm)) < 8
    assert language == "en" or all(clips[one] != load_clips()[one] for one in Sentence)


def test_a_language_that_is_not_shipped_is_english() -> None:
    assert load_clips(None, "pl") == load_clips()


async def test_a_recording_is_played_only_while_it_says_what_is_wanted(
    tmp_path: Path, recorder: RecordingRecorder
) -> None:
    german, own = texts_in("de"), {Sentence.ONE_MOMENT: "Ich sehe nach."}
    shipped = load_clips(None, "de", own)
    assert shipped == load_clips(None, "de"), "what is not recorded cannot be said"
    await record_clips(_Voice(), tmp_path, "clips", recorder, texts_in("de", own))
    clips = load_clips(tmp_path, "de", own)
    assert clips[Sentence.ONE_MOMENT].text == "Ich sehe nach."
    assert len(clips[Sentence.ONE_MOMENT].pcm) == 320 * len("Ich sehe nach.")
    assert clips[Sentence.APOLOGY].text == german[Sentence.APOLOGY]
    assert load_clips(tmp_path, "de")[Sentence.ONE_MOMENT] == shipped[Sentence.ONE_MOMENT]
    assert load_clips(tmp_path) == load_clips(), "it speaks German"
    (tmp_path / "texts.json").unlink()
    assert load_clips(tmp_path, "de", own) == clips, "recordings of one's own without a list are believed"


@pytest.mark.parametrize("written", [b"{", b"[]", b"\xff"])
def test_a_broken_list_of_texts_is_refused(tmp_path: Path, written: bytes) -> None:
    (tmp_path / "texts.json").write_bytes(written)
    with pytest.raises(ConfigurationError, match=r"texts\.json"):
        load_clips(tmp_path)


async def test_own_recordings_replace_the_shipped_ones(tmp_path: Path, recorder: RecordingRecorder) -> None:
    await record_clips(_Voice(), tmp_path / "clips", "clips", recorder)
    clips = load_clips(tmp_path / "clips")
    assert clips[Sentence.APOLOGY].pcm == b"\x00\x10" * 160 * len(TEXTS[Sentence.APOLOGY])
    assert sorted(file.name for file in (tmp_path / "clips").iterdir()) == sorted(
        ["texts.json", *(f"{name}.wav" for name in Sentence)]
    )


def test_a_sentence_without_own_recording_is_the_shipped_one(tmp_path: Path) -> None:
    assert load_clips(tmp_path) == load_clips()


@pytest.mark.parametrize("rate", [8000, 44_100])
def test_a_recording_of_another_rate_is_refused(tmp_path: Path, rate: int) -> None:
    with wave.open(str(tmp_path / "apology.wav"), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(bytes(200))
    with pytest.raises(ConfigurationError, match=r"apology\.wav: takes a 16-bit mono WAV of 16 kHz"):
        load_clips(tmp_path)


def test_a_broken_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "goodbye.wav").write_bytes(b"RIFF")
    with pytest.raises(ConfigurationError, match=r"goodbye\.wav: cannot be read as WAV"):
        load_clips(tmp_path)
