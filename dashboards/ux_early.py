"""The row of the UX board about what is done to answer sooner: what it wins, and how often it was in vain. What it
costs stands on the cost board.
"""

from __future__ import annotations

from agent.telemetry import catalog
from alerts.promql import quantile, share, total, value
from dashboards.model import WHO, WINDOW, BoardRow
from dashboards.palette import NO_TURNS
from dashboards.panels import Panel, PanelSpec, PanelStyle, Query, graph, states, words

NONE_MADE = "No reply was begun early in this range: no policy in force has `early_replies`."
NONE_SWITCHED = "No policy in force has a knob with a governor, or none was switched off since the processes started."


def early() -> BoardRow:
    """What do early replies and second calls win?"""
    return BoardRow(
        "What do early replies and second calls win?",
        (
            *(_lead(), _outcomes(), _late(), _talked_over(), _switched_off(), _switches()),
            *(_first_clause(), _cuts(), _voices()),
        ),
    )


def _lead() -> Panel:
    panel = PanelSpec(
        65,
        "Begun before the end of the turn, by",
        "Of the replies that were taken: how long before the end of its turn the model was asked. This much of the"
        " model's time nobody waited for. Falling to nothing: the threshold of the policy is too high to be early.",
        NONE_MADE,
        12,
        8,
    )
    parts = {"p50": 0.5, "p95": 0.95}
    queries = (Query(quantile(at, catalog.EARLY_LEAD, WINDOW, (), WHO), name) for name, at in parts.items())
    return graph(panel, PanelStyle("s", colours={"p50": "green", "p95": "orange"}), *queries)


def _outcomes() -> Panel:
    panel = PanelSpec(
        66,
        "What became of early replies",
        "Shares of all that were begun. Resumed: the caller went on. Changed: the turn ended with other words. Most of"
        " them in vain: raise the threshold of the policy, since each is a call of the model.",
        NONE_MADE,
        12,
        8,
    )
    of = total(catalog.EARLY_REPLIES, WINDOW, (), WHO)
    each = total(catalog.EARLY_REPLIES, WINDOW, ("outcome",), WHO)
    colours = {"taken": "green", "resumed": "yellow", "changed": "orange", "failed": "red", "dropped": "blue"}
    return graph(
        panel, PanelStyle("percentunit", 0, None, 1, colours=colours), Query(share(each, of, ()), "{{outcome}}")
    )


def _late() -> Panel:
    panel = PanelSpec(
        68,
        "What became of late calls",
        "Calls of the model and the voice that took longer than most before them, where a policy has `hedging`. Won:"
        " the second call was heard. Lost: the first one answered after all; many of them say that the quantile is too"
        " low. Over budget: more are late than second calls are allowed, so the provider is slower than it was. Unwell:"
        " its breaker or a rate limit forbids it.",
        "No call was late in this range, or no policy in force has `hedging`.",
        12,
        8,
    )
    each = total(catalog.HEDGES, WINDOW, ("service", "outcome"), WHO)
    return graph(panel, PanelStyle("none", 0, stacked=True), Query(each, "{{service}}: {{outcome}}"))


def _talked_over() -> Panel:
    panel = PanelSpec(
        70,
        "Turns that ended too early",
        "Share of the turns that were owed a reply in which the caller spoke on within 0.3 s of its first sound: the"
        " end of the turn was a mistake, and a false one is worse than a slow one. Higher for a policy than for the"
        " others: raise its `flux_threshold_percent` or `nova_silence_ms`.",
        NO_TURNS,
        12,
        8,
    )
    expr = share(
        total(catalog.TALKED_OVER, WINDOW, ("policy",), WHO), total(catalog.TURNS_OWED, WINDOW, ("policy",), WHO)
    )
    return graph(panel, PanelStyle("percentunit", 1, 0), Query(expr, "{{policy}}"))


def _switched_off() -> Panel:
    panel = PanelSpec(
        71,
        "Knobs switched off by their governor",
        "Red: guesses or second calls of this policy were in vain more often than it allows, or cost more than it"
        " allows in an hour, so no new ones are made for 15 minutes. Then it is tried again. Again and again: give the"
        " policy a higher threshold or quantile, or take the knob out of it.",
        NONE_SWITCHED,
        12,
        6,
    )
    shown = {0: ("on", "green"), 1: ("off", "red")}
    look = PanelStyle("none", None, None, mappings=words(shown), steps=((None, "green"),))
    return states(panel, look, Query(value(catalog.KNOB_OFF, ("policy", "knob")), "{{policy}} {{knob}}"))


def _switches() -> Panel:
    panel = PanelSpec(
        72,
        "How often a governor switched",
        "`share`: too many were in vain. `dollars`: they cost more than an hour may. `cooled_down`: tried again. The"
        " first two over and over: see the panel beside.",
        NONE_SWITCHED,
        12,
        6,
    )
    each = total(catalog.KNOB_SWITCHES, WINDOW, ("policy", "knob", "reason"))
    return graph(panel, PanelStyle("none", 0, stacked=True), Query(each, "{{policy}} {{knob}}: {{reason}}"))


def _first_clause() -> Panel:
    panel = PanelSpec(
        90,
        "From the model's first text to its first clause",
        "What is lost before anything can be spoken. Long: first sentences are long and have no pause; ask for short"
        " ones in the agent's prompt, or give the policy `first_words`.",
        NO_TURNS,
        12,
        8,
    )
    parts = {"p50": 0.5, "p95": 0.95}
    queries = (Query(quantile(at, catalog.FIRST_CLAUSE, WINDOW, (), WHO), name) for name, at in parts.items())
    return graph(panel, PanelStyle("s", colours={"p50": "green", "p95": "orange"}), *queries)


def _cuts() -> Panel:
    panel = PanelSpec(
        91,
        "What first clauses end with",
        "Shares of all replies. Opening: it was recorded already and cost no time. Phrase: cut without a pause, which"
        " one may hear. Both only where a policy has `first_words`.",
        NO_TURNS,
        12,
        8,
    )
    of = total(catalog.FIRST_CLAUSES, WINDOW, (), WHO)
    each = total(catalog.FIRST_CLAUSES, WINDOW, ("cut",), WHO)
    return graph(panel, PanelStyle("percentunit", 0, 0, 1, stacked=True), Query(share(each, of, ()), "{{cut}}"))


def _voices() -> Panel:
    panel = PanelSpec(
        92,
        "What became of first clauses that were spoken early",
        "Shares of all. Dropped: the caller went on. Changed: the reply began otherwise. Speech is the dearest part of"
        " a call: many in vain, raise `confidence_percent` of the policy's `early_voice`.",
        "No clause was spoken early in this range: no policy in force has `early_voice`.",
        24,
        8,
    )
    of = total(catalog.EARLY_VOICES, WINDOW, (), WHO)
    each = total(catalog.EARLY_VOICES, WINDOW, ("outcome",), WHO)
    return graph(panel, PanelStyle("percentunit", 0, 0, 1, stacked=True), Query(share(each, of, ()), "{{outcome}}"))
