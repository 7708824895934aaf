"""PromQL that can only name what the catalog or a recording rule declares.

A metric, a part of a histogram or a label that does not exist raises `UnknownLabelError` or `UnknownPartError` when the
boards and rules are generated, so none of them can drift from the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from agent.telemetry.catalog import Metric

Part = Literal["", "sum", "count", "bucket"]
Operator = Literal["=", "!=", "=~", "!~"]
Aggregation = Literal["sum", "max", "min", "count"]


class UnknownLabelError(ValueError):
    """A query names a label that the metric does not have."""


class UnknownPartError(ValueError):
    """A query names a part of a histogram on something else, or a histogram without its part."""


@dataclass(frozen=True, slots=True)
class Match:
    """One label matcher."""

    label: str
    operator: Operator
    value: str

    def __str__(self) -> str:
        return f'{self.label}{self.operator}"{self.value}"'


def equal(label: str, value: str) -> Match:
    return Match(label, "=", value)


def unequal(label: str, value: str) -> Match:
    return Match(label, "!=", value)


def like(label: str, *values: str) -> Match:
    """Any of the values, each a regular expression."""
    return Match(label, "=~", "|".join(values))


def unlike(label: str, *values: str) -> Match:
    return Match(label, "!~", "|".join(values))


def select(metric: Metric, where: Iterable[Match] = (), part: Part = "") -> str:
    """The selector of a metric's series. Raises UnknownLabelError, UnknownPartError."""
    if (part == "") == (metric.kind == "histogram"):
        raise UnknownPartError(f"{metric.name} is a {metric.kind}: it has no part {part!r}")
    matches = tuple(where)
    _check(metric, (match.label for match in matches), part)
    name = f"{metric.name}_{part}" if part else metric.name
    return f"{name}{{{', '.join(str(match) for match in matches)}}}" if matches else name


def total(
    metric: Metric,
    window: str,
    by: Sequence[str] = (),
    where: Iterable[Match] = (),
    part: Part = "",
    ago: str | None = None,
) -> str:
    """How much a counter grew in a window (that ended so long ago), summed over the processes."""
    _check(metric, by, part)
    offset = "" if ago is None else f" offset {ago}"
    return f"sum{_by(by)} (increase({select(metric, where, part)}[{window}]{offset}))"


def grown(metric: Metric, window: str, by: Sequence[str], where: Iterable[Match] = ()) -> str:
    """How much a counter grew in a window, where it grew. A new series counts from 0, not from its first value."""
    _check(metric, by, "")
    series = select(metric, where)
    new = f"({series} unless {series} offset {window})"
    return f"sum{_by(by)} ({new} or increase({series}[{window}])) > 0"


def value(metric: Metric, by: Sequence[str] = (), where: Iterable[Match] = (), how: Aggregation = "max") -> str:
    """The value of a gauge now, over the processes."""
    _check(metric, by, "")
    return f"{how}{_by(by)} ({select(metric, where)})"


def quantile(share: float, metric: Metric, window: str, by: Sequence[str] = (), where: Iterable[Match] = ()) -> str:
    """A quantile of a histogram's values in a window, interpolated within a bucket."""
    _check(metric, by, "bucket")
    rates = f"sum by ({', '.join(('le', *by))}) (rate({select(metric, where, 'bucket')}[{window}]))"
    return f"histogram_quantile({share:g}, {rates})"


def average(
    metric: Metric, window: str, by: Sequence[str] = (), where: Iterable[Match] = (), ago: str | None = None
) -> str:
    """The mean of a histogram's values in a window; nothing where there were none."""
    matches = tuple(where)
    whole = total(metric, window, by, matches, "count", ago)
    return share(total(metric, window, by, matches, "sum", ago), whole)


def share(part: str, whole: str, on: Sequence[str] | None = None) -> str:
    """part / whole; nothing where the whole is 0. With `on` the whole has fewer labels than the part."""
    matching = "" if on is None else f"on ({', '.join(on)}) group_left () "
    return f"{part} / {matching}({whole} > 0)"


def _check(metric: Metric, labels: Iterable[str], part: Part) -> None:
    known = {*metric.labels, *(("le",) if part == "bucket" else ())}
    for label in labels:
        if label not in known:
            raise UnknownLabelError(
                f"{metric.name} has no label {label!r}: it has {', '.join(sorted(known)) or 'none'}"
            )


def _by(labels: Sequence[str]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
