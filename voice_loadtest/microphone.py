"""A microphone that is always on: every tick sends 20 ms of a clip, or of silence where nobody speaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from voice_loadtest.audio import FRAME_BYTES, FRAME_SAMPLES, CallerRecording, frames
from voice_loadtest.protocol import audio_frame

_SILENCE: Final = audio_frame(bytes(FRAME_BYTES))


@dataclass(frozen=True, slots=True)
class Prepared:
    """A clip as WebSocket frames, and the indexes of the frames that carry its first and last voiced sample."""

    frames: tuple[bytes, ...]
    first_voiced: int | None
    last_voiced: int | None


@lru_cache(maxsize=128)
def prepare(clip: CallerRecording) -> Prepared:
    """Made once per clip, whatever the number of callers that say it."""
    ready = tuple(audio_frame(frame) for frame in frames(clip.pcm))
    if not clip.voiced:
        return Prepared(ready, None, None)
    return Prepared(ready, clip.voice_begins // FRAME_SAMPLES, (clip.voice_ends - 1) // FRAME_SAMPLES)


@dataclass(slots=True)
class Saying:
    """A clip on its way out. Times are the microphone's clock, in seconds: when the frame with that sample was sent."""

    clip: Prepared
    on_voice: Callable[[], None]  # called when the first voiced sample is sent
    sent: int = 0  # frames
    first_voiced_at: float | None = None
    last_voiced_at: float | None = None

    @property
    def done(self) -> bool:
        return self.sent >= len(self.clip.frames)


class Microphone:
    """Sends frames with `send`; `clock` stamps them."""

    def __init__(self, send: Callable[[bytes], None], clock: Callable[[], float]) -> None:
        self._send = send
        self._clock = clock
        self._saying: Saying | None = None

    def say(self, clip: CallerRecording, on_voice: Callable[[], None]) -> Saying:
        """Begins a clip with the next tick; a clip that is still being said is cut off."""
        self._saying = Saying(prepare(clip), on_voice)
        return self._saying

    def tick(self) -> bool:
        """Sends the next frame. True when that was the last one of a clip."""
        saying = self._saying
        if saying is None:
            self._send(_SILENCE)
            return False
        index = saying.sent
        # before it is sent: the write wakes the server, and a stamp that waits for a core would flatter it
        at = self._clock()
        self._send(saying.clip.frames[index])
        saying.sent += 1
        if index == saying.clip.last_voiced:
            saying.last_voiced_at = at
        if index == saying.clip.first_voiced:
            saying.first_voiced_at = at
            saying.on_voice()
        if saying.done:
            self._saying = None
        return saying.done
