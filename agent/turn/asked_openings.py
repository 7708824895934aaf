"""Openings that the model is asked to begin with: a few short words, recorded, so that nobody waits for a voice.

The prompt asks; the reply stays the model's own text. What the prompt asks not to do is seen to here as well, since a
model forgets: an opening that the last reply began with, and one after a tool, is left out where anything follows it.
It is then neither heard nor shown nor remembered.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

ASKED_OPENINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "en": ("Sure.", "Of course.", "Okay.", "Alright.", "Got it."),
    "de": ("Gern.", "Natürlich.", "Okay.", "Alles klar."),
    "fr": ("Bien sûr.", "D'accord.", "Très bien.", "Avec plaisir."),
    "es": ("Claro.", "Por supuesto.", "De acuerdo.", "Muy bien."),
}
"""By language: those of the recorded ones that say no more than that the caller was understood. No "Great.", which is
wrong after a complaint, and no "Yes.", which is an answer."""
_HEAD: Final = re.compile(r"[^.,;:!?—-]{1,24}[.,;:!—-]")
_MARKS: Final = re.compile(r"[\s.,;:!—-]+$")
_ALSO: Final = {"all right": "alright", "ok": "okay"}


@dataclass(frozen=True, slots=True)
class AskedOpenings:
    """The openings of one language (ISO 639-1), which has to be one of `ASKED_OPENINGS`."""

    language: str
    _known: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", {_plain(text): text for text in ASKED_OPENINGS[self.language]})

    def which(self, said: str) -> str | None:
        """The opening that `said` is, whatever mark it ends with."""
        plain = _plain(said)
        return self._known.get(_ALSO.get(plain, plain))

    def begins(self, reply: str) -> str | None:
        """The opening that a reply began with."""
        head = _HEAD.match(reply.lstrip())
        return self.which(head[0] if head else reply)

    @property
    def rule(self) -> str:
        """What the system prompt says of them; the same at every turn, so that it can be cached."""
        listed = " ".join(f'"{text}"' for text in ASKED_OPENINGS[self.language])
        return (
            f"Where it fits, begin with one of these: {listed} Never with the one that your last reply began with, nor"
            " before a refusal, a correction, an apology, bad news or a goodbye, nor after a tool."
        )


def asked_openings(language: str, recorded_in: str) -> AskedOpenings | None:
    """Those of the language that an agent speaks, where they are recorded in it; None where there are none."""
    spoken = language.partition("-")[0].lower()
    known = spoken in ASKED_OPENINGS and spoken == recorded_in.partition("-")[0].lower()
    return AskedOpenings(spoken) if known else None


def _plain(text: str) -> str:
    return _MARKS.sub("", text.casefold().replace("’", "'").strip())
