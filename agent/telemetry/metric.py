"""What a metric is, how one is declared, and the edges of the buckets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

PREFIX: Final = "voice_agent_"

Kind = Literal["counter", "gauge", "histogram"]

# An edge on each default budget: 0.1 network, 0.4 llm and tts, 0.6 stt, 1.5 voice-to-voice.
TURN_BUCKETS: Final = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
STAGE_BUCKETS: Final = (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5, 2.5, 5.0)
CALL_BUCKETS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.5, 2.5, 5.0)
BARGE_IN_BUCKETS: Final = (0.02, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
SESSION_BUCKETS: Final = (10.0, 30.0, 60.0, 300.0, 600.0)
SKEW_BUCKETS: Final = (0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.4, 0.8)
# An edge on each default budget and alert threshold of a session: 0.015, 0.10 and 0.20 dollars.
COST_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
CONFIDENCE_BUCKETS: Final = (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1.0)
COMMIT_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `name` is the name that Prometheus shows, without histogram suffixes."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


def counter(name: str, text: str, *labels: str) -> Metric:
    """A number that only grows; `name` ends in `_total`."""
    return Metric(f"{PREFIX}{name}", "counter", text, labels)


def gauge(name: str, text: str, *labels: str) -> Metric:
    """A number that is now."""
    return Metric(f"{PREFIX}{name}", "gauge", text, labels)


def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    """How often a value was how large."""
    return Metric(f"{PREFIX}{name}", "histogram", text, labels, buckets)
