"""The answer of a voice, of whatever provider, as audio of the service's own format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Final

from agent.core import clock
from agent.core.audio import bytes_for, duration_s
from agent.core.calls import ErrorKind
from agent.providers.audio_format import SpeechDecoder, UnknownFormatError
from agent.providers.base import Audio
from agent.providers.call import ProviderCall
from agent.providers.output_check import audible

LONGEST_HELD_S: Final = 0.25  # of audio that waits for more of it
WAITED_S: Final = 0.001  # whatever was there already comes sooner
SHORTEST_PAUSE_S: Final = 0.01
LONGEST_PAUSE_S: Final = 0.05
_PAUSE_SHARE: Final = 1 / 8  # of what the caller has in hand


async def audio_of(
    call: ProviderCall, headers: Mapping[str, str], chunks: AsyncIterator[bytes], rate: int
) -> AsyncGenerator[Audio]:
    """Streams the audio of an answer; `rate` is that of the bare PCM that was asked for, in Hz.

    Audio that comes faster than it is played is given out in larger pieces: each costs a walk through the whole service
    and a frame to the caller, who has enough in hand meanwhile. It is read in larger pieces, too: to wake up for each
    20 ms of it costs more than all that is done with them.

    Raises ProviderError: `malformed` for a format that is not known, before any of it is given out; `empty` for an
    answer that stays under -50 dBFS to its end.
    """
    try:
        decoder, pieces = SpeechDecoder(rate, headers), _GrowingPieces()
        try:
            async for data in chunks:
                pause_s = pieces.pause_s()
                if pcm := decoder.feed(data):
                    _note_output(call, pcm)
                    if piece := pieces.add(pcm, sounds=call.first_output_at is not None):
                        yield Audio(piece, call.provider)
                if pause_s:
                    await asyncio.sleep(pause_s)  # the connection keeps what comes meanwhile
                pieces.reads_on()
        except UnknownFormatError:
            raise
        except Exception:
            if piece := pieces.rest():
                yield Audio(piece, call.provider)
            raise
        if pcm := pieces.rest() + decoder.finish():
            _note_output(call, pcm)
            yield Audio(pcm, call.provider)
    except UnknownFormatError:
        raise call.error(ErrorKind.MALFORMED) from None
    if call.first_output_at is None:
        raise call.error(ErrorKind.EMPTY)


def _note_output(call: ProviderCall, pcm: bytes) -> None:
    if call.first_output_at is None and audible(pcm):
        call.first_output()


class _GrowingPieces:
    """Holds audio back until there is half as much of it as the caller has in hand, but never much."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._given_s = 0.0
        self._began = 0.0
        self._read_at = 0.0

    def reads_on(self) -> None:
        """The next chunk is asked for."""
        self._read_at = clock.now()

    def pause_s(self) -> float:
        """How long to read nothing once a chunk has come: 0 until all is read that was there."""
        now = clock.now()
        if not self._given_s or now - self._read_at < WAITED_S:
            return 0.0
        pause_s = min(self._in_hand_s(now) * _PAUSE_SHARE, LONGEST_PAUSE_S)
        return pause_s if pause_s >= SHORTEST_PAUSE_S else 0.0

    def _in_hand_s(self, now: float) -> float:
        """What was given out and is not played yet, where all of it is played as soon as it comes."""
        return self._given_s - (now - self._began)

    def add(self, pcm: bytes, *, sounds: bool) -> bytes:
        """Takes what has come; returns what is given out now. What comes before the first sound is not held back."""
        self._held += pcm
        if not sounds:
            return self.rest()
        now = clock.now()
        if not self._given_s:
            self._began = now
        if len(self._held) < bytes_for(min(self._in_hand_s(now) / 2, LONGEST_HELD_S)):
            return b""
        self._given_s += duration_s(len(self._held))
        return self.rest()

    def rest(self) -> bytes:
        """All that is held back."""
        held = bytes(self._held)
        self._held.clear()
        return held
