"""All live sessions of this process: admits them, runs them, lets each subject have one, and drains."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Final, Protocol
from weakref import WeakValueDictionary

import structlog

from agent.billing.pricing import utc_now
from agent.core.resumed_state import ResumedState
from agent.session.admission import DRAINING, NOT_LOOKED_UP, Admission, AdmissionError, Refusal, SessionOverError
from agent.session.claims import Claims, new_session_id
from agent.session.dependencies import SessionDependencies
from agent.session.session import Session
from agent.session.transport import Capabilities
from agent.telemetry.events import SessionOutcome, SessionRefused, Sink

PartsFactory = Callable[[Claims, str, Capabilities, ResumedState], SessionDependencies]
NEW: Final = ResumedState()

log = structlog.get_logger()


class History(Protocol):
    """Where sessions are kept that may go on in another process."""

    async def past(self, session_id: str, *, take_over: bool) -> ResumedState | None:
        """None for a session that never was. `take_over` makes this process its owner, unless it is over for good.

        Raises, after a few seconds at most, when it cannot be told.
        """
        ...

    async def holds(self, session_id: str, generation: int) -> bool | None:
        """Whether a session that is open here has no newer owner; None when it cannot be told. Must not raise."""
        ...


class Registry:
    """Sessions by id and by subject. Use `running()` around the life of the server."""

    def __init__(self, make_parts: PartsFactory, sink: Sink, admission: Admission, history: History) -> None:
        self._make_parts = make_parts
        self._sink = sink
        self._admission = admission
        self._history = history
        self._group: asyncio.TaskGroup | None = None
        self._draining = False
        self._by_id: dict[str, Session] = {}
        self._by_subject: dict[str, Session] = {}
        self._addresses: dict[Session, str | None] = {}
        self._began: dict[Session, datetime] = {}
        self._joining: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def count(self) -> int:
        """Sessions that are open now."""
        return len(self._by_id)

    @property
    def ready(self) -> bool:
        """Whether new sessions are taken."""
        return self._group is not None and not self._draining and self.count < self._admission.max_sessions

    def end_where(self, wanted: Callable[[str, str, datetime], bool]) -> int:
        """Ends, as by a hang-up, every session for which (id, subject, began at) is true; returns how many."""
        found = [
            session
            for session, began in self._began.items()
            if wanted(session.parts.info.session_id, session.parts.info.subject, began)
        ]
        for session in found:
            session.end(SessionOutcome.COMPLETED)
        return len(found)

    def generations(self) -> dict[str, int]:
        """Session → generation, of every session that is open now."""
        return {name: session.parts.info.generation for name, session in self._by_id.items()}

    def lose(self, session_id: str, outcome: SessionOutcome) -> None:
        """Ends a session that this process no longer has: another one took it, or it was taken for lost."""
        session = self._by_id.get(session_id)
        if session is not None:
            log.warning("session lost to another process", session_id=session_id, outcome=outcome.value)
            session.end(outcome)

    async def empty(self) -> None:
        """Waits until every session that is open now has ended."""
        for session in list(self._by_id.values()):
            await session.ended.wait()

    async def drain(self, limit_s: float) -> None:
        """Takes no more sessions, lets running turns finish for at most `limit_s` seconds, and ends every session."""
        self._draining = True
        for session in list(self._by_id.values()):
            session.drain()
        try:
            async with asyncio.timeout(limit_s):
                await self.empty()
        except TimeoutError:
            self._end_all()
            await self.empty()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Runs sessions until the block ends; then ends those that are still open and waits for them."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                yield
            finally:
                self._group = None
                self._end_all()

    def find(self, claims: Claims) -> Session | None:
        """The live session that these claims name, when the same subject opened it."""
        session = self._by_id.get(claims.session_id or "")
        return session if session is not None and session.parts.info.subject == claims.subject else None

    async def join(self, claims: Claims, capabilities: Capabilities) -> tuple[Session, bool]:
        """The session of these claims, and whether it was there before: in this process, or by the history in another.

        It takes commands when this returns. Raises AdmissionError when there is no room, or when a session that is to
        go on cannot be looked up just now; and SessionOverError for a session that is over for good.
        """
        # two connections that come back at once would take the session from each other
        async with self._joining.setdefault(claims.session_id or new_session_id(), asyncio.Lock()):
            known = await self._find_own(claims)
            session, resumed = (known, True) if known is not None else await self._open_or_restore(claims, capabilities)
        await session.started.wait()
        return session, resumed

    async def _find_own(self, claims: Claims) -> Session | None:
        """The live session of these claims, unless its client has been elsewhere and another process has it now."""
        session = self.find(claims)
        if session is None:
            return None
        info = session.parts.info
        held = await self._history.holds(info.session_id, info.generation)
        if held is None:  # it stays, and another process that may have it by now does as well
            raise self._refused(claims, NOT_LOOKED_UP)
        if held:
            return self.find(claims)
        self.lose(info.session_id, SessionOutcome.MOVED)
        await session.ended.wait()
        return None

    async def _open_or_restore(self, claims: Claims, capabilities: Capabilities) -> tuple[Session, bool]:
        if claims.session_id is None:
            return self.open(claims, capabilities), False
        if claims.resume:
            self._room_for(claims)  # before the process that has it is told to let it go
        try:
            past = await self._history.past(claims.session_id, take_over=claims.resume)
        except Exception as error:
            log.warning("history not restored", session_id=claims.session_id, error=type(error).__name__)
            if claims.resume:
                raise self._refused(claims, NOT_LOOKED_UP) from None
            return self.open(claims, capabilities), False
        if past is None:
            return self.open(claims, capabilities), False
        if claims.resume:
            if past.over:
                raise SessionOverError("the session is over: get a new token from POST /v1/sessions")
            return self.open(claims, capabilities, past), True
        # turns are numbered on from those before: an id that was used up is not reused
        return self.open(replace(claims, session_id=None), capabilities), False

    def open(self, claims: Claims, capabilities: Capabilities, past: ResumedState = NEW) -> Session:
        """Starts a session; an older one of the same subject ends. Raises AdmissionError when there is no room.

        `capabilities` decide what the last places of the chains are. `past` is that of a session that goes on here.
        """
        group, older = self._room_for(claims)
        if older is not None:
            older.end(SessionOutcome.REPLACED)
        session_id = claims.session_id if claims.session_id and claims.session_id not in self._by_id else None
        session = Session(self._make_parts(claims, session_id or new_session_id(), capabilities, past))
        self._addresses[session] = claims.address
        self._began[session] = utc_now()
        self._by_id[session.parts.info.session_id] = session
        self._by_subject[claims.subject] = session
        group.create_task(self._run(session))
        return session

    def _room_for(self, claims: Claims) -> tuple[asyncio.TaskGroup, Session | None]:
        """Where a session of these claims would run, and the older one that would end. Raises AdmissionError."""
        group = self._group
        if group is None or self._draining:
            raise self._refused(claims, DRAINING)
        older = self._by_subject.get(claims.subject)
        of_address = self._of_address(claims.address, but=older)
        refusal = self._admission.refusal(claims, self.count - (older is not None), of_address)
        if refusal is not None:
            raise self._refused(claims, refusal)
        return group, older

    async def _run(self, session: Session) -> None:
        info = session.parts.info
        try:
            await session.run()
        finally:
            self._by_id.pop(info.session_id, None)
            self._addresses.pop(session, None)
            self._began.pop(session, None)
            if self._by_subject.get(info.subject) is session:
                del self._by_subject[info.subject]

    def _of_address(self, address: str | None, but: Session | None) -> int:
        return sum(known == address and session is not but for session, known in self._addresses.items())

    def _end_all(self) -> None:
        for session in list(self._by_id.values()):
            session.end(SessionOutcome.DRAINED)

    def _refused(self, claims: Claims, refusal: Refusal) -> AdmissionError:
        self._sink.handle(SessionRefused(claims.tier, refusal.reason, claims.caller))
        return AdmissionError(refusal)
