"""The rows of the UX board about providers and about the service's own processes."""

from __future__ import annotations

from typing import Final

from agent.telemetry import catalog
from alerts.promql import like, quantile, select, share, total, unlike, value
from dashboards.links import FAILED_CALL, SLOW
from dashboards.model import INSTANCE, PROCESS_CPU, PROCESS_MEMORY, TIER, WINDOW, BoardRow, by_process
from dashboards.palette import NO_CALLS, NO_PROCESS
from dashboards.panels import Column, Panel, PanelSpec, PanelStyle, Query, graph, rows, states, words

PROCESS: Final = "{{instance}}"


def providers() -> BoardRow:
    """Is it a provider?"""
    return BoardRow(
        "Is it a provider? (all tiers and policies)",
        (_provider_latency(), _provider_errors(), _breakers(), _misconfigured(), _ends(), _stops(), _left()),
    )


def process() -> BoardRow:
    """Is it the service itself?"""
    resources = (_lag(), _cpu(), _memory(), _descriptors())
    doors = (_refused(), _connections(), _turned_away(), _too_fast(), _skew(), _lost_rows(), _told(), _broken_work())
    panels = (*resources, *doors)
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
        traces=SLOW,
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
        traces=FAILED_CALL,
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
    return graph(panel, PanelStyle("percentunit"), Query(f"{ratio} > 0", "{{model}} {{reason}}"))


def _left() -> Panel:
    panel = PanelSpec(
        46,
        "Places and rate limits left",
        "The share that is free: of the places that a process has at each provider (worst process), and of the"
        " provider's own limits, as its latest answer said. Near 0: callers wait or get the next provider; raise the"
        " places, or ask the provider for a higher limit.",
        NO_PROCESS,
        24,
        7,
    )
    look = PanelStyle("percentunit", 0, 0, 1, steps=((None, "transparent"), (0.2, "red")), line=True)
    limits = value(catalog.RATE_LIMIT_LEFT, ("provider", "model", "limit"), how="min")
    return graph(
        panel,
        look,
        Query(value(catalog.PLACES_LEFT, ("provider",), how="min"), "{{provider}}: places"),
        Query(limits, "{{provider}} {{model}}: {{limit}}"),
    )


def _lag() -> Panel:
    panel = PanelSpec(
        50,
        "Event-loop lag, by process",
        "Longest delay of each process in the last second. Dashed: 50 ms, where callers begin to hear it. One process"
        " above: restart it. All: start another replica; free callers are refused while it is high.",
        NO_PROCESS,
        6,
        7,
    )
    look = PanelStyle("s", steps=((None, "transparent"), (0.05, "red")), line=True)
    return graph(panel, look, Query(value(by_process(catalog.LOOP_LAG), INSTANCE), PROCESS))


def _cpu() -> Panel:
    panel = PanelSpec(
        57,
        "CPU, by process",
        "Share of one core; a process cannot use more than one. Dashed: 80 %, from where the event loop is late now"
        " and then. Above for long: start another replica.",
        NO_PROCESS,
        6,
        7,
    )
    look = PanelStyle("percentunit", steps=((None, "transparent"), (0.8, "red")), line=True)
    used = f"sum by (instance) (rate({select(PROCESS_CPU)}[$__rate_interval]))"
    return graph(panel, look, Query(_ours(used), PROCESS))


def _memory() -> Panel:
    panel = PanelSpec(
        58,
        "Memory, by process",
        "Resident memory. It grows with live sessions and comes back with them. Growing by the day while calls do not:"
        " a leak; restart the process one by one, it drains by itself, and report it.",
        NO_PROCESS,
        6,
        7,
    )
    return graph(panel, PanelStyle("bytes"), Query(_ours(value(PROCESS_MEMORY, INSTANCE)), PROCESS))


def _descriptors() -> Panel:
    panel = PanelSpec(
        59,
        "Descriptors, by process",
        "Share of the open files and sockets that a process may have. Dashed: 80 %. Above: raise the limit of open"
        " files, or start another replica; new connections are refused before files cannot be opened.",
        NO_PROCESS,
        6,
        7,
    )
    look = PanelStyle("percentunit", steps=((None, "transparent"), (0.8, "red")), line=True)
    return graph(panel, look, Query(value(by_process(catalog.DESCRIPTORS_USED), INSTANCE), PROCESS))


