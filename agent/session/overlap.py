"""What is heard over the reply that plays: it is held while that is unknown, plays on, or gives the turn away.

    a voice            → the reply is held, unless words alone decide
    no word in time    → noise: it plays on
    backchannel, echo  → it plays on, and what was heard is no turn
    other words        → the caller takes the turn, without the words of an echo that they came after

Everything is counted. A session whose replies come back through the microphone tells its client once, and asks for more
words before it believes in an interruption.

Words alone decide where the loudspeaker is known to echo, and in the rest of a reply that was held in vain too often:
a telephone that rings, or an echo that is cut off by each hold before a word of it is known, would stop it for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from agent.core import clock
from agent.session.dependencies import SessionDependencies
from agent.session.events import EchoNoticed, SessionEvent
from agent.session.reply import Reply
from agent.telemetry.events import BargedIn, OverlapKind, Overlapped
from agent.turn.overheard import (
    Overheard,
    after,
    begun_before_s,
    demands_turn,
    echoed_head,
    ends_alike,
    judge,
    word_count,
)

ECHOES: Final = 2  # so many make sure of it
FALSE_HOLDS: Final = 2  # of one reply, after which a voice alone holds it no more
ECHO_LATE_S: Final = 3.0  # a recogniser's last words of an echo come so long after the reply, at most
LEAST_LATE_ECHO: Final = 3  # words: shorter ones after a reply are the caller's, who repeats what was said
WORDS_OVER_ECHO: Final = 3  # of the caller's own, to take the turn where the loudspeaker echoes; "wait" alone does
_COUNTED: Final = {Overheard.BACKCHANNEL: OverlapKind.BACKCHANNEL, Overheard.ECHO: OverlapKind.ECHO}


class Overlaps:
    """The overlaps of one session. Its methods are called on the event loop and never wait; holds run in `group`."""

    def __init__(
        self, parts: SessionDependencies, group: asyncio.TaskGroup, send: Callable[[SessionEvent], None]
    ) -> None:
        self._parts = parts
        self._group = group
        self._send = send
        self._hold: asyncio.Task[None] | None = None
        self._judged: tuple[Reply, Overheard] | None = None
        self._echoes = 0
        self._held_in_vain = 0
        self._held: Reply | None = None  # whose holds these were
        self._heard_before: tuple[Reply, str] | None = (
            None  # the open turn began over this reply, which was heard so far
        )
        self._echoed: tuple[str, ...] = ()  # the first words of that turn, where the loudspeaker said them

    @property
    def echoing(self) -> bool:
        """Whether the caller's loudspeaker comes back for sure."""
        return self._echoes >= ECHOES

    def voice(self, reply: Reply, began: float, now: float) -> None:
        """A voice since `began`, over a reply that plays."""
        if self._held is not reply:
            self._held, self._held_in_vain = reply, 0
        if self._hold is not None or self.echoing or self._held_in_vain >= FALSE_HOLDS:
            return
        reply.pause(now)
        self._parts.sink.handle(BargedIn(self._parts.info, now - began))
        self._hold = self._group.create_task(self._release(reply))

    def words(self, reply: Reply, text: str, now: float) -> bool:
        """The words of the open turn so far, over a reply that plays. Whether the caller takes the turn with them."""
        self._echoed = max(self._echoed, self._echo_at_the_head(reply, text, now), key=len)
        kind = self._kind(reply, text, now)
        if kind is Overheard.TAKES_TURN:
            if self.echoing and word_count(text) < WORDS_OVER_ECHO and not self._demanded(reply, text, now):
                return False
            self._judged = None
            self._count(OverlapKind.INTERRUPTION)
            return True
        self._let_play_on(reply, kind, now)
        return False

    def overheard(self, reply: Reply, text: str, now: float) -> bool:
        """A turn of the caller that began over this reply has ended. Whether it is none, and the reply goes on."""
        over = reply.playback.playing(now) or (self._judged is not None and self._judged[0] is reply)
        over = over or (self.echoing and self.echo_of(reply, text, now))
        kind = self._kind(reply, text, now) if over else Overheard.TAKES_TURN
        if kind is not Overheard.TAKES_TURN:
            self._let_play_on(reply, kind, now)
        self._judged = None
        return kind is not Overheard.TAKES_TURN

    def own_words(self, text: str) -> str:
        """What the caller has said of the open turn, which may begin with the echo of the reply that it began over."""
        return after(self._echoed, text)

    def last_words(self, text: str) -> str:
        """The same at the end of the turn."""
        own, self._echoed, self._heard_before = self.own_words(text), (), None
        return own

    def echo_of(self, reply: Reply, text: str, now: float) -> bool:
        """Whether what was heard is this reply, which was over or taken away a moment ago.

        The echo of a whole reply has its end in it: a caller who answers with words of the question has not.
        """
        if word_count(text) < LEAST_LATE_ECHO or (reply.over_at is not None and now - reply.over_at > ECHO_LATE_S):
            return False
        whole = reply.cancelled_as is None
        if whole and not ends_alike(text, reply.playback.said(now), self._parts.language):
            return False
        return self._kind(reply, text, now) is Overheard.ECHO

    def answered_echo(self) -> None:
        """A turn begins with an echo that was not known as one in time.

        It makes nothing sure: a caller may repeat what the agent has said.
        """
        self._count(OverlapKind.ECHO)

    def drop(self) -> None:
        """What is held is decided otherwise."""
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None

    def _kind(self, reply: Reply, text: str, now: float) -> Overheard:
        playback = reply.playback
        return judge(text, playback.said(now), self._parts.language, aloud=playback.said_aloud(now))

    def _echo_at_the_head(self, reply: Reply, text: str, now: float) -> tuple[str, ...]:
        playback = reply.playback
        if self._heard_before is None or self._heard_before[0] is not reply:
            self._heard_before = reply, playback.heard_before(now, begun_before_s(text))
        return echoed_head(text, playback.said(now), self._heard_before[1])

    def _demanded(self, reply: Reply, text: str, now: float) -> bool:
        return demands_turn(text, reply.playback.said(now), self._parts.language)

    def _let_play_on(self, reply: Reply, kind: Overheard, now: float) -> None:
        self.drop()
        reply.resume(now)
        if self._judged is not None and self._judged[0] is reply and self._judged[1] is kind:
            return  # more words of the same
        self._judged = (reply, kind)
        self._count(_COUNTED[kind])
        if kind is Overheard.ECHO:
            self._echoes += 1
            if self._echoes == ECHOES:
                self._send(EchoNoticed())
        else:
            reply.acknowledged = True

    async def _release(self, reply: Reply) -> None:
        """No word came in time: it was noise, and the reply goes on."""
        await asyncio.sleep(self._parts.limits.barge_in_word_s)
        self._hold = None
        self._held_in_vain += 1
        self._count(OverlapKind.NOISE)
        reply.resume(clock.now())

    def _count(self, kind: OverlapKind) -> None:
        self._parts.sink.handle(Overlapped(self._parts.info, kind))
