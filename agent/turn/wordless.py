"""Counts voices in which no recogniser found a word: the caller said something, and nothing came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from agent.turn.vad import VoiceEvent, VoiceStopped

LEAST_S: Final = 0.3  # of voiced audio: less is a click or a breath
ANSWER_S: Final = 4.0  # after the voice, for the slowest recogniser's words


class WordlessVoice:
    """Follows voices and words of one call. `tell` is called once for each voice that brought no words in time."""

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._since: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    def voice(self, event: VoiceEvent, voiced_s: float, *, reply_plays: bool) -> None:
        """A voice began or stopped; `voiced_s` is all voiced audio of the call. Overlaps are counted elsewhere."""
        if isinstance(event, VoiceStopped):
            if self._since is not None and voiced_s - self._since >= LEAST_S:
                self._timer = asyncio.get_running_loop().call_later(ANSWER_S, self._judge)
            else:
                self._since = None
            return
        self._cancel()
        if self._since is None and not reply_plays:
            self._since = voiced_s

    def words(self) -> None:
        """Words came."""
        self.close()

    def close(self) -> None:
        """Forgets the voice that is open."""
        self._cancel()
        self._since = None

    def _judge(self) -> None:
        self.close()
        self._tell()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
