"""Traces: one for each turn, linked to the one of its session, sent by OTLP/HTTP.

The trace id of a turn is that of its record: exemplars, `turn.metrics` and log lines name the same trace. Which turns
are kept is decided when they are over, so those over a budget, failed or fallen back are always kept; of the rest a
share, by the trace id. Spans leave through a bounded queue that a thread empties; a turn that does not fit is dropped
as a whole and counted. Times of the service's clock become wall-clock times once for each turn.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from agent.core import clock
from agent.core.calls import ErrorKind
from agent.telemetry import catalog
from agent.telemetry.events import CallFinished, Event, SessionEnded, SessionOutcome, TurnFinished
from agent.telemetry.exposition import Metrics
from agent.telemetry.spans import Draft, call_draft, remarkable, session_draft, turn_drafts

QUEUE_SPANS: Final = 4_096
BATCH_SPANS: Final = 256
EVERY_MS: Final = 2_000.0
CLOSE_S: Final = 3.0
QUEUE: Final = "spans"  # label value of `queue_drops_total`
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_BITS: Final = 56  # the end of a trace id that is random, as in W3C's consistent sampling


def otlp_exporter(endpoint: str) -> SpanExporter:
    """Exports to `endpoint`/v1/traces; headers come from OTEL_EXPORTER_OTLP_HEADERS."""
    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=CLOSE_S)


class TracingSink:
    """A sink that turns finished turns, sessions and calls into spans."""

    def __init__(
        self,
        exporter: SpanExporter,
        metrics: Metrics,
        resource: Mapping[str, str],
        *,
        keep: float = 1.0,
        queue_spans: int = QUEUE_SPANS,
    ) -> None:
        """`keep` is the share of unremarkable turns that are kept, 0 to 1."""
        self._exporter = _Counting(exporter)
        self._ids = _Ids()
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource.create(dict(resource)),
            shutdown_on_exit=False,
            id_generator=self._ids,
        )
        batches = min(BATCH_SPANS, queue_spans)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter, queue_spans, EVERY_MS, batches))
        self._tracer = self._provider.get_tracer("voice-agent")
        self._metrics = metrics
        self._keep = keep
        self._queue_spans = queue_spans
        self._given = 0
        metrics.child(catalog.QUEUE_DROPS, QUEUE)

    def handle(self, event: Event) -> None:
        match event:
            case TurnFinished(session, record):
                trace_id = int(record.trace_id, 16)
                if self._keeps(trace_id) or remarkable(record):
                    link = session_context(session.session_id)
                    self._send(trace_id, [*turn_drafts(session, record)], links=(Link(link),))
            case CallFinished(session, None, call) if session is not None:
                home = session_context(session.session_id)
                if self._keeps(home.trace_id) or isinstance(call.outcome, ErrorKind):
                    self._send(home.trace_id, [call_draft(session, call)], parent=home)
            case SessionEnded():
                home = session_context(event.session.session_id)
                if self._keeps(home.trace_id) or event.slow_turns or event.outcome is SessionOutcome.FAILED:
                    self._send(home.trace_id, [session_draft(event, clock.now())], root=home.span_id)
            case _:
                pass

    def close(self) -> None:
        """Sends what waits, for a few seconds at most. Blocks: call it in a thread."""
        self._exporter.give_up_at = time.monotonic() + CLOSE_S
        self._provider.shutdown()

    def _keeps(self, trace_id: int) -> bool:
        return trace_id & ((1 << _BITS) - 1) < self._keep * (1 << _BITS)

    def _send(
        self,
        trace_id: int,
        drafts: Sequence[Draft],
        *,
        links: Sequence[Link] = (),
        root: int | None = None,
        parent: SpanContext | None = None,
    ) -> None:
        """Makes spans of the drafts: the first one is the parent of the others, unless `parent` is of all."""
        if self._given - self._exporter.taken + len(drafts) > self._queue_spans:
            self._metrics.add(catalog.QUEUE_DROPS, QUEUE, amount=len(drafts))
            return
        self._given += len(drafts)
        self._ids.trace_id, self._ids.span_id = trace_id, root
        offset_ns = time.time_ns() - round(clock.now() * 1e9)
        for draft in drafts:
            context = self._export(draft, parent, offset_ns, links if parent is None else ())
            parent = parent or context

    def _export(self, draft: Draft, parent: SpanContext | None, offset_ns: int, links: Sequence[Link]) -> SpanContext:
        span = self._tracer.start_span(
            draft.name,
            set_span_in_context(NonRecordingSpan(parent)) if parent is not None else None,
            SpanKind.CLIENT if draft.remote else SpanKind.INTERNAL,
            dict(draft.attributes),
            links,
            round(draft.start * 1e9) + offset_ns,
        )
        for name, at, attributes in draft.events:
            span.add_event(name, dict(attributes), round(at * 1e9) + offset_ns)
        if draft.failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(round(max(draft.start, draft.end) * 1e9) + offset_ns)
        return span.get_span_context()


def session_context(session_id: str) -> SpanContext:
    """The span of a session, known before it exists: its ids are a hash of the session's."""
    digest = hashlib.blake2b(session_id.encode(), digest_size=24).digest()
    return SpanContext(int.from_bytes(digest[:16]), int.from_bytes(digest[16:]), is_remote=False, trace_flags=_SAMPLED)


class _Ids(RandomIdGenerator):
    """Gives the next root span the ids that are set; every other span a random id."""

    def __init__(self) -> None:
        self.trace_id = 0
        self.span_id: int | None = None

    def generate_trace_id(self) -> int:
        return self.trace_id

    def generate_span_id(self) -> int:
        chosen, self.span_id = self.span_id, None
        return chosen if chosen is not None else super().generate_span_id()


class _Counting(SpanExporter):
    """Counts the spans that have left the queue, and stops asking a collector that is gone when the service ends."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lock = threading.Lock()
        self.taken = 0
        self.give_up_at: float | None = None

    def export(self, spans: Iterable[ReadableSpan]) -> SpanExportResult:
        batch = tuple(spans)
        with self._lock:
            self.taken += len(batch)
        if self.give_up_at is not None and time.monotonic() >= self.give_up_at:
            return SpanExportResult.FAILURE
        return self._exporter.export(batch)

    def shutdown(self) -> None:
        self._exporter.shutdown()
