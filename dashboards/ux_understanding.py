"""The row of the UX board about understanding: what callers ask again, what nobody understood, and sounds."""

from __future__ import annotations

from agent.telemetry import catalog
from alerts.promql import equal, quantile, share, total
from dashboards.links import with_outcome
from dashboards.model import TIER, WHO, WINDOW, BoardRow
from dashboards.palette import NO_SESSIONS, NO_TURNS
from dashboards.panels import Panel, PanelSpec, PanelStyle, Query, graph


def understanding() -> BoardRow:
    """Do callers and the service understand each other?"""
    panels = (_asked_again(), _confidence(), _turns_a_call(), _overlaps(), _listening(), _notes())
    return BoardRow("Do we understand each other?", panels)


def _asked_again() -> Panel:
    panel = PanelSpec(
        31,
        "Asked again, and not understood",
        "Shares of owed turns: the caller asked to hear it again; we asked, with an apology; and voices in which no"
        " recogniser found a word (for all tiers and policies). Callers ask more: see the voice and its gaps. No words"
        " rising: the recogniser, or clients with bad microphones.",
        NO_TURNS,
        8,
        8,
        traces=with_outcome("turn", "apology"),
    )
    owed = total(catalog.TURNS_OWED, WINDOW, (), WHO)
    sorry = total(catalog.TURNS, WINDOW, (), (*WHO, equal("outcome", "apology")))
    wordless = total(catalog.LISTENING_NOTES, WINDOW, (), [equal("note", "no_words")])
    colours = {"callers ask again": "blue", "we ask again": "orange", "voices without words": "purple"}
    return graph(
        panel,
        PanelStyle("percentunit", colours=colours),
        Query(share(total(catalog.REASKED, WINDOW, (), WHO), owed), "callers ask again"),
        Query(share(sorry, owed), "we ask again"),
        Query(share(wordless, total(catalog.TURNS_OWED, WINDOW)), "voices without words"),
    )


def _confidence() -> Panel:
    panel = PanelSpec(
        32,
        "How sure the recogniser is",
        "Its own estimate for the words of a turn, by provider: the median, and the least sure tenth of the turns, for"
        " all tiers. The tenth falls: noise, accents or a new client; read such calls. All of it falls: the"
        " recogniser changed.",
        "No recogniser said in this range how sure it is.",
        8,
        8,
    )
    parts = {"median": 0.5, "least sure tenth": 0.1}
    look = PanelStyle("percentunit", 0, None, 1)
    queries = (
        Query(quantile(part, catalog.STT_CONFIDENCE, WINDOW, ("provider",)), f"{{{{provider}}}}: {name}")
        for name, part in parts.items()
    )
    return graph(panel, look, *queries)


def _turns_a_call() -> Panel:
    panel = PanelSpec(
        33,
        "Turns per call",
        "Turns that ended for each call that ended, by policy. Fewer than usual: callers give up early; see how"
        " sessions end. More: they need more turns for the same thing; see what is asked again.",
        NO_SESSIONS,
        8,
        8,
    )
    turns, calls = (total(metric, WINDOW, ("policy",), WHO) for metric in (catalog.TURNS, catalog.SESSIONS))
    return graph(panel, PanelStyle("none", 1), Query(share(turns, calls), "{{policy}}"))


def _overlaps() -> Panel:
    panel = PanelSpec(
        28,
        "Sounds over a reply",
        "Counts, by what they were: interruption, backchannel (“mhm”), echo of the loudspeaker, noise. Echo rising:"
        " callers without echo cancellation; see which clients they have. Noise rising: look at barge-in as well.",
        "Nothing was heard over a reply in this range.",
        8,
        8,
    )
    heard = total(catalog.OVERLAPS, WINDOW, ("kind",), TIER)
    return graph(panel, PanelStyle("none", 0, stacked=True), Query(heard, "{{kind}}"))


def _listening() -> Panel:
    panel = PanelSpec(
        29,
        "While callers were listened to",
        "Counts, for all tiers (the counter knows none); nothing here is a failure. turn_ended_here, reconnected and"
        " phantom_dropped rising: the recogniser gets worse; see its status page, and the failed calls below."
        " voice_unconfirmed: more calls than voice networks; replies pause for noises, too.",
        "Nothing worth a count happened while callers were listened to.",
        8,
        8,
    )
    noted = total(catalog.LISTENING_NOTES, WINDOW, ("note",))
    return graph(panel, PanelStyle("none", 0, stacked=True), Query(f"{noted} > 0", "{{note}}"))


def _notes() -> Panel:
    panel = PanelSpec(
        30,
        "Facts noted for later",
        "Facts that the small model wrote down, for all tiers (the counter knows none). What is not kept was dropped by"
        " a check, for the reason named. More dropped than kept: the model or its prompt changed.",
        "No fact was noted in this range.",
        8,
        8,
    )
    noted = total(catalog.NOTED_FACTS, WINDOW, ("outcome",))
    look = PanelStyle("none", 0, stacked=True, colours={"kept": "green"})
    return graph(panel, look, Query(f"{noted} > 0", "{{outcome}}"))
