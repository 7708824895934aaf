"""Is the caller probably done? A judge over a transcript that is not final yet, for replies that are begun early.

It says yes when these come together:

    the words have stood unchanged for `stable_s`, or the recogniser says that it will not change them
    no voice has been heard for `stable_s`, nor, where words have times, after the last of them
    they look complete: no number, spelling or sentence is left in the middle

Words are looked at, not their meaning, and the answer takes microseconds. A recogniser puts a full stop after whatever
it has so far, so that marks other than a question mark say nothing. docs/latency.md tells how often it is right.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Final

from agent.core import clock
from agent.providers.base import SttEvent, SttEventKind
from agent.turn.dictation import goes_on
from agent.turn.listen_events import LikelyEndOfTurn, TurnResumed

_NEEDS_MORE: Final = frozenset(
    "a an the my your his its our their every each which whose"
    " and or but because so if when while since although than"
    " of to for with from at in on by into about between under over without until"
    " i we they he she is are am was were be been does did have has had can could will would should may might"
    " must want i'd i'm i'll i've we'd we're it's there's let's don't can't"
    " very really uh um erm hmm"
    " ein eine einen der die das den dem mein meine ihr und oder aber weil dass wenn von zu für mit in auf an um ich"
    " wir sie ist sind kann möchte brauche sehr nicht"
    " un une le la les mon ma et ou mais que qui de à pour avec sans dans je nous est suis voudrais très ne"
    " el los mi su y o pero porque de para con sin en yo es soy quiero necesito muy".split()
)
_WHOLE_ALONE: Final = frozenset(
    "yes no yeah yep nope okay ok sure thanks right correct exactly hello hi hey bye goodbye please perfect great"
    " today tomorrow cancel stop ja nein danke hallo genau oui non merci bonjour si sí gracias hola claro".split()
)
_MAY_END_A_QUESTION: Final = frozenset("of to for with from at in on by about is are am was do does did have".split())
_QUESTIONS: Final = frozenset("what which who where when how was welche wer wo wann wie".split())
_WHOLE_QUESTION: Final = 4  # words after which one that lacks its mark may end like that, too


def looks_complete(text: str) -> bool:
    """Whether nothing seems to be missing after these words."""
    words = re.findall(r"\w+(?:['’]\w+)?", text.lower().replace("’", "'"))
    if not words or text.rstrip().endswith((",", ":", ";", "-", "…", "...")) or goes_on(text):
        return False
    last = words[-1]
    asks = text.rstrip().endswith("?") or (words[0] in _QUESTIONS and len(words) >= _WHOLE_QUESTION)
    if len(words) == 1:
        return last in _WHOLE_ALONE
    return last not in _NEEDS_MORE or (asks and last in _MAY_END_A_QUESTION)


_UNHEARD_S: Final = 0.3
"""So much voice after the last word is a word that has not come yet; less is how a detector lingers."""


class LikelyEnds:
    """Tells when one caller is probably done: when the recogniser says so, and by the judge where there is `stable_s`.

    `put` takes what is told. Called on the event loop; never waits.
    """

    def __init__(
        self,
        stable_s: float | None,
        last_voiced_at: Callable[[], float | None],
        put: Callable[[LikelyEndOfTurn | TurnResumed], None],
    ) -> None:
        self._stable_s, self._last_voiced_at, self._put = stable_s, last_voiced_at, put
        self._text, self._changed_at, self._settled = "", 0.0, False
        self._heard_until: float | None = None
        self._told: str | None = None  # the words that the turn has probably ended with
        self._timer: asyncio.TimerHandle | None = None

    def heard(self, heard: SttEvent, text: str, until: float | None = None) -> None:
        """The recogniser says something of a turn that is not over, whose words are `text`.

        `until` is when the end of the last one arrived (loop time), where it has a time.
        """
        self._heard_until = until
        if heard.kind is SttEventKind.RESUMED:
            self._told = None
            self._put(TurnResumed())
        elif heard.kind is SttEventKind.EAGER or (text == self._told and heard.confidence is not None):
            self._likely(text, heard.confidence)
        elif text != self._told:
            self._told = None
            self._words(text, settled=heard.settled)

    def over(self) -> None:
        """The turn is over, or its words were taken back."""
        self._text, self._told = "", None
        self.close()

    def close(self) -> None:
        """Nothing is watched any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _words(self, text: str, *, settled: bool) -> None:
        if self._stable_s is None:
            return
        if text != self._text:
            self._text, self._changed_at, self._settled = text, clock.now(), False
        self._settled = self._settled or settled
        self._look()

    def _look(self) -> None:
        self.close()
        quiet_since = self._last_voiced_at()
        since = self._changed_at if quiet_since is None else quiet_since
        due = (since if self._settled else max(since, self._changed_at)) + (self._stable_s or 0.0)
        if clock.now() < due - 1e-6:
            self._timer = asyncio.get_running_loop().call_at(due, self._look)
        elif not self._lacks(quiet_since) and looks_complete(self._text):
            self._likely(self._text, None)

    def _lacks(self, voiced_at: float | None) -> bool:
        """Whether a voice was heard for which there are no words yet."""
        until = self._heard_until
        return until is not None and voiced_at is not None and voiced_at - until > _UNHEARD_S

    def _likely(self, text: str, confidence: float | None) -> None:
        self.close()
        self._told = text
        self._put(LikelyEndOfTurn(text, confidence))
