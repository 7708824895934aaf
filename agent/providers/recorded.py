"""Fixed sentences as recordings: what is said when nothing else can speak, at no cost and without any provider."""

from __future__ import annotations

import asyncio
import wave
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from agent.core.audio import SAMPLE_RATE, SAMPLE_WIDTH
from agent.core.calls import CallRecorder
from agent.core.errors import ConfigurationError
from agent.providers.base import Audio, TextToSpeech

SHIPPED: Final = Path(__file__).with_name("clips")
_LONGEST_S: Final = 30


class Sentence(StrEnum):
    """The fixed sentences; the value is the clip's file name without `.wav`."""

    APOLOGY = "apology"  # what was said was not understood
    CANNOT_ANSWER = "cannot_answer"  # no model answers
    CANNOT_SPEAK = "cannot_speak"  # no voice speaks: the reply is there to be read
    DECLINED = "declined"  # the models will not answer this
    STILL_NOT = "still_not"  # the same again: the long sentence was heard before
    ONE_MOMENT = "one_moment"  # a reply takes longer than is polite
    GOODBYE = "goodbye"  # the service ends the call
    COST_CAP = "cost_cap"  # the call's budget is used up


TEXTS: Final = {
    Sentence.APOLOGY: "Sorry, could you say that again?",
    Sentence.CANNOT_ANSWER: "I am sorry, I cannot answer right now. Please try again in a moment.",
    Sentence.CANNOT_SPEAK: "I am sorry, I cannot speak right now. You can read my answer.",
    Sentence.DECLINED: "I am sorry, I cannot help with that. Is there anything else?",
    Sentence.STILL_NOT: "Still not, I am sorry.",
    Sentence.ONE_MOMENT: "One moment, please.",
    Sentence.GOODBYE: "Thank you for calling. Goodbye.",
    Sentence.COST_CAP: "I am sorry, this call has reached its limit. Goodbye.",
}


@dataclass(frozen=True, slots=True)
class RecordedClip:
    """A recorded sentence: its text and its PCM s16le mono 16 kHz."""

    text: str
    pcm: bytes


def load_clips(folder: Path | None = None) -> dict[Sentence, RecordedClip]:
    """All fixed sentences: from `folder` where it has a recording, else the shipped ones.

    Raises ConfigurationError for a file that is not a 16-bit mono WAV of 16 kHz and at most 30 s.
    """
    clips: dict[Sentence, RecordedClip] = {}
    for sentence, text in TEXTS.items():
        own = None if folder is None else folder / f"{sentence}.wav"
        file = own if own is not None and own.exists() else SHIPPED / f"{sentence}.wav"
        clips[sentence] = RecordedClip(text, _read(file))
    return clips


async def record_clips(voice: TextToSpeech, folder: Path, session: str, recorder: CallRecorder) -> None:
    """Says every fixed sentence with `voice` and writes it to `folder`. Raises ProviderError and OSError.

    A file is written when its sentence is complete, so that a failure leaves the clips before it as they were.
    """
    for sentence, text in TEXTS.items():
        async with aclosing(voice.speak(session, text, recorder)) as speech:
            pcm = b"".join([piece.pcm async for piece in speech if isinstance(piece, Audio)])
        await asyncio.to_thread(_write, folder / f"{sentence}.wav", pcm)


def _read(file: Path) -> bytes:
    try:
        with wave.open(str(file), "rb") as reader:
            shape = (reader.getnchannels(), reader.getsampwidth(), reader.getframerate())
            if shape != (1, SAMPLE_WIDTH, SAMPLE_RATE) or reader.getnframes() > _LONGEST_S * SAMPLE_RATE:
                raise ConfigurationError(f"{file}: takes a 16-bit mono WAV of 16 kHz and at most {_LONGEST_S} s")
            return reader.readframes(reader.getnframes())
    except (OSError, EOFError, wave.Error) as error:
        raise ConfigurationError(f"{file}: cannot be read as WAV: {error}") from None


def _write(file: Path, pcm: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_suffix(".part")
    with wave.open(str(unfinished), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(SAMPLE_WIDTH)
        writer.setframerate(SAMPLE_RATE)
        writer.writeframes(pcm)
    unfinished.replace(file)
