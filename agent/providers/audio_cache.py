"""Speech that was paid for once: whole clauses that are said again and again come out of memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

from agent.core.audio import bytes_for
from agent.core.calls import CallRecorder, ErrorKind, Unit
from agent.providers.base import Audio, ClientSpeech, TextToSpeech
from agent.providers.call import Failure, ProviderCall

PROVIDER: Final = "cache"
LIMIT_BYTES: Final = 64 * 1024 * 1024  # 35 minutes of speech
_LARGEST_SHARE: Final = 16  # one clause takes at most a sixteenth of the room
_PIECE_BYTES: Final = bytes_for(0.1)

Key = tuple[str, str, str, str]
"""(provider, voice, model, text): what makes the same sound."""


class AudioCache:
    """Finished clauses as PCM s16le mono 16 kHz, bounded by their bytes; the one unused longest goes first.

    One cache serves all sessions of a process. Texts stay in memory only.
    """

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._clauses: OrderedDict[Key, bytes] = OrderedDict()
        self.size = 0
        """Bytes of PCM held now."""

    def __len__(self) -> int:
        return len(self._clauses)

    def holds(self, key: Key) -> bool:
        """Whether it has the clause, which stays in its place."""
        return key in self._clauses

    def get(self, key: Key) -> bytes | None:
        """The clause, which becomes the one used last; None when it is not held."""
        pcm = self._clauses.get(key)
        if pcm is not None:
            self._clauses.move_to_end(key)
        return pcm

    def put(self, key: Key, pcm: bytes) -> None:
        """Keeps a finished clause, unless it is empty or takes too much of the room."""
        if not pcm or len(pcm) > self._limit // _LARGEST_SHARE:
            return
        self.size += len(pcm) - len(self._clauses.pop(key, b""))
        self._clauses[key] = pcm
        while self.size > self._limit:
            _, oldest = self._clauses.popitem(last=False)
            self.size -= len(oldest)


class CachedVoice:
    """A voice with a cache before it. Bears the name of the voice inside, for chains and breakers.

    A hit reports a call of provider `cache` with the voice's model: the characters that were not paid for. Only clauses
    that the voice spoke to their end without an error are kept; what the client is asked to speak itself is not.
    """

    def __init__(self, inner: TextToSpeech, cache: AudioCache, *, voice: str) -> None:
        """`voice` is the id of the speaker that `inner` uses."""
        self.provider = inner.provider
        self.model = inner.model
        self._inner = inner
        self._cache = cache
        self._voice = voice

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        """Streams the speech of one clause: a hit in pieces of 100 ms, a miss as it comes. Raises ProviderError."""
        key = (self.provider, self._voice, self.model, text)
        pcm = self._cache.get(key)
        pieces = self._say_again(pcm, text, recorder) if pcm is not None else self._say(key, session, text, recorder)
        async with aclosing(pieces) as stream:
            async for piece in stream:
                yield piece

    async def _say_again(self, pcm: bytes, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio | ClientSpeech]:
        with ProviderCall("tts", PROVIDER, self.model, recorder, _unexpected) as call:
            call.quantities[Unit.CHARACTERS] = len(text)
            call.accepted = True
            call.first_output()
            for start in range(0, len(pcm), _PIECE_BYTES):
                yield Audio(pcm[start : start + _PIECE_BYTES], self.provider)

    async def _say(
        self, key: Key, session: str, text: str, recorder: CallRecorder
    ) -> AsyncGenerator[Audio | ClientSpeech]:
        heard: list[bytes] | None = []
        async with aclosing(self._inner.speak(session, text, recorder)) as stream:
            async for piece in stream:
                if isinstance(piece, Audio):
                    if heard is not None:
                        heard.append(piece.pcm)
                else:
                    heard = None
                yield piece
        if heard is not None:
            self._cache.put(key, b"".join(heard))


def _unexpected(_error: Exception, _call: ProviderCall) -> Failure:
    """Playing from memory has no error of its own; what a reader throws in is reported as this."""
    return Failure(ErrorKind.MALFORMED)
