"""The rows of the UX board about providers and about the service's own processes."""

from __future__ import annotations

from agent.telemetry import catalog
from alerts.promql import like, quantile, share, total, unlike, value
from dashboards.model import TIER, WINDOW, BoardRow
from dashboards.palette import NO_CALLS, NO_PROCESS
from dashboards.panels import Panel, PanelSpec, PanelStyle, Query, graph, states, words


def providers() -> BoardRow:
    """Is it a provider?"""
    return BoardRow(
        "Is it a provider? (all tiers and policies)", (_provider_latency(), _provider_errors(), _breakers())
    )


def process() -> BoardRow:
    """Is it the service itself?"""
    return BoardRow("Is it the service itself? (all tiers and policies)", (_lag(), _refused(), _skew(), _lost_rows()))


def _provider_latency() -> Panel:
    panel = PanelSpec(
        40,
        "First useful output, p95",
        "Request to first useful output, by provider and model. The line that rose with the stage above is the cause:"
        " roll back to a policy that does not need it, or let the chain move on.",
        NO_CALLS,
        12,
        8,
    )
    p95 = quantile(0.95, catalog.API_LATENCY, WINDOW, ("provider", "model"))
    return graph(panel, PanelStyle("s"), Query(f"{p95} > 0", "{{provider}} {{model}}"))


def _provider_errors() -> Panel:
    panel = PanelSpec(
        41,
        "Failed calls",
        "Share of each provider's calls that failed, by reason; cancelled calls are not failures. misconfigured: key,"
        " wallet, model or voice, see `voice-agent check`. bad_request: our request is wrong. declined: the model would"
        " not answer. Everything else is theirs: see their status page.",
        "No provider call has failed in this range.",
        12,
        8,
    )
    failed = total(catalog.API_CALLS, WINDOW, ("provider", "outcome"), [unlike("outcome", "ok", "cancelled")])
    ratio = share(failed, total(catalog.API_CALLS, WINDOW, ("provider",)), on=("provider",))
    return graph(panel, PanelStyle("percentunit"), Query(f"{ratio} > 0", "{{provider}} {{outcome}}"))


def _breakers() -> Panel:
    panel = PanelSpec(
        42,
        "Breakers",
        "Green: callers are sent there. Yellow: only probes are. Red: nobody is, the chain goes on to the next; it"
        " closes by itself when probes succeed. Red for long: see the provider's status page.",
        NO_PROCESS,
        24,
        7,
    )
    shown = {0: ("closed", "green"), 1: ("half open", "yellow"), 2: ("open", "red")}
    look = PanelStyle("none", None, None, mappings=words(shown), steps=((None, "green"),))
    worst = value(catalog.BREAKER_STATE, ("provider", "model"))
    return states(panel, look, Query(worst, "{{provider}} {{model}}"))


def _lag() -> Panel:
    panel = PanelSpec(
        50,
        "Event-loop lag",
        "Longest delay of a process in the last second, worst process. Dashed: 50 ms, where callers begin to hear it."
        " Above: start another replica; the service refuses free callers by itself when it stays high.",
        NO_PROCESS,
        6,
        7,
    )
    look = PanelStyle("s", steps=((None, "transparent"), (0.05, "red")), line=True)
    return graph(panel, look, Query(value(catalog.LOOP_LAG), "worst process"))


def _refused() -> Panel:
    panel = PanelSpec(
        51,
        "Sessions refused",
        "Sessions that were not opened, by reason. full or overloaded: start another replica. credential: a wrong key"
        " or token; many of them are an attack or an expired secret.",
        "No session was refused in this range.",
        6,
        7,
    )
    refused = total(catalog.SESSIONS_REFUSED, WINDOW, ("reason",), [like("tier", "$tier", "unknown")])
    return graph(panel, PanelStyle("none", 0, stacked=True), Query(f"{refused} > 0", "{{reason}}"))


def _skew() -> Panel:
    panel = PanelSpec(
        52,
        "Skew to clients",
        "How far our voice-to-voice is from what the client measured, p95. Above 0.1 s the figures of this board are"
        " wrong by as much: look at clients behind slow networks first.",
        "No client has reported when a reply became audible.",
        6,
        7,
    )
    p95 = quantile(0.95, catalog.PLAYBACK_SKEW, WINDOW, ("tier",), TIER)
    return graph(panel, PanelStyle("s"), Query(p95, "{{tier}}"))


def _lost_rows() -> Panel:
    panel = PanelSpec(
        53,
        "Lost by full queues",
        "Rows of the ledger, and what other bounded queues had to drop: audio, spans, error reports. Above 0: whoever"
        " reads that queue (the database, a provider, the trace collector, Sentry) is slow or gone; calls go on.",
        NO_PROCESS,
        6,
        7,
    )
    rows = Query(total(catalog.LEDGER_DROPPED, WINDOW), "ledger rows")
    return graph(panel, PanelStyle("none", 0), rows, Query(total(catalog.QUEUE_DROPS, WINDOW, ("queue",)), "{{queue}}"))
