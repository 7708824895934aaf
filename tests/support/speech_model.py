"""A voice detector and a speech model that a test plays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from voice_sandbox.recognizer.voice_detector import WINDOW

CHUNK_S, CHUNK = 0.02, 640
VOICE = b"\x01\x00" * (CHUNK // 2)
QUIET = bytes(CHUNK)


@dataclass
class LevelDetector:
    """Takes everything that is not zero for a voice."""

    rest: bytes = b""

    def probabilities(self, pcm: bytes) -> Sequence[float]:
        data = self.rest + pcm
        whole = len(data) // (2 * WINDOW)
        self.rest = data[whole * 2 * WINDOW :]
        windows = (data[i * 2 * WINDOW : (i + 1) * 2 * WINDOW] for i in range(whole))
        return [1.0 if any(window) else 0.0 for window in windows]

    def reset(self) -> None:
        self.rest = b""


@dataclass
class SlowModel:
    """Answers when the test says so."""

    asked: list[tuple[float, bool, Callable[[str], None]]] = field(
        default_factory=list[tuple[float, bool, Callable[[str], None]]]
    )
    full: bool = False

    def submit(self, pcm: bytes, done: Callable[[str], None], *, final: bool) -> bool:
        if not self.full:
            self.asked.append((len(pcm) / 32_000, final, done))
        return not self.full

    async def transcribe(self, pcm: bytes) -> str:
        raise NotImplementedError

    def answer(self, text: str, *, which: int = -1) -> None:
        self.asked[which][2](text)
