"""A stand-in for Prometheus that answers instant queries from a table, and for a chat that keeps what it is told."""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from agent.policy.comparison import Comparison
from agent.telemetry import recorded_metrics
from agent.telemetry.catalog import Metric

_QUERY = re.compile(r"([a-z_:]+)\{(.*)\}")
_MATCH = re.compile(r'(\w+)="([^"]*)"')


@dataclass
class StandIn:
    """`samples` are (metric, labels, value). With `broken` it answers what is not Prometheus' language."""

    url: str
    samples: list[tuple[Metric, dict[str, str], float]] = field(
        default_factory=list[tuple[Metric, dict[str, str], float]]
    )
    status: int = 200
    broken: bool = False
    said: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    told: threading.Event = field(default_factory=threading.Event)

    def answer(self, query: str) -> list[dict[str, Any]]:
        found = _QUERY.fullmatch(query)
        assert found is not None, query
        where = set(_MATCH.findall(found[2]))
        return [
            {"metric": {"__name__": metric.name, **labels}, "value": [0, str(value)]}
            for metric, labels, value in self.samples
            if metric.name == found[1] and where <= set(labels.items())
        ]

    def judge(self, verdict: int, *, tier: str = "free", policy: str = "haiku_first") -> None:
        """Lets the rules say this of a policy, with all the numbers that belong to it."""
        who = {"tier": tier, "policy": policy}
        share = 0.18 if verdict == recorded_metrics.ROLL_BACK else 0.02
        slow = {"signal": "slow_turns"}
        self.samples = [
            (recorded_metrics.VERDICT, who, verdict),
            (recorded_metrics.COST_VERDICT, who, verdict),
            (recorded_metrics.BASELINE_ENOUGH, {"tier": tier}, 1),
            (recorded_metrics.BASELINE_SHARE, who | slow, 0.03),
            (recorded_metrics.DECISION_SCORE, who | slow, 1.2 if verdict == recorded_metrics.ROLL_BACK else 0.1),
            (recorded_metrics.DECISION_COMPARISON, who, Comparison.ALONE),
            (recorded_metrics.LOOP_LATE, {}, 0),
            (recorded_metrics.TOOL_OUT, {}, 0),
            (recorded_metrics.LIMIT, slow, 0.05),
            (recorded_metrics.DECISION_SHARE, who | slow, share),
            (recorded_metrics.DECISION_LOWER, who | slow, round(share - 0.01, 2)),
            (recorded_metrics.DECISION_LOWER, who | slow | {"policy": "sonnet_first"}, 0.01),
            (recorded_metrics.DECISION_TURNS, who | {"window": "1h"}, 240),
            (recorded_metrics.DECISION_SESSIONS, who | {"window": "1h"}, 31),
            (recorded_metrics.COST_SESSION, who, 0.21),
            (recorded_metrics.COST_LIMIT, {"tier": tier}, 0.1),
            (recorded_metrics.COST_BEFORE, who, 0.02),
            (recorded_metrics.POLICY_OUTAGE, {"policy": policy, "service": "tts", "provider": "elevenlabs"}, 0),
        ]


@contextlib.contextmanager
def stand_in() -> Generator[StandIn]:
    """Runs on a free port: `/api/v1/query` is Prometheus, every other path the chat."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            result: Any = []
            if self.path == "/api/v1/query":
                result = found.answer(parse_qs(body.decode())["query"][0])
            else:
                found.said.append(json.loads(body))
                found.told.set()
            answer = b"<html>" if found.broken else json.dumps({"data": {"result": result}}).encode()
            self.send_response(found.status)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = StandIn(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
