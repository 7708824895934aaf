"""What is heard in clips that were changed on their way, in their beginnings, in noise and in unknown speech."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray

from voice_sandbox.recognizer.features import FRAME_S, RATE, levels
from voice_sandbox.recognizer.library import ClipLibrary, LibraryClip, LibraryClipError
from voice_sandbox.recognizer.recognizer import StreamingRecogniser, transcribe
from voice_sandbox.recognizer.unknown import TEXT
from voice_sandbox.recognizer.voicing import FLOOR_DBFS, RANGE_DB
from voice_sandbox.recognizer.words import RecognizedWord
from voice_sandbox.state import BUNDLED_CLIPS

Audio = NDArray[np.float64]
SILENCE = np.zeros(RATE // 4)
CHUNK = 640  # 20 ms of PCM


def _samples(folders: list[Path], name: str) -> Audio:
    path = next(folder / name for folder in folders if (folder / name).exists())
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64)


def _pcm(audio: Audio) -> bytes:
    return np.clip(np.round(audio), -32768, 32767).astype("<i2").tobytes()


def _hear(library: ClipLibrary, audio: Audio) -> RecognizedWord:
    recogniser = StreamingRecogniser(library)
    pcm = _pcm(audio)
    for start in range(0, len(pcm), CHUNK):
        recogniser.feed(pcm[start : start + CHUNK])
    return recogniser.heard()


def _through(rate: int) -> Callable[[Audio], Audio]:
    return lambda audio: soxr.resample(soxr.resample(audio, RATE, rate), rate, RATE)


def _suppress_noise(audio: Audio) -> Audio:
    """Mild spectral subtraction, as browsers do: what lies near the quietest sixth of each band is turned down."""
    size, hop = 512, 256
    window = np.hanning(size)
    padded = np.pad(audio, size)
    spectra = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, size)[::hop] * window)
    noise = np.percentile(np.abs(spectra), 15, axis=0)
    gain = np.maximum(1 - 1.2 * noise / np.maximum(np.abs(spectra), 1e-9), 0.12)
    out, total = np.zeros(padded.size + size), np.full(padded.size + size, 1e-9)
    for index, frame in enumerate(np.fft.irfft(spectra * gain)):
        out[index * hop : index * hop + size] += frame
        total[index * hop : index * hop + size] += window
    return (out / np.maximum(total, 0.1))[size : size + audio.size]


def _with_noise(audio: Audio) -> Audio:
    """White noise 20 dB below the clip's mean power."""
    dice = np.random.default_rng(3)
    return audio + dice.standard_normal(audio.size) * np.sqrt(np.mean(audio**2)) * 0.1


