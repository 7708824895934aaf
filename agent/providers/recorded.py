"""Fixed sentences as recordings: what is said when nothing else can speak, at no cost and without any provider.

They are shipped in several languages. A folder of one's own has recordings in one's own voice, and in `texts.json` what
each says: one that says something else than is wanted is not played. Those of an agent are in a folder of its name.
"""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.core.audio import SAMPLE_RATE, SAMPLE_WIDTH
from agent.core.calls import CallRecorder
from agent.core.errors import ConfigurationError
from agent.providers.base import Audio, TextToSpeech
from agent.providers.recorded_texts import TEXTS, TEXTS_OF, Sentence, texts_in

__all__ = ["SHIPPED", "TEXTS", "RecordedClip", "Sentence", "load_clips", "record_clips", "recorded_texts"]

SHIPPED: Final = Path(__file__).with_name("clips")
TEXTS_FILE: Final = "texts.json"
_LONGEST_S: Final = 30
_ENGLISH: Final = "en"


@dataclass(frozen=True, slots=True)
class RecordedClip:
    """A recorded sentence: its text and its PCM s16le mono 16 kHz."""

    text: str
    pcm: bytes


def load_clips(
    folder: Path | None = None, language: str = _ENGLISH, own: Mapping[Sentence, str] | None = None
) -> dict[Sentence, RecordedClip]:
    """All fixed sentences of a language: from `folder` where it has a recording, else the shipped ones.

    `own` texts stand in the place of the language's where the folder has recordings of them. Raises ConfigurationError
    for a file that is not a 16-bit mono WAV of 16 kHz and at most 30 s.
    """
    wanted, recorded = texts_in(language, own), {} if folder is None else recorded_texts(folder)
    clips: dict[Sentence, RecordedClip] = {}
    for sentence, text in wanted.items():
        if folder is not None and recorded.get(sentence, "") in (text, None):
            clips[sentence] = RecordedClip(text, _read(folder / f"{sentence}.wav"))
        else:
            shipped = SHIPPED if language == _ENGLISH or language not in TEXTS_OF else SHIPPED / language
            clips[sentence] = RecordedClip(texts_in(language)[sentence], _read(shipped / f"{sentence}.wav"))
    return clips


def recorded_texts(folder: Path) -> dict[Sentence, str | None]:
    """What the recordings of a folder say; None where nobody has written it down. Raises ConfigurationError."""
    try:
        written = json.loads((folder / TEXTS_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        written = {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{folder / TEXTS_FILE}: cannot be read: {type(error).__name__}") from None
    if not isinstance(written, dict):
        raise ConfigurationError(f"{folder / TEXTS_FILE}: is no table of sentences")
    return {one: written.get(one.value) for one in Sentence if (folder / f"{one}.wav").exists()}


async def record_clips(
    voice: TextToSpeech, folder: Path, session: str, recorder: CallRecorder, texts: Mapping[Sentence, str] = TEXTS
) -> None:
    """Says every fixed sentence with `voice` and writes it to `folder`. Raises ProviderError and OSError.

    A file is written when its sentence is complete, so that a failure leaves the clips before it as they were.
    """
    for sentence, text in texts.items():
        async with aclosing(voice.speak(session, text, recorder)) as speech:
            pcm = b"".join([piece.pcm async for piece in speech if isinstance(piece, Audio)])
        await asyncio.to_thread(_write, folder, sentence, text, pcm)


def _read(file: Path) -> bytes:
    try:
        with wave.open(str(file), "rb") as reader:
            shape = (reader.getnchannels(), reader.getsampwidth(), reader.getframerate())
            if shape != (1, SAMPLE_WIDTH, SAMPLE_RATE) or reader.getnframes() > _LONGEST_S * SAMPLE_RATE:
                raise ConfigurationError(f"{file}: takes a 16-bit mono WAV of 16 kHz and at most {_LONGEST_S} s")
            return reader.readframes(reader.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise ConfigurationError(f"{file}: cannot be read as WAV: {error}") from None


def _write(folder: Path, sentence: Sentence, text: str, pcm: bytes) -> None:
    """A recording, and what it says. In between the text is unknown, and that of a file without one is believed."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {one.value: written for one, written in recorded_texts(folder).items() if written is not None}
    file, texts = folder / f"{sentence}.wav", folder / TEXTS_FILE
    unfinished = file.with_suffix(".part")
    with wave.open(str(unfinished), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(SAMPLE_WIDTH)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(pcm)
    unfinished.replace(file)
    part = texts.with_suffix(".part")
    part.write_text(json.dumps({**said, sentence.value: text}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    part.replace(texts)
