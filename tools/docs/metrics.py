"""`docs/reference/metrics.md`, from the catalog and from what the recording rules record."""

from __future__ import annotations

from agent.telemetry.catalog import Metric, all_metrics
from alerts.recording.groups import recorded_metrics
from tools.docs.markdown import entry, page, section, sentence


def reference() -> str:
    """The page."""
    intro = (
        "Units are in the names: seconds, dollars, ratios. No label holds an id, a text or an address: its values are"
        " a few words that are known when the process starts."
    )
    measured = section("Measured by the service", map(_entry, all_metrics()))
    recorded = section("Recorded by Prometheus' rules", map(_entry, recorded_metrics()))
    return page("Metrics", intro, measured, recorded)


def _entry(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    edges = ", ".join(f"{edge:g}" for edge in metric.buckets)
    return entry(
        metric.name,
        f"({metric.kind}).",
        sentence(metric.help),
        f"Labels: {labels}." if labels else "",
        f"Buckets: {edges}." if edges else "",
    )
