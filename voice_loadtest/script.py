"""A call as a script: a list of steps that reads like what happens.

    [Speak(booking), Interrupt(today, after_s=1.2), Type("and a receipt, please"), Wait(1.0), HangUp()]

`Speak` and `Type` wait until the line is quiet: the reply before has been heard to its end, and a gap has passed.
`Interrupt` and `Noise` come while a reply plays. `Listen` waits for the end of the reply. The rest happens at once.
A script that does not end with `HangUp` or `Drop` listens to the last reply and hangs up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from voice_loadtest.audio import CallerRecording

TYPED: Final = "typed"
"""What records call a typed turn."""


@dataclass(frozen=True, slots=True)
class Speak:
    """Says a clip once the line is quiet."""

    clip: CallerRecording


@dataclass(frozen=True, slots=True)
class Type:
    """Sends a typed turn once the line is quiet."""

    text: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Says a clip so many seconds after the reply began to play; at once when that reply is over before."""

    clip: CallerRecording
    after_s: float


@dataclass(frozen=True, slots=True)
class Noise:
    """Makes a noise so many seconds after the reply began to play; nobody expects an answer to it."""

    clip: CallerRecording
    after_s: float


@dataclass(frozen=True, slots=True)
class Listen:
    """Waits until the reply has been heard to its end."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Lets seconds pass; the microphone stays open."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HangUp:
    """Says `hangup` at once, whatever is playing, and waits for the close."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Loses the connection at once, without a word."""


Step = Speak | Type | Interrupt | Noise | Listen | Wait | HangUp | Drop


def names_of(script: Sequence[Step]) -> list[str]:
    """What the caller means to say and wants an answer to, in its order, by the names that records have."""
    spoken = (step for step in script if isinstance(step, Speak | Interrupt | Type))
    return [TYPED if isinstance(step, Type) else step.clip.name for step in spoken]
