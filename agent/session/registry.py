"""All live sessions of this process: admits them, runs them, and lets each subject have one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from agent.errors import ProtocolError
from agent.session.messages import CloseCode
from agent.session.parts import SessionParts
from agent.session.session import Ending, Session
from agent.session.token import Claims, new_session_id
from agent.telemetry.events import SessionOutcome, SessionRefused, Sink

Remembered = Sequence[Mapping[str, object]]
PartsFactory = Callable[[Claims, str, Remembered], SessionParts]


class Registry:
    """Sessions by id and by subject. Use `running()` around the life of the server."""

    def __init__(self, make_parts: PartsFactory, sink: Sink, *, max_sessions: int) -> None:
        self._make_parts = make_parts
        self._sink = sink
        self._max_sessions = max_sessions
        self._group: asyncio.TaskGroup | None = None
        self._by_id: dict[str, Session] = {}
        self._by_subject: dict[str, Session] = {}

    @property
    def count(self) -> int:
        """Sessions that are open now."""
        return len(self._by_id)

    @property
    def ready(self) -> bool:
        """Whether new sessions are taken."""
        return self._group is not None and self.count < self._max_sessions

    async def empty(self) -> None:
        """Waits until every session that is open now has ended."""
        for session in list(self._by_id.values()):
            await session.ended.wait()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Runs sessions until the block ends; then ends those that are still open and waits for them."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                yield
            finally:
                self._group = None
                for session in list(self._by_id.values()):
                    session.end(Ending(SessionOutcome.DRAINED, CloseCode.GOING_AWAY))

    def find(self, claims: Claims) -> Session | None:
        """The live session that these claims name, when the same subject opened it."""
        session = self._by_id.get(claims.session_id or "")
        return session if session is not None and session.parts.info.subject == claims.subject else None

    def open(self, claims: Claims, remembered: Remembered = ()) -> Session:
        """Starts a session; an older one of the same subject ends. Raises ProtocolError when there is no room.

        `remembered` are the memory events of a session that goes on here.
        """
        if self._group is None:
            self._refuse(claims, "draining", "the server goes away: connect again, another one will answer")
        older = self._by_subject.get(claims.subject)
        if older is None and self.count >= self._max_sessions:
            self._refuse(claims, "full", "all sessions are taken: try again in 10 s")
        if older is not None:
            older.end(Ending(SessionOutcome.REPLACED, CloseCode.REPLACED))
        session_id = claims.session_id if claims.session_id and claims.session_id not in self._by_id else None
        session = Session(self._make_parts(claims, session_id or new_session_id(), remembered))
        self._by_id[session.parts.info.session_id] = session
        self._by_subject[claims.subject] = session
        if self._group is not None:
            self._group.create_task(self._run(session))
        return session

    async def _run(self, session: Session) -> None:
        info = session.parts.info
        try:
            await session.run()
        finally:
            self._by_id.pop(info.session_id, None)
            if self._by_subject.get(info.subject) is session:
                del self._by_subject[info.subject]

    def _refuse(self, claims: Claims, reason: str, text: str) -> None:
        self._sink.handle(SessionRefused(claims.tier, reason))
        raise ProtocolError(reason, text, CloseCode.OVERLOADED)
