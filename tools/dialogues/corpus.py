"""The dialogues as data: what is said, what befalls it, and what has to come of it."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from tests.support.paths import ROOT

CORPUS: Final = ROOT / "tests" / "dialogues" / "corpus.toml"
DESK: Final = ROOT / "tests" / "dialogues" / "desk"
What = Literal["barge_in", "reconnect", "kill", "fallback"]
Moment = Literal["thinking", "asked", "running", "committed", "result", "speaking"]


class Disturbance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What befalls a turn (1, 2, …), and when."""

    what: What
    turn: int
    at: Moment
    insists: bool = False
    """From then on the model asks for the booking again whenever it is asked."""
    says: str = ""
    """What the caller says over it."""


class Dialogue(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One call; the head of the corpus says what the fields mean."""

    name: str
    says: tuple[str, ...]
    place: str
    books: tuple[str, ...]
    told: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    questions: int = 1
    looks: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    disturb: Disturbance | None = None
    then: tuple[str, ...] = ()

    @property
    def killed(self) -> bool:
        """Whether it needs a process of its own."""
        return self.disturb is not None and self.disturb.what == "kill"


def load(path: Path = CORPUS) -> list[Dialogue]:
    """The corpus. Raises msgspec.ValidationError for what cannot be meant."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))["dialogue"]
    return msgspec.convert(found, list[Dialogue])


def subset(dialogues: Sequence[Dialogue], seed: int, calm: int = 3) -> list[Dialogue]:
    """Some of them, drawn by a seed: every kind of disturbance and every moment once at least, and a few without."""
    drawn = sorted(dialogues, key=lambda dialogue: dialogue.name)
    random.Random(seed).shuffle(drawn)
    chosen = [dialogue for dialogue in drawn if dialogue.disturb is None][:calm]
    seen: set[str] = set()
    for dialogue in drawn:
        if dialogue.disturb is not None and not {dialogue.disturb.what, dialogue.disturb.at} <= seen:
            seen |= {dialogue.disturb.what, dialogue.disturb.at}
            chosen.append(dialogue)
    return chosen
