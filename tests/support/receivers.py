"""Real HTTP receivers on loopback: what a trace collector and Sentry would be sent, kept for looking at."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

WAIT_S = 20.0


@dataclass
class Receiver:
    """Everything that was posted: (path, unpacked body). `answer` blocks each request until it is set."""

    url: str
    posts: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """Of each post, with names in lower case."""
    changed: threading.Condition = field(default_factory=threading.Condition)
    answer: threading.Event = field(default_factory=threading.Event)
    status: int = 200
    answers_with: dict[str, str] = field(default_factory=dict[str, str])

    def wait(self, enough: Callable[[], bool]) -> None:
        """Waits until `enough`; fails after 20 s."""
        deadline = time.monotonic() + WAIT_S
        with self.changed:
            while not enough():
                left = deadline - time.monotonic()
                assert left > 0, f"only {len(self.posts)} posts came"
                self.changed.wait(left)


@contextlib.contextmanager
def receiver() -> Generator[Receiver]:
    """A running receiver on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            with found.changed:
                found.headers.append({name.lower(): value for name, value in self.headers.items()})
                found.posts.append((self.path, body))
                found.changed.notify_all()
            found.answer.wait(WAIT_S)
            with contextlib.suppress(OSError):
                self.send_response(found.status)
                self.send_header("content-length", "0")
                for name, value in found.answers_with.items():
                    self.send_header(name, value)
                self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    found.answer.set()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.answer.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Received:
    """A span as a collector gets it."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    start_s: float
    end_s: float
    attributes: dict[str, Any]
    links: list[tuple[str, str]]
    events: list[str]
    failed: bool
    resource: dict[str, Any]


def spans(found: Receiver) -> list[Received]:
    """Every span that was posted to /v1/traces."""
    out: list[Received] = []
    for path, body in list(found.posts):
        assert path == "/v1/traces"
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            owner = _plain(resource.resource.attributes)
            out += [_received(span, owner) for scope in resource.scope_spans for span in scope.spans]
    return out


def _received(span: Span, resource: dict[str, Any]) -> Received:
    return Received(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        start_s=span.start_time_unix_nano / 1e9,
        end_s=span.end_time_unix_nano / 1e9,
        attributes=_plain(span.attributes),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        events=[event.name for event in span.events],
        failed=span.status.code == 2,
        resource=resource,
    )


def _plain(attributes: Any) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for item in attributes:
        kind = item.value.WhichOneof("value")
        found = getattr(item.value, kind)
        out[item.key] = [part.string_value for part in found.values] if kind == "array_value" else found
    return out


def sentry_events(found: Receiver) -> list[dict[str, Any]]:
    """Every event in the envelopes that were posted."""
    out: list[dict[str, Any]] = []
    for path, body in list(found.posts):
        assert path.endswith("/envelope/")
        lines = body.split(b"\n")
        for header, payload in zip(lines[1::2], lines[2::2], strict=False):
            if json.loads(header).get("type") == "event":
                out.append(json.loads(payload))
    return out
