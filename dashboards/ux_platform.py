"""The rows of the UX board about providers and about the service's own processes."""

from __future__ import annotations

from agent.telemetry import catalog
from alerts.promql import like, quantile, share, total, unlike, value
from dashboards.model import TIER, WINDOW, BoardRow
from dashboards.palette import NO_CALLS, NO_PROCESS
from dashboards.panels import Column, Panel, PanelSpec, PanelStyle, Query, graph, on_the_right, rows, states, words


def providers() -> BoardRow:
    """Is it a provider?"""
    return BoardRow(
        "Is it a provider? (all tiers and policies)",
        (_provider_latency(), _provider_errors(), _breakers(), _misconfigured(), _ends(), _stops()),
    )


def process() -> BoardRow:
    """Is it the service itself?"""
    panels = (_lag(), _refused(), _skew(), _lost_rows(), _connections(), _turned_away(), _too_fast())
    return BoardRow("Is it the service itself? (all tiers and policies)", panels)


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


def _misconfigured() -> Panel:
    panel = PanelSpec(
        43,
        "Refused until somebody acts",
        "What a provider refuses for a reason that does not pass by itself: key, wallet, model or voice. Red: run"
        " `voice-agent check`, which prints the provider's own words, and mend it there.",
        "No provider refuses anything for good.",
        8,
        7,
    )
    look = PanelStyle(
        "none", None, None, mappings=words({0: ("fine", "green"), 1: ("refused", "red")}), steps=((None, "green"),)
    )
    return states(panel, look, Query(value(catalog.MISCONFIGURED, ("provider", "model")), "{{provider}} {{model}}"))


def _ends() -> Panel:
    panel = PanelSpec(
        44,
        "Models that end",
        "Time until a provider switches a configured model off, by the price book. Red: less than 60 days; choose"
        " another model, and try it with `voice-agent check`.",
        "The price book knows no end of a configured model.",
        8,
        7,
    )
    left = f"{value(catalog.MODEL_END, ('provider', 'model'))} - time()"
    look = PanelStyle("s", 0, steps=((None, "red"), (60 * 86_400, "green")))
    return rows(panel, {"provider": "Provider", "model": "Model"}, Column("Ends in", left, look, 100))


def _stops() -> Panel:
    panel = PanelSpec(
        45,
        "Replies that models did not end",
        "Share of each model's replies that stopped for another reason than their end. max_tokens: replies are cut"
        " short, so ask for shorter ones. refusal: the model would not answer; look at what callers ask.",
        "Every reply in this range was ended by its model.",
        8,
        7,
    )
    other = total(catalog.STOPPED, WINDOW, ("model", "reason"), [unlike("reason", "end_turn", "stop_sequence")])
    ratio = share(other, total(catalog.STOPPED, WINDOW, ("model",)), on=("model",))
    return graph(panel, PanelStyle("percentunit"), Query(ratio, "{{model}} {{reason}}"))


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
    return graph(panel, PanelStyle("none", 0, stacked=True), Query(refused, "{{reason}}"))


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


def _connections() -> Panel:
    panel = PanelSpec(
        54,
        "Connections",
        "Open connections of the public listener, over all processes, and the share of its descriptors that the worst"
        " process uses. Descriptors above 80 %: raise the limit of open files, or start another replica.",
        NO_PROCESS,
        8,
        7,
    )
    built = graph(
        panel,
        PanelStyle("none", 0, colours={"connections": "blue", "descriptors": "orange"}),
        Query(value(catalog.CONNECTIONS, how="sum"), "connections"),
        Query(value(catalog.DESCRIPTORS_USED), "descriptors"),
    )
    return on_the_right(built, "descriptors", "percentunit")


def _turned_away() -> Panel:
    panel = PanelSpec(
        55,
        "Connections refused and cut",
        "Refused at the accept, by what was full; cut for what they did or did not send. address: one host opens very"
        " many, so block it in front. request_timeout, handshake, frames: strangers who probe; nothing to do.",
        "No connection was refused or cut in this range.",
        8,
        7,
    )
    refused, cut = (total(one, WINDOW, ("reason",)) for one in (catalog.CONNECTIONS_REFUSED, catalog.CONNECTIONS_CUT))
    queries = (Query(f"{refused} > 0", "refused: {{reason}}"), Query(cut, "cut: {{reason}}"))
    return graph(panel, PanelStyle("none", 0, stacked=True), *queries)


def _too_fast() -> Panel:
    panel = PanelSpec(
        56,
        "Sent too fast",
        "What clients sent faster than it is taken, by kind; it was dropped. A little: a client that catches up after a"
        " pause. For long: a client that is broken or attacks; see the closes with 4420 in the log.",
        "No client sent faster than it is taken.",
        8,
        7,
    )
    dropped = total(catalog.INPUT_DROPPED, WINDOW, ("kind",))
    return graph(panel, PanelStyle("none", 0, stacked=True), Query(dropped, "{{kind}}"))
