"""The sandbox's voice: Piper or espeak-ng as a separate program, or plain tones where none is installed.

Everything comes out as PCM s16le mono at the wanted rate. Rendered texts are kept, the least recently used go first.
"""

from __future__ import annotations

import asyncio
import io
import shutil
import wave
from collections import OrderedDict
from typing import Final, Literal

import numpy as np
import soxr
from numpy.typing import NDArray

from voice_sandbox.local_packages import find_voice
from voice_sandbox.piper import Piper, PiperBusyError, PiperError

VoiceChoice = Literal["auto", "best", "piper", "espeak", "tones"]
PROGRAM: Final = "espeak-ng"
_SPEED_WPM: Final = "165"
_TONE_RATE: Final = 16_000
_TONE_S_PER_CHARACTER: Final = 0.06
_MAX_CHARACTERS: Final = 5_000  # a rendering never grows past about six minutes
_MAX_CACHE_BYTES: Final = 32_000_000
_MAX_PROCESSES: Final = 4
_PROCESS_TIMEOUT_S: Final = 20.0
_RETRY_S: Final = 5.0
_MOST_RETRY_S: Final = 60.0


class VoiceError(Exception):
    """A program that speaks could not be run, took too long, or wrote something that is not a WAV file."""


class SimulatedVoice:
    """Renders text. At most four espeak-ng processes run at a time, and at most 32 MB of audio is kept."""

    def __init__(self, program: str | None, piper: Piper | None = None) -> None:
        """`program` is the path of espeak-ng; without it and without `piper` it speaks in tones.

        Where `piper` fails, the others speak, and it is tried again after 5 s, doubling to 60 s.
        """
        self._program = program
        self._piper = piper
        self._trying: asyncio.Task[None] | None = None
        self.failure: str | None = None
        """Why Piper does not speak at the moment; None while it does."""
        self._cache: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._cached_bytes = 0
        self._turnstile = asyncio.Semaphore(_MAX_PROCESSES)

    @staticmethod
    def create(choice: VoiceChoice) -> SimulatedVoice:
        """Finds the program; `best` takes Piper where it is installed, `auto` does not: it is slower than many calls.

        Raises ValueError when a program is asked for that is not installed.
        """
        natural = find_voice() if choice in ("best", "piper") else None
        if choice == "piper" and natural is None:
            raise ValueError("the voice piper was asked for, but it is not installed")
        if natural is not None:
            return SimulatedVoice(shutil.which(PROGRAM), Piper(natural))
        program = None if choice == "tones" else shutil.which(PROGRAM)
        if choice == "espeak" and program is None:
            raise ValueError(f"the voice espeak was asked for, but {PROGRAM} is not installed")
        return SimulatedVoice(program)

    @property
    def name(self) -> Literal["piper", "espeak", "tones"]:
        if self.real:
            return "piper"
        return "tones" if self._program is None else "espeak"

    @property
    def real(self) -> bool:
        """Whether this is a voice as one would use it, whose speed is its own and no simulation."""
        return self._piper is not None and self.failure is None

    @property
    def restarts(self) -> int:
        """How often a program that stays up had to be started again."""
        return 0 if self._piper is None else self._piper.restarts

    async def start(self) -> None:
        """Lets a program that stays up load beside the event loop, so that the first sentence need not wait."""
        if self._piper is not None:
            self._trying = asyncio.create_task(self._until_it_speaks(self._piper, 0.0))

    async def close(self) -> None:
        """Ends a program that stays up."""
        if self._trying is not None:
            self._trying.cancel()
            await asyncio.gather(self._trying, return_exceptions=True)
        if self._piper is not None:
            await self._piper.close()

    async def render(self, text: str, rate: int) -> bytes:
        """The text as PCM s16le mono at `rate` Hz; empty for a text without anything to say. Raises VoiceError.

        Past 5,000 characters the text is cut.
        """
        text = text.replace("\x00", " ").strip()[:_MAX_CHARACTERS]
        if not text:
            return b""
        key = (text, rate)
        cached = self._cache.get(key)
        if cached is not None:
            self._cache.move_to_end(key)
            return cached
        if self._piper is not None:
            pcm = await self._by_piper(self._piper, text, rate)
            if pcm is None:  # not remembered: Piper may speak again soon
                return await self._simulated(text, rate)
        else:
            pcm = await self._simulated(text, rate)
        self._remember(key, pcm)
        return pcm

    async def _simulated(self, text: str, rate: int) -> bytes:
        if self._program is None:
            return await asyncio.to_thread(tones, text, rate)
        async with self._turnstile:
            wav = await _run(self._program, text)
        return await asyncio.to_thread(_from_wav, wav, rate)

    async def _by_piper(self, piper: Piper, text: str, rate: int) -> bytes | None:
        """None where Piper does not speak. Raises VoiceError where it has too much to say."""
        if self.failure is not None:
            return None
        try:
            wav = await piper.speak(text)
        except PiperBusyError as error:
            raise VoiceError(str(error)) from error
        except PiperError as error:
            self._fails(piper, error)
            return None
        return await asyncio.to_thread(_from_wav, wav, rate) if wav else b""

    def _fails(self, piper: Piper, error: PiperError) -> None:
        self.failure = str(error)
        if self._trying is None or self._trying.done():
            self._trying = asyncio.create_task(self._until_it_speaks(piper, _RETRY_S))

    async def _until_it_speaks(self, piper: Piper, pause_s: float) -> None:
        while True:
            await asyncio.sleep(pause_s)
            try:
                await piper.speak("Hello.")
            except PiperBusyError:
                pause_s = _RETRY_S
            except PiperError as error:
                self.failure = str(error)
                pause_s = min(2 * pause_s or _RETRY_S, _MOST_RETRY_S)
            else:
                self.failure = None
                return

    def _remember(self, key: tuple[str, int], pcm: bytes) -> None:
        replaced = self._cache.pop(key, b"")  # two requests may have rendered the same text side by side
        self._cache[key] = pcm
        self._cached_bytes += len(pcm) - len(replaced)
        while self._cached_bytes > _MAX_CACHE_BYTES:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= len(oldest)


