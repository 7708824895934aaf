"""What an agent has of its own at the providers: its language, the words to expect, and who speaks how fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from agent.providers.voices import VOICES
from agent.settings import Settings
from agent.settings_providers import VoiceName

KEYTERMS_LIMIT: Final = 100


@dataclass(frozen=True, slots=True)
class OwnSpeech:
    """None and empty leave what the service has. `voices` are (voice of a chain, the vendor's id of who speaks)."""

    language: str | None = None
    keyterms: tuple[str, ...] = ()
    voices: tuple[tuple[VoiceName, str], ...] = ()
    speed: float | None = None

    def settings(self, usual: Settings) -> Settings:
        """The settings of the service as this agent has them; its key terms come before the service's."""
        changed: dict[str, Any] = {VOICES[name].who: voice for name, voice in self.voices}
        if self.language is not None:
            changed["language"] = self.language
        if self.keyterms:
            changed["keyterms"] = tuple(dict.fromkeys((*self.keyterms, *usual.keyterms)))[:KEYTERMS_LIMIT]
        if self.speed is not None:
            changed |= {entry.pace: self.speed for entry in VOICES.values() if entry.pace is not None}
        return usual.model_copy(update=changed)


NOTHING_OWN: Final = OwnSpeech()
