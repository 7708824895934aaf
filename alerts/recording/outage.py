"""Recording rules on providers: how often chains move on, and outages. An outage is a provider of which no model works.

A model is down while most of its calls of the last 5 minutes failed (at least 5 of them), or while the breakers in
front of it are not closed: then few calls are made at all. It is up while its breakers are closed and most of its calls
succeed, however few. A provider is out when a model is down and none is up: a failing Haiku beside a healthy Sonnet is
no outage, and a rollback mends it. Success without audio or text is a failure here, as everywhere in the service.
Cancelled calls say nothing. A request that the provider calls wrong is our fault and no outage.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent.telemetry import catalog
from agent.telemetry.recorded_metrics import LOOP_LATE, POLICY_OUTAGE, PROVIDER_OUTAGE, recorded
from alerts.promql import select, total, unequal, unlike
from alerts.recording.model import LATE_S, RecordingRule, scaled

MIN_CALLS: Final = 5
FAILING_SHARE: Final = 0.5
WINDOW: Final = "5m"

_MODEL: Final = ("service", "provider", "model")
_FROM: Final = ("service", "from_provider")
CALLS = recorded("provider_calls:increase", "Calls that ended, without cancelled ones, in 5 minutes.", *_MODEL)
FAILED = recorded("provider_calls:failed", "Those of them that failed.", *_MODEL)
NOT_CLOSED = recorded("provider_breakers:not_closed", "Share of the processes whose breaker is not closed.", *_MODEL)
DOWN = recorded(
    "provider_model:down", "1 where a model does not work, 0 where it does; nothing where nobody knows.", *_MODEL
)
FALLBACK_SHARE = recorded("fallbacks:share", "Moves on from a provider, of all turns of an hour.", *_FROM)
FALLBACK_SAMPLE = recorded("fallbacks:sample", "The turns of an hour.", *_FROM)
LINGERS: Final = "10m"
"""How long an outage holds rollbacks after it: calls that suffered from it still end."""


def outages(faster: float) -> Iterator[RecordingRule]:
    """Which models and providers work."""
    length = scaled(WINDOW, faster)
    yield RecordingRule(CALLS, total(catalog.API_CALLS, length, _MODEL, [unequal("outcome", "cancelled")]))
    failures = [unlike("outcome", "ok", "cancelled", "bad_request")]
    yield RecordingRule(FAILED, total(catalog.API_CALLS, length, _MODEL, failures))
    open_ = f"avg by (provider, model) ({select(catalog.BREAKER_STATE)} > bool 0)"
    breakers = f"{select(CALLS)} * 0 + on (provider, model) group_left () {open_}"
    yield RecordingRule(NOT_CLOSED, f"{breakers} or 0 * {select(CALLS)}")
    failing = f"({select(FAILED)} > {FAILING_SHARE:g} * {select(CALLS)} and {select(CALLS)} >= {MIN_CALLS})"
    behind = f"{select(NOT_CLOSED)} > {FAILING_SHARE:g}"
    working = f"({select(FAILED)} <= {FAILING_SHARE:g} * {select(CALLS)} and {select(CALLS)} > 0)"
    yield RecordingRule(DOWN, f"1 + 0 * ({behind}) or 1 + 0 * {failing} or 0 * {working}")
    provider = "(service, provider)"
    known = f"min by {provider} ({select(DOWN)})"
    silent = f"0 * max by {provider} ({select(CALLS)})"
    yield RecordingRule(PROVIDER_OUTAGE, f"{known} or {silent}")
    hour = scaled("1h", faster)
    moved = total(catalog.FALLBACKS, hour, _FROM, [unequal("reason", "recovered")])
    turns = f"on () group_left () ({total(catalog.TURNS, hour)} > 0)"
    yield RecordingRule(FALLBACK_SHARE, f"clamp_max({moved} / {turns}, 1)")
    yield RecordingRule(FALLBACK_SAMPLE, f"0 * {moved} + {turns}")
    first = f"max by (policy, service, provider) ({select(catalog.POLICY_PROVIDER)})"
    out = f"max by (service, provider) (max_over_time({select(PROVIDER_OUTAGE)}[{scaled(LINGERS, faster)}]))"
    yield RecordingRule(POLICY_OUTAGE, f"{first} * on (service, provider) group_left () {out}")
    lag = f"avg_over_time({select(catalog.LOOP_LAG)}[{length}])"
    yield RecordingRule(LOOP_LATE, f"max({lag}) > bool {LATE_S:g}")
