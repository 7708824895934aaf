"""Is this speech what was asked for? Leading silence goes, a slow voice is known, and half a text is no text.

How long a text takes is learnt from each voice itself: seconds per character of what it has said to its end before. A
voice of which nothing is known yet is taken for a usual one, at 15 characters a second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from statistics import median
from typing import Final

from agent.core import clock
from agent.core.audio import SAMPLE_WIDTH, bytes_for, duration_s
from agent.core.calls import Call, CallRecorder, ErrorKind, ProviderError
from agent.providers.base import Audio, ClientSpeech
from agent.providers.output_check import FRAME_SAMPLES, first_audible_frame

LEAD_S: Final = 0.04  # of silence that is left before the first sound
USUAL_S: Final = 1 / 15  # seconds per character
LEARN_FROM: Final = 12  # clauses, before a voice's own pace counts alone
LEAST_CHARACTERS: Final = 24  # shorter texts differ too much
TOO_SHORT: Final = 0.6  # of the time that the text should take
TOO_LONG: Final = 2.5
SPARE_S: Final = 2.0  # and this much more before it is too long
SLOW: Final = 0.95  # seconds of audio per second: less, and the caller hears gaps
JUDGED_S: Final = 1.0  # of audio, from which the speed of a stream says something


class SpeakingPace:
    """How many seconds a voice takes per character. Shared by all sessions of a process; bounded."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque([USUAL_S] * LEARN_FROM, maxlen=4 * LEARN_FROM)

    def expected_s(self, text: str) -> float:
        """How long the text should take, in seconds."""
        return median(self._seen) * len(text)

    def learn(self, text: str, seconds: float) -> None:
        """Takes in what was said to its end."""
        if len(text) >= LEAST_CHARACTERS:
            self._seen.append(seconds / len(text))


class SpeechCheck:
    """Follows the speech of one clause. It is also the recorder of its call, which gets the outcome found here."""

    def __init__(self, provider: str, text: str, pace: SpeakingPace, recorder: CallRecorder) -> None:
        self._recorder = recorder
        self._calls: list[Call] = []
        self._outcome: ErrorKind | None = None
        self._provider = provider
        self._text = text
        self._pace = pace
        self._audio_s = 0.0
        self._waited_s = 0.0

    @property
    def too_slow(self) -> bool:
        """Whether audio came more slowly than it is played."""
        return self._audio_s >= JUDGED_S and self._audio_s < SLOW * self._waited_s

    def record(self, call: Call) -> None:
        """Keeps a finished call until it is known what its speech was worth."""
        self._calls.append(call)

    async def checked(self, source: AsyncGenerator[Audio | ClientSpeech]) -> AsyncGenerator[Audio | ClientSpeech]:
        """The same speech from its first sound on.

        Ends early where it has become far longer than its text. Raises ProviderError (`incomplete`) where it came to
        its end after a part of the text.
        """
        try:
            async with aclosing(self._checked(source)) as speech:
                async for piece in speech:
                    yield piece
        finally:
            for call in self._calls:
                self._recorder.record(replace(call, outcome=self._outcome or call.outcome))

    async def _checked(self, source: AsyncGenerator[Audio | ClientSpeech]) -> AsyncGenerator[Audio | ClientSpeech]:
        silence = b""
        async with aclosing(source):
            while (piece := await self._next(source)) is not None:
                if not isinstance(piece, Audio):
                    yield piece
                    return
                pcm = piece.pcm
                if not self._audio_s:
                    start = first_audible_frame(silence + pcm)
                    pcm = (silence + pcm)[-bytes_for(LEAD_S) :] if start is None else _from(silence + pcm, start)
                    if start is None:
                        silence = pcm
                        continue
                self._audio_s += duration_s(len(pcm))
                yield Audio(pcm, piece.source)
                if self._babbles():
                    self._outcome = ErrorKind.MALFORMED
                    return
        self._judge_length()

    async def _next(self, source: AsyncGenerator[Audio | ClientSpeech]) -> Audio | ClientSpeech | None:
        asked = clock.now()
        piece = await anext(source, None)
        if self._audio_s:
            self._waited_s += clock.now() - asked
        return piece

    def _babbles(self) -> bool:
        expected = self._pace.expected_s(self._text)
        return self._audio_s > TOO_LONG * expected + SPARE_S

    def _judge_length(self) -> None:
        if not self._audio_s:
            return  # the chain knows what to do with silence
        long = len(self._text) >= LEAST_CHARACTERS
        if long and self._audio_s < TOO_SHORT * self._pace.expected_s(self._text):
            self._outcome = ErrorKind.INCOMPLETE
            raise ProviderError(self._provider, ErrorKind.INCOMPLETE, delivered=True)
        self._pace.learn(self._text, self._audio_s)


def _from(pcm: bytes, frame: int) -> bytes:
    """The audio from 40 ms before a frame on."""
    return pcm[max(0, frame * FRAME_SAMPLES * SAMPLE_WIDTH - bytes_for(LEAD_S)) :]