def _ours(expr: str) -> str:
    """Only processes of the service: Prometheus exports the same names for itself."""
    return f"{expr} and on (instance) {value(by_process(catalog.BUILD_INFO), INSTANCE)}"


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
        12,
        7,
    )
    p95 = quantile(0.95, catalog.PLAYBACK_SKEW, WINDOW, ("tier",), TIER)
    return graph(panel, PanelStyle("s"), Query(p95, "{{tier}}"))


def _lost_rows() -> Panel:
    panel = PanelSpec(
        53,
        "Lost by full queues, or refused",
        "Rows of the ledger, and what other bounded queues had to drop: audio, spans, error reports. Above 0: whoever"
        " reads that queue (the database, a provider, the trace collector, Sentry) is slow or gone; calls go on."
        " Fenced: this process wrote for sessions that another one has by now, and nothing of it was stored.",
        NO_PROCESS,
        12,
        7,
    )
    rows = Query(total(catalog.LEDGER_DROPPED, WINDOW), "ledger rows")
    fenced = Query(total(catalog.LEDGER_FENCED, WINDOW), "fenced")
    return graph(
        panel, PanelStyle("none", 0), rows, fenced, Query(total(catalog.QUEUE_DROPS, WINDOW, ("queue",)), "{{queue}}")
    )


def _told() -> Panel:
    panel = PanelSpec(
        94,
        "Finished sessions told to the webhook",
        "Attempts in the range, by how they ended, and how many sessions wait. What waits is tried again for two days;"
        " `gave_up` is told to nobody by itself.",
        NO_PROCESS,
        12,
        7,
    )
    attempts = Query(total(catalog.WEBHOOK_ATTEMPTS, WINDOW, ("result",)), "{{result}}")
    waiting = Query(value(catalog.WEBHOOK_WAITING), "waiting")
    return graph(panel, PanelStyle("none", 0), attempts, waiting)


def _connections() -> Panel:
    panel = PanelSpec(
        54,
        "Connections",
        "Open connections of the public listener, over all processes. Far more than live sessions: somebody holds them"
        " open; see what is refused and cut.",
        NO_PROCESS,
        6,
        7,
    )
    look = PanelStyle("none", 0, colours={"connections": "blue"})
    return graph(panel, look, Query(value(catalog.CONNECTIONS, how="sum"), "connections"))


def _turned_away() -> Panel:
    panel = PanelSpec(
        55,
        "Connections refused and cut",
        "Refused at the accept, by what was full; cut for what they did or did not send. address: one host opens very"
        " many, so block it in front. request_timeout, handshake, frames: strangers who probe; nothing to do.",
        "No connection was refused or cut in this range.",
        6,
        7,
    )
    refused, cut = (total(one, WINDOW, ("reason",)) for one in (catalog.CONNECTIONS_REFUSED, catalog.CONNECTIONS_CUT))
    queries = (Query(f"{refused} > 0", "refused: {{reason}}"), Query(cut, "cut: {{reason}}"))
    return graph(panel, PanelStyle("none", 0, stacked=True), *queries)


def _too_fast() -> Panel:
    panel = PanelSpec(
        56,
        "Sent and not taken",
        "What clients sent faster than it is taken, by kind; it was dropped. A little: a client that catches up after a"
        " pause. For long: a client that is broken or attacks; see the closes with 4420 in the log. text_after_end:"
        " typed as the call ended; many beside drains are callers who are cut off.",
        "Clients sent nothing too fast, and nothing when their call had ended.",
        6,
        7,
    )
    dropped = total(catalog.INPUT_DROPPED, WINDOW, ("kind",))
    return graph(panel, PanelStyle("none", 0, stacked=True), Query(dropped, "{{kind}}"))


def _broken_work() -> Panel:
    panel = PanelSpec(
        93,
        "Work beside calls that broke off",
        "Faults of ours in what goes on beside calls: providers' connections and probes, ceilings, owners, agents. It"
        " is begun again by itself; the log has the error.",
        "Nothing has broken off since the processes started.",
        24,
        5,
    )
    broken = total(catalog.BACKGROUND_FAILURES, WINDOW, ("work",))
    return graph(panel, PanelStyle("none", 0), Query(broken, "{{work}}"))
