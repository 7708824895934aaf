"""Holds the metrics of the catalog in a registry of their own and serves them as text or OpenMetrics.

Children are created at start for every combination that can occur, so that rates exist before the first event, and are
cached: looking one up with `.labels()` costs 3–4 µs each time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from agent.telemetry import catalog
from agent.telemetry.catalog import Metric

MAX_SERIES = 3_000  # a process; tested under load


class Metrics:
    """All metrics of one process. `add`, `set` and `observe` take label values in the catalog's order."""

    def __init__(self) -> None:
        disable_created_metrics()  # `_created` series would double the count for nothing
        self.registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self._parents: dict[str, Any] = {metric.name: self._build(metric) for metric in catalog.all_metrics()}
        self._children: dict[tuple[str, tuple[str, ...]], Any] = {}

    def _build(self, metric: Metric) -> Counter | Gauge | Histogram:
        if metric.kind == "counter":
            return Counter(metric.name, metric.help, metric.labels, registry=self.registry)
        if metric.kind == "gauge":
            return Gauge(metric.name, metric.help, metric.labels, registry=self.registry)
        return Histogram(metric.name, metric.help, metric.labels, registry=self.registry, buckets=metric.buckets)

    def child(self, metric: Metric, *labels: str) -> Any:
        """The cached child for these label values; creates it at its zero value."""
        key = (metric.name, labels)
        found = self._children.get(key)
        if found is None:
            parent = self._parents[metric.name]
            found = self._children[key] = parent.labels(*labels) if metric.labels else parent
        return found

    def add(self, metric: Metric, *labels: str, amount: float = 1.0) -> None:
        """Adds to a counter or gauge; `amount` may be negative for a gauge."""
        self.child(metric, *labels).inc(amount)

    def set(self, metric: Metric, *labels: str, value: float) -> None:
        """Sets a gauge."""
        self.child(metric, *labels).set(value)

    def forget(self, metric: Metric, *labels: str) -> None:
        """Takes a series away: what it was about is no more."""
        if self._children.pop((metric.name, labels), None) is not None:
            self._parents[metric.name].remove(*labels)

    def follow(self, metric: Metric, *labels: str, ask: Callable[[], float]) -> None:
        """Has a gauge asked for its value at each scrape."""
        self.child(metric, *labels).set_function(ask)

    def observe(self, metric: Metric, *labels: str, value: float, trace_id: str | None = None) -> None:
        """Puts a value into a histogram; with a trace id it becomes the bucket's exemplar."""
        exemplar = {"trace_id": trace_id} if trace_id else None
        self.child(metric, *labels).observe(value, exemplar)

    def render(self, accept: str) -> tuple[bytes, Mapping[str, str]]:
        """The exposition in the format that the `Accept` header asks for; exemplars exist in OpenMetrics only."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), {"content-type": content_type}