CHANGES: dict[str, Callable[[Audio], Audio]] = {
    "unchanged": lambda audio: audio,
    "+6 dB": lambda audio: audio * 2,
    "-6 dB": lambda audio: audio / 2,
    "44.1 kHz": _through(44_100),
    "48 kHz": _through(48_000),
    "noise suppression": _suppress_noise,
    "offset of 1 sample": lambda audio: np.concatenate([np.zeros(1), audio]),
    "offset of 79 samples": lambda audio: np.concatenate([np.zeros(79), audio]),
    "offset of 3,333 samples": lambda audio: np.concatenate([np.zeros(3_333), audio]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_clip_is_heard_whole_after(change: str, library: ClipLibrary, folders: list[Path]) -> None:
    wrong: list[tuple[str, str]] = []
    for clip in library.clips:
        audio = CHANGES[change](_samples(folders, clip.name))
        heard = _hear(library, np.concatenate([SILENCE, audio, SILENCE]))
        if heard.text != clip.transcript or heard.complete is clip.noise:
            wrong.append((clip.name, heard.text))
    assert wrong == []


def test_white_noise_costs_at_most_a_faint_last_word(library: ClipLibrary, folders: list[Path]) -> None:
    """Under noise the quietest recording may lose its end; nothing is ever heard as another clip."""
    wrong: list[tuple[str, str]] = []
    for clip in library.clips:
        heard = _hear(library, np.concatenate([SILENCE, _with_noise(_samples(folders, clip.name)), SILENCE]))
        assert clip.transcript.startswith(heard.text)
        if heard.text != clip.transcript:
            wrong.append((clip.name, heard.text))
    assert len(wrong) <= len(library) // 20, wrong


def _cut_words(clip: LibraryClip, cut_s: float, *, front: bool) -> tuple[list[str], list[str]]:
    """Words that lie wholly in the rest of a cut clip, and those that keep at least a part of themselves in it."""
    whole: list[str] = []
    touched: list[str] = []
    for word in clip.words:
        if (word.start >= cut_s) if front else (word.end <= cut_s):
            whole.append(word.text)
        if (word.end > cut_s) if front else (word.start < cut_s):
            touched.append(word.text)
    return whole, touched


@pytest.mark.parametrize("front", [True, False])
def test_a_clip_cut_by_200_ms_gives_the_words_still_heard(
    front: bool, library: ClipLibrary, folders: list[Path]
) -> None:
    cut = RATE // 5
    for clip in library.clips:
        audio = _samples(folders, clip.name)
        rest, cut_s = (audio[cut:], cut / RATE) if front else (audio[:-cut], (audio.size - cut) / RATE)
        words = _hear(library, np.concatenate([SILENCE, rest, SILENCE])).text.split()
        whole, touched = _cut_words(clip, cut_s, front=front)
        ends = clip.transcript.split()
        wanted = [ends[len(ends) - n :] if front else ends[:n] for n in range(len(whole), len(touched) + 1)]
        assert words in wanted, (clip.name, words)


def test_a_partly_heard_clip_gives_only_words_whose_end_was_heard(bundled: ClipLibrary) -> None:
    for clip in bundled.clips:
        pcm = _pcm(_samples([BUNDLED_CLIPS], clip.name))
        recogniser = StreamingRecogniser(bundled)
        seen: list[int] = []
        for start in range(0, len(pcm), CHUNK):
            recogniser.feed(pcm[start : start + CHUNK])
            words = recogniser.heard().words
            seen.append(len(words))
            assert all(word.end <= recogniser.seconds + 0.02 for word in words), clip.name
        if not clip.noise:
            assert seen[-1] == len(clip.words) > seen[len(seen) // 2]


def test_word_times_are_those_of_the_clip_and_the_last_word_ends_with_the_voice(bundled: ClipLibrary) -> None:
    for clip in bundled.clips:
        if clip.noise:
            continue
        audio = _samples([BUNDLED_CLIPS], clip.name)
        level = levels(audio.astype(np.int16))
        voiced = np.flatnonzero(level > max(FLOOR_DBFS, float(level.max()) - RANGE_DB))
        words = _hear(bundled, np.concatenate([np.zeros(3 * RATE), audio, SILENCE])).words
        assert words[-1].end == pytest.approx(3 + (voiced[-1] + 1) * FRAME_S, abs=0.011)
        for heard, known in zip(words, clip.words, strict=True):
            assert heard.start == pytest.approx(3 + known.start, abs=0.021)


def test_clips_follow_each_other_and_the_same_clip_twice_is_heard_twice(bundled: ClipLibrary) -> None:
    names = ["room_04.wav", "billing_02.wav", "billing_02.wav", "order_01.wav"]
    gap = np.zeros(RATE // 10)
    parts = [part for name in names for part in (_samples([BUNDLED_CLIPS], name), gap)]
    texts = [next(clip.transcript for clip in bundled.clips if clip.name == name) for name in names]
    assert _hear(bundled, np.concatenate(parts)).text == " ".join(texts)


def test_unknown_speech_is_heard_as_such_and_never_as_a_whole_other_clip(folders: list[Path]) -> None:
    """Every real recording against a library without it. Where there are none, bundled speakers against each other."""
    library = ClipLibrary.load([BUNDLED_CLIPS])
    if len(folders) == 1:
        pytest.skip("no recordings of other speakers at hand")
    recordings = [clip for clip in ClipLibrary.load(folders).clips if clip.name not in {c.name for c in library.clips}]
    said = [_hear(library, np.concatenate([_samples(folders, clip.name), SILENCE])).text for clip in recordings]
    assert all(not text.replace(TEXT, "").strip() for text in said), said
    assert sum(bool(text) for text in said) >= 0.8 * len(said), said  # the shortest may pass for noise


@pytest.mark.parametrize("seed", range(3))
def test_unknown_noise_and_steady_tones_give_no_words(seed: int, bundled: ClipLibrary) -> None:
    dice = np.random.default_rng(seed)
    time = np.arange(2 * RATE) / RATE
    tone = 6_000 * np.sin(2 * np.pi * (180 + 40 * seed) * time)
    rumble = np.convolve(dice.standard_normal(time.size), np.hanning(64), "same") * 600 * np.exp(-time * 3)
    clicks = np.where(dice.random(time.size) < 0.001, dice.standard_normal(time.size) * 9_000, 0.0)
    for noise in (tone, rumble, clicks):
        assert _hear(bundled, np.concatenate([noise, SILENCE])).words == ()


def test_steady_background_noise_does_not_keep_an_utterance_voiced(bundled: ClipLibrary) -> None:
    """The end of speech is found above a noise that itself lies over the voice threshold."""
    audio = np.concatenate([np.zeros(2 * RATE), _samples([BUNDLED_CLIPS], "room_01.wav"), np.zeros(RATE)])
    noise = np.random.default_rng(5).standard_normal(audio.size) * 32768 * 10 ** (-45 / 20)
    recogniser = StreamingRecogniser(bundled)
    recogniser.feed(_pcm(noise[: 3 * RATE // 2]))
    recogniser.end_utterance()
    recogniser.feed(_pcm((audio + noise)[3 * RATE // 2 :]))
    assert recogniser.silence > 0.7
    assert recogniser.heard().text == "Hi, I'd like to book a meeting room."


def test_a_whole_recording_is_transcribed(bundled: ClipLibrary) -> None:
    pcm = _pcm(np.concatenate([_samples([BUNDLED_CLIPS], "order_02.wav"), np.zeros(RATE * 2)]))
    assert transcribe(bundled, pcm) == "Two bags of the dark roast."
    assert transcribe(bundled, bytes(64_000)) == ""
    assert transcribe(bundled, b"") == ""


def test_a_library_without_clips_hears_unknown_speech(bundled: ClipLibrary) -> None:
    audio = np.concatenate([_samples([BUNDLED_CLIPS], "billing_01.wav"), SILENCE])
    assert set(_hear(ClipLibrary([]), audio).text.split()) <= set(TEXT.split())


@pytest.mark.parametrize("content", [None, "no json", '{"file": "absent.wav", "transcript": "x"}'])
def test_an_unusable_folder_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "transcripts.jsonl").write_text(content)
    with pytest.raises(LibraryClipError):
        ClipLibrary.load([tmp_path])
