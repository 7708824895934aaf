"""Reports to Sentry: turns and sessions over budget as warnings, and exceptions. Traces belong to OpenTelemetry.

Nothing of it runs on the audio path: an event is put into a short queue, and a thread makes and sends the report. The
SDK's own hooks, integrations and breadcrumbs stay off: this module reads the same events as every other sink, and the
log for exceptions. What leaves is scrubbed: no local variables, no message of a foreign exception (it may hold what was
said), nothing that looks like a key or a token.
"""

from __future__ import annotations

import logging
import queue
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sentry_sdk
from sentry_sdk.types import Event as SentryEvent
from sentry_sdk.types import Hint
from sentry_sdk.utils import event_from_exception

from agent.budgets import Budgets
from agent.telemetry import catalog
from agent.telemetry.events import Event, SessionEnded, SessionInfo, TurnFinished
from agent.telemetry.exposition import Metrics
from agent.telemetry.timeline import STAGES, TurnRecord

QUEUE_REPORTS: Final = 64
QUEUE: Final = "sentry"  # label value of `queue_drops_total`
EVERY_S: Final = 60.0  # one report of a kind at most every minute; the next one says how many were left out
KINDS: Final = 256
CLOSE_S: Final = 3.0
_HIDDEN: Final = "[hidden]"
_SECRET: Final = re.compile(
    r"eyJ[\w-]+\.[\w-]+\.[\w-]*"  # a JSON web token
    r"|\b(?:sk|xi|dg|pk|ghp|xox[bp])[-_][\w-]{8,}"  # keys of providers
    r"|(?i:bearer|token|basic)\s+[\w.+/=-]{8,}"
    r"|\b[0-9a-fA-F]{40,}\b"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"  # user and password in an address
)
_KEPT: Final = frozenset(
    "event_id timestamp level platform release environment message exception fingerprint tags contexts sdk".split()
)


@dataclass(frozen=True, slots=True)
class SentryReport:
    """Something to tell. Reports of the same `fingerprint` become one issue."""

    message: str
    fingerprint: tuple[str, ...]
    tags: Mapping[str, str]
    context: Mapping[str, Any]
    error: BaseException | None = None


