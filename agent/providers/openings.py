"""Openings: what replies often begin with ("Of course."), spoken once for each voice and then played from the cache.

A reply that begins with one has its first sound without waiting for a voice, and the rest is synthesised while it
plays. They are spoken in the background when the first session that wants them begins, one after the other, so that a
process without calls pays for nothing; what is missing after a failure is tried again with a later session.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from agent.core import clock
from agent.core.calls import CallRecorder, ProviderError
from agent.providers.audio_cache import AudioCache, CachedVoice, Key
from agent.providers.base import TextToSpeech
from agent.providers.fallback.breaker import Breaker
from agent.providers.fallback.concurrency import PriorityLimiter

OPENINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": (
        *("Sure.", "Of course.", "Certainly.", "Absolutely.", "Yes.", "No.", "Okay.", "Alright.", "Great.", "Perfect."),
        *("Got it.", "No problem.", "Thank you.", "You're welcome.", "I'm sorry.", "Sorry.", "Unfortunately."),
    ),
    "de": ("Gern.", "Natürlich.", "Ja.", "Nein.", "Okay.", "Alles klar.", "Kein Problem.", "Vielen Dank.", "Leider."),
    "fr": ("Bien sûr.", "Oui.", "Non.", "D'accord.", "Très bien.", "Avec plaisir.", "Merci.", "Désolé.", "Parfait."),
    "es": ("Claro.", "Por supuesto.", "Sí.", "No.", "De acuerdo.", "Muy bien.", "Gracias.", "Lo siento.", "Perfecto."),
}
"""By language; others have none. Every eighth to fifth reply of outside dialogues begins with one of the English ones.
"""
AGAIN_S: Final = 60.0
"""Seconds between two attempts to speak what is missing in one voice."""
PLACE_S: Final = 2.0
"""So long an opening waits for a place at its provider: callers go first."""
_MARKS: Final = re.compile(r"[\s.,;:!]+$")
_ALSO: Final = {"all right": "alright", "ok": "okay", "you are welcome": "you're welcome", "i am sorry": "i'm sorry"}


@dataclass(frozen=True, slots=True)
class OpeningVoice:
    """A voice that openings are spoken in: `speaker` is the id under which the cache has it."""

    voice: TextToSpeech
    speaker: str
    breaker: Breaker | None
    slots: PriorityLimiter

    def key(self, text: str) -> Key:
        """Where the cache has an opening of this voice."""
        return self.voice.provider, self.speaker, self.voice.model, text


class Openings:
    """The openings of all voices of one process, in its audio cache. Its methods never wait, but for `run`."""

    def __init__(self, cache: AudioCache, language: str, recorder: CallRecorder) -> None:
        """`recorder` is told of each call: `clip` is its cause."""
        self._cache, self._recorder = cache, recorder
        self._texts = OPENINGS.get(language.partition("-")[0], ())
        self._canonical = {_plain(text): text for text in self._texts}
        self._tried: dict[Key, float] = {}  # a voice (its key without a text) → when its openings were last looked for
        self._wanted: dict[Key, OpeningVoice] = {}
        self._changed = asyncio.Event()

    def recorded(self, voice: OpeningVoice, said: str) -> str | None:
        """The opening that `said` is, whatever mark it ends with, where the cache has it in this voice."""
        plain = _plain(said)
        text = self._canonical.get(_ALSO.get(plain, plain))
        return text if text is not None and self._cache.holds(voice.key(text)) else None

    def want(self, voice: OpeningVoice) -> None:
        """A session begins whose replies may begin with openings in this voice."""
        name, now = voice.key(""), clock.now()
        if now - self._tried.get(name, -AGAIN_S) < AGAIN_S or not self._missing(voice):
            return
        self._tried[name] = now
        self._wanted[name] = voice
        self._changed.set()

    async def run(self) -> None:
        """Speaks what is wanted, one after the other. Runs until it is cancelled; fails for no provider."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._wanted:
                _, voice = self._wanted.popitem()
                try:
                    for text in self._missing(voice):
                        await self._speak(voice, text)
                except ProviderError:
                    continue  # callers have a chain to fall back on, this has a next time

    def _missing(self, voice: OpeningVoice) -> list[str]:
        return [text for text in self._texts if not self._cache.holds(voice.key(text))]

    async def _speak(self, voice: OpeningVoice, text: str) -> None:
        if voice.breaker is not None and not voice.breaker.allows:
            return
        if not await voice.slots.take(first=False, within_s=PLACE_S):
            return
        try:
            cached = CachedVoice(voice.voice, self._cache, voice=voice.speaker)
            async with aclosing(cached.speak(f"opening-{self._texts.index(text)}", text, self._recorder)) as speech:
                async for _ in speech:
                    pass
        finally:
            voice.slots.give()


def _plain(text: str) -> str:
    return _MARKS.sub("", text.casefold().replace("’", "'").strip())