async def _run(program: str, text: str) -> bytes:
    """A WAV file from espeak-ng; the text goes in over stdin. A cancelled caller takes the process with it."""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "--stdin",
            "--stdout",
            "-v",
            "en-us",
            "-s",
            _SPEED_WPM,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except OSError as error:
        raise VoiceError(f"{PROGRAM} could not be started") from error
    try:
        async with asyncio.timeout(_PROCESS_TIMEOUT_S):
            wav, _ = await process.communicate(text.encode())
    except TimeoutError as error:
        raise VoiceError(f"{PROGRAM} took over {_PROCESS_TIMEOUT_S:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return wav


def _from_wav(wav: bytes, rate: int) -> bytes:
    # espeak-ng cannot seek back on a pipe, so its header claims a length of nearly 2 GB: read what is there
    try:
        with wave.open(io.BytesIO(wav)) as reader:
            if reader.getsampwidth() != 2 or reader.getnchannels() != 1:
                raise VoiceError("the voice wrote something other than 16-bit mono")
            source_rate = reader.getframerate()
            data = reader.readframes(len(wav) // 2)
    except (wave.Error, EOFError) as error:
        raise VoiceError("the voice wrote no WAV file") from error
    samples = np.frombuffer(data[: len(data) // 2 * 2], dtype="<i2")
    return to_rate(samples, source_rate, rate)


def to_rate(samples: NDArray[np.int16], source_rate: int, rate: int) -> bytes:
    """int16 mono samples resampled from `source_rate` to `rate` Hz, as s16le bytes."""
    if source_rate != rate and samples.size:
        samples = soxr.resample(samples, source_rate, rate, quality="HQ").astype(np.int16)
    return samples.astype("<i2").tobytes()


def tones(text: str, rate: int) -> bytes:
    """60 ms of buzz per letter or digit and 60 ms of quiet per anything else, PCM s16le mono at `rate` Hz.

    The buzz has six harmonics of a pitch between 100 and 160 Hz that depends on the letter, at about -20 dBFS, so that
    a voice activity detector takes it for speech. The same text always gives the same bytes.
    """
    length = int(_TONE_RATE * _TONE_S_PER_CHARACTER)
    time = np.arange(length) / _TONE_RATE
    edge = np.minimum(1, np.minimum(np.arange(length), np.arange(length)[::-1]) / (0.004 * _TONE_RATE))
    pieces: list[NDArray[np.float64]] = []
    for character in text[:_MAX_CHARACTERS].lower():
        if not character.isalnum():
            pieces.append(np.zeros(length))
            continue
        pitch = 100 + ord(character) * 7 % 60
        buzz = sum((np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 7)), np.zeros(length))
        pieces.append(buzz * edge)
    wave_form = np.concatenate(pieces) if pieces else np.zeros(0)
    return to_rate((wave_form * 3000).astype(np.int16), _TONE_RATE, rate)