class SentrySink:
    """A sink, and the source of a log handler for exceptions. `close` sends what waits."""

    def __init__(
        self,
        client: sentry_sdk.Client,
        metrics: Metrics,
        budgets: Budgets,
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._client = client
        self._metrics = metrics
        self._budgets = budgets
        self._pace = Pace(every_s)
        self._queue: queue.Queue[SentryReport | None] = queue.Queue(QUEUE_REPORTS)
        metrics.child(catalog.QUEUE_DROPS, QUEUE)
        self.handler: logging.Handler = _ExceptionHandler(self._put)
        """Belongs on the root logger: it reports every exception that is logged."""
        self._thread = threading.Thread(target=self._work, name="sentry-reports", daemon=True)
        self._thread.start()

    def handle(self, event: Event) -> None:
        match event:
            case TurnFinished(session, record) if record.slow:
                self._put(slow_turn(session, record, self._budgets))
            case SessionEnded(session, cost_usd=usd) if usd > self._budgets.tiers[session.tier].alert_usd:
                self._put(expensive_session(event))
            case _:
                pass

    def close(self) -> None:
        """Sends what waits, for a few seconds at most. Blocks: call it in a thread."""
        deadline = time.monotonic() + CLOSE_S
        try:
            self._queue.put(None, timeout=CLOSE_S)
        except queue.Full:
            return
        self._thread.join(max(0.0, deadline - time.monotonic()))
        self._client.close(timeout=max(0.1, deadline - time.monotonic()))

    def _put(self, report: SentryReport) -> None:
        try:
            self._queue.put_nowait(report)
        except queue.Full:
            self._metrics.add(catalog.QUEUE_DROPS, QUEUE)

    def _work(self) -> None:
        while (report := self._queue.get()) is not None:
            left_out = self._pace.admit(report.fingerprint, time.monotonic())
            if left_out is not None:
                self._capture(report, left_out)

    def _capture(self, report: SentryReport, left_out: int) -> None:
        event: SentryEvent = {}
        hint: Hint = {}
        if report.error is not None:
            event, hint = event_from_exception(report.error, client_options=self._client.options)
        event["level"] = "error" if report.error is not None else "warning"
        event["message"] = report.message
        event["fingerprint"] = list(report.fingerprint)
        event["tags"] = dict(report.tags)
        event["contexts"] = {"voice agent": {**report.context, "similar left out": left_out}}
        self._client.capture_event(event, hint)


def sentry_client(dsn: str, *, release: str, environment: str) -> sentry_sdk.Client:
    """A client of its own: nothing global, no integration, no breadcrumb, no trace. Raises BadDsn."""
    return sentry_sdk.Client(
        dsn=dsn,
        release=release,
        environment=environment,
        default_integrations=False,
        auto_enabling_integrations=False,
        max_breadcrumbs=0,
        include_local_variables=False,
        include_source_context=True,
        traces_sample_rate=None,
        auto_session_tracking=False,
        send_client_reports=False,
        server_name="",
        before_send=scrub,
        shutdown_timeout=CLOSE_S,
    )


def slow_turn(session: SessionInfo, record: TurnRecord, budgets: Budgets) -> SentryReport:
    """A turn over the voice-to-voice budget: which stage took the most of its budget, and all of them."""
    allowed = budgets.latency.seconds()
    taken = {stage: seconds for stage in STAGES if (seconds := record.stages.get(stage)) is not None}
    worst = max(taken, key=lambda stage: taken[stage] / allowed.get(stage, allowed["network"]), default="none")
    context: dict[str, Any] = {
        "session_id": session.session_id,
        "turn": record.turn,
        "trace_id": record.trace_id,
        "voice_to_voice_ms": _ms(record.reply_after_s),
        "budget_ms": budgets.latency.voice_to_voice,
        **{f"{stage}_ms": _ms(seconds) for stage, seconds in taken.items()},
        "over_budget": ", ".join(record.over_budget),
        "fallbacks": ", ".join(f"{move.service}: {move.from_provider} {move.reason}" for move in record.fallbacks),
    }
    tags = {**_who(session), "stage": worst, "outcome": record.outcome.value, "model": record.model or "none"}
    kind = ("turn over budget", worst, session.policy, record.outcome.value)
    return SentryReport(f"Turn over budget: {worst}", kind, tags, context)


def expensive_session(event: SessionEnded) -> SentryReport:
    """A session that cost more than its tier's `alert_usd`."""
    by_service = event.cost_by_service
    worst = max(by_service, key=lambda service: by_service[service], default="none")
    context: dict[str, Any] = {
        "session_id": event.session.session_id,
        "cost_usd": round(event.cost_usd, 6),
        **{f"{service}_usd": round(spent, 6) for service, spent in by_service.items()},
        "duration_s": round(event.duration_s, 1),
        "turns": event.turns,
        "slow_turns": event.slow_turns,
    }
    tags = {**_who(event.session), "stage": worst, "outcome": event.outcome.value}
    kind = ("session over budget", worst, event.session.policy, event.session.tier.value)
    return SentryReport(f"Session over budget: {worst}", kind, tags, context)


class Pace:
    """Lets one report of a kind through at a time, and counts the rest. Kinds are forgotten oldest first."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._seen: dict[Sequence[str], tuple[float, int]] = {}

    def admit(self, kind: Sequence[str], now: float) -> int | None:
        """How many of this kind were left out since the last one; None when this one is left out too."""
        last, left_out = self._seen.get(kind, (-self._every_s, 0))
        if now - last < self._every_s:
            self._seen[kind] = (last, left_out + 1)
            return None
        self._seen.pop(kind, None)
        while len(self._seen) >= KINDS:
            self._seen.pop(next(iter(self._seen)))
        self._seen[kind] = (now, 0)
        return left_out


def scrub(event: SentryEvent, _hint: Hint) -> SentryEvent | None:
    """Keeps what is known to be harmless. Messages of exceptions that are not ours are hidden."""
    kept: Any = {name: value for name, value in event.items() if name in _KEPT}
    for found in kept.get("exception", {}).get("values", []):
        ours = str(found.get("module") or "").startswith("agent.")
        found["value"] = found.get("value") if ours else _HIDDEN
        for frame in (found.get("stacktrace") or {}).get("frames", []):
            frame.pop("vars", None)
    return _without_secrets(kept)


def _without_secrets(found: Any) -> Any:
    if isinstance(found, str):
        return _SECRET.sub(_HIDDEN, found)
    if isinstance(found, dict):
        return {key: _without_secrets(inner) for key, inner in found.items()}
    return [_without_secrets(inner) for inner in found] if isinstance(found, list | tuple) else found


class _ExceptionHandler(logging.Handler):
    """Reads exceptions out of log records, our own (structlog's) and the libraries'."""

    def __init__(self, put: Callable[[SentryReport], None]) -> None:
        super().__init__(logging.ERROR)
        self._put = put

    def emit(self, record: logging.LogRecord) -> None:
        fields: Any = record.msg if isinstance(record.msg, dict) else {}
        error = _exception(fields.get("exc_info")) or _exception(record.exc_info)
        if error is None:
            return
        what = str(fields.get("event") or record.name)
        names = ("session_id", "trace_id", "turn")
        context = {name: fields[name] for name in names if name in fields}
        kind = (what, type(error).__qualname__, _where(error))
        self._put(SentryReport(what, kind, {"error": type(error).__qualname__}, context, error))


def _exception(given: Any) -> BaseException | None:
    if isinstance(given, BaseException):
        return given
    found = sys.exc_info() if given is True else given
    return found[1] if isinstance(found, tuple) else None


def _where(error: BaseException) -> str:
    """File and function where it was raised."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code if trace is not None else None
    return f"{code.co_filename.rpartition('/')[2]}:{code.co_name}" if code is not None else "nowhere"


def _who(session: SessionInfo) -> dict[str, str]:
    version = str(session.policy_version)
    return {"tier": session.tier.value, "policy": session.policy, "policy_version": version}


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
