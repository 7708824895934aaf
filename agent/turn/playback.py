"""What of a reply has really been played, and so what the caller has heard.

The client's `playback` reports are taken where it declared them; between two reports, and without any, the clock runs:
audio plays at its own speed from the moment it could have reached the client, stands still while paused, and waits
where the buffer is empty. All times are loop times, positions are seconds of the reply's audio.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from agent.core import clock
from agent.core.audio import duration_s

NO_REPORT_S: Final = 2.0  # a client that declared reports and sends none is followed by the clock after this
BROWSER_CHARACTERS_PER_S: Final = 15.0  # a usual speed of speech synthesis: 180 words a minute


def seconds_by_browser(text: str) -> float:
    """How long speech synthesis takes to say a text, about."""
    return len(text) / BROWSER_CHARACTERS_PER_S


@dataclass(slots=True)
class _Clause:
    text: str
    spoken: str
    start_s: float
    end_s: float  # grows while its audio is sent
    whole: bool = True  # its audio came to its end, or still comes


class Playback:
    """The playing of one reply at the client."""

    def __init__(self, *, reports: bool, one_way_s: float = 0.0) -> None:
        self._reports = reports
        self._one_way_s = one_way_s
        self._clauses: list[_Clause] = []
        self._sent_s = 0.0
        self._position = 0.0
        self._position_at = 0.0
        self._running = False
        self._paused = False
        self._paused_at = 0.0
        self._reported = False
        self._first_sent_at: float | None = None
        self._complete = False
        self.answered = False
        """Whether sound of the reply itself was sent: a filler before it is none."""
        self._changed = asyncio.Event()
        self.gap_s = 0.0
        """Silence inside the reply because its audio came too late, in seconds."""

    @property
    def begun(self) -> bool:
        """Whether any sound was sent, be it a filler."""
        return self._first_sent_at is not None

    @property
    def sent_s(self) -> float:
        """Seconds of audio sent so far."""
        return self._sent_s

    def clause(self, text: str, spoken: str = "") -> None:
        """A clause begins: audio that is added from now on is this text; `spoken` is how a voice says it."""
        self._clauses.append(_Clause(text, spoken or text, self._sent_s, self._sent_s))

    def broke_off(self) -> None:
        """The audio of the last clause ends before its text does: what was not said cannot be heard."""
        if self._clauses:
            self._clauses[-1].whole = False

    def audio(self, size: int, at: float) -> None:
        """So many bytes of PCM s16le mono 16 kHz were sent at `at`."""
        self._extend(duration_s(size), at)
        self.answered = True

    def by_client(self, text: str, at: float) -> None:
        """The client was asked to speak the clause itself; how long that takes is estimated until it reports."""
        self._extend(seconds_by_browser(text), at)
        self.answered = True

    def filler(self, size: int, at: float) -> None:
        """So many bytes were sent that say nothing of the reply; a clause that waits for its audio comes after them."""
        before = self._sent_s
        waiting = [clause for clause in self._clauses if clause.start_s == before]
        self._extend(duration_s(size), at)
        for clause in waiting:
            clause.start_s = clause.end_s = self._sent_s

    def complete(self, at: float) -> None:
        """No more audio comes."""
        self._advance(at)  # silence until now was silence within the reply
        self._complete = True
        self._changed.set()

    def pause(self, at: float) -> None:
        self._advance(at)
        if not self._paused:
            self._paused, self._paused_at = True, at
        self._changed.set()

    def resume(self, at: float) -> None:
        self._advance(at)
        self._paused = False
        self._changed.set()

    def report(self, played_s: float, at: float, *, playing: bool) -> None:
        """The client says how much was audible so far. A report may not claim more than was sent."""
        self._advance(at)
        self._reported = True
        self._position = max(0.0, min(played_s, self._sent_s))
        self._position_at = at
        self._running = playing
        self._changed.set()

    def clause_report(self, index: int, *, finished: bool, at: float) -> None:
        """The client's own voice began or finished a clause."""
        if 0 <= index < len(self._clauses):
            clause = self._clauses[index]
            self.report(clause.end_s if finished else clause.start_s, at, playing=True)

    def position(self, now: float) -> float:
        """Seconds of the reply that were audible by `now`."""
        self._advance(now)
        return self._position

    def playing(self, now: float) -> bool:
        """Whether the caller hears the reply, or will hear more of it."""
        return self.begun and not (self._complete and self.position(now) >= self._sent_s - 1e-6)

    def heard(self, now: float) -> str:
        """The text that was heard, cut at a word; a clause that was heard half is kept by its share of the audio."""
        return self._heard_until(self.position(now))

    def heard_before(self, now: float, seconds: float) -> str:
        """The text that was heard `seconds` before `now`, where it played on since then but for the present pause."""
        position = self.position(now)
        paused_s = now - self._paused_at if self._paused else 0.0
        return self._heard_until(position - max(0.0, seconds - paused_s))

    def _heard_until(self, position: float) -> str:
        parts = [_heard_part(clause, position) for clause in self._clauses]
        return " ".join(part for part in parts if part)

    def said(self, now: float) -> str:
        """The text of all clauses that have begun to play, the present one to its end."""
        return " ".join(clause.text for clause in self._begun(now))

    def said_aloud(self, now: float) -> str:
        """The same in the words that a voice has for it: numbers are words."""
        return " ".join(clause.spoken for clause in self._begun(now))

    def clause_start(self, index: int) -> float:
        """Where clause `index` begins, in seconds of the reply."""
        return self._clauses[index].start_s

    async def reached(self, position: float) -> None:
        """Waits until more than `position` seconds were played, or everything that was sent."""
        while (left := position - self.position(clock.now())) >= 0 and not self._silent_end(position):
            await self._wait_change(left + 1e-3 if self._running and not self._paused else None)

    async def finished(self) -> None:
        """Waits until everything was played."""
        while self.playing(clock.now()):
            left = self._sent_s - self._position
            await self._wait_change(left + 1e-3 if self._running and not self._paused else None)

    def _begun(self, now: float) -> list[_Clause]:
        position = self.position(now)
        return [clause for clause in self._clauses if clause.start_s <= position]

    def _silent_end(self, position: float) -> bool:
        return self._complete and position >= self._sent_s

    async def _wait_change(self, timeout_s: float | None) -> None:
        self._changed.clear()
        if timeout_s is None and self._reports and not self._reported:
            timeout_s = NO_REPORT_S
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError:
            return

    def _extend(self, seconds: float, at: float) -> None:
        self._advance(at)
        if self._first_sent_at is None:
            self._first_sent_at = at
            self._position_at = at
            if not self._reports:
                self._running = True
                self._position_at = at + self._one_way_s
        self._sent_s += seconds
        if self._clauses:
            self._clauses[-1].end_s = self._sent_s
        self._changed.set()

    def _advance(self, now: float) -> None:
        if self._first_sent_at is None:
            return
        if self._reports and not self._reported and now - self._first_sent_at >= NO_REPORT_S:
            self._reports = False
            self._running = True
            self._position_at = self._first_sent_at + self._one_way_s
        if self._running and not self._paused:
            elapsed = max(0.0, now - self._position_at)
            missing = self._position + elapsed - self._sent_s
            if missing > 0 and not self._complete and self.answered:
                self.gap_s += missing
            self._position = min(self._sent_s, self._position + elapsed)
        self._position_at = max(self._position_at, now)


def _heard_part(clause: _Clause, position: float) -> str:
    length = clause.end_s - clause.start_s
    if not clause.whole and length > 0:
        length = max(length, seconds_by_browser(clause.text))
    elif position >= clause.end_s and length > 0:
        return clause.text
    if position <= clause.start_s or length <= 0:
        return ""
    share = (position - clause.start_s) / length
    cut = int(len(clause.text) * share)
    if cut >= len(clause.text):
        return clause.text
    return clause.text[:cut].rpartition(" ")[0]
