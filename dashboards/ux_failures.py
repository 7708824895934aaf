"""The row of the UX board about what goes wrong: budgets, fallbacks, dead air, interruptions, endings."""

from __future__ import annotations

from agent.budgets import load_budgets
from agent.telemetry import catalog
from alerts.promql import equal, like, quantile, share, total, value
from dashboards.links import FELL_BACK, SLOW, with_outcome
from dashboards.model import TIER, WHO, WINDOW, BoardRow
from dashboards.palette import NO_PROCESS, NO_SESSIONS, NO_TURNS, SESSION_OUTCOMES, STAGES, TIERS, TURN_OUTCOMES, VOICES
from dashboards.panels import Panel, PanelSpec, PanelStyle, Query, graph, on_the_right
from dashboards.ux_latency import BUDGETED


def trouble() -> BoardRow:
    """What goes wrong?"""
    return BoardRow(
        "What goes wrong?",
        (
            _over_budget(),
            _fallbacks(),
            _dead_air(),
            _voices(),
            _barge_in(),
            _turn_outcomes(),
            _session_outcomes(),
            _live(),
        ),
    )


def _over_budget() -> Panel:
    panel = PanelSpec(
        20,
        "Turns over budget",
        "Share of owed turns over each budget. Dashed: 5 %, the promise for voice to voice (the same as p95 within"
        " budget). Voice to voice over the line: roll back if the verdict says so, else find the stage.",
        NO_TURNS,
        8,
        8,
        traces=SLOW,
    )
    slow = load_budgets().objective.slow_turn_share
    over = total(catalog.BUDGET_BREACHES, WINDOW, ("budget",), (*WHO, like("budget", "voice_to_voice", *BUDGETED)))
    ratio = share(over, total(catalog.TURNS_OWED, WINDOW, (), WHO), on=())
    look = PanelStyle("percentunit", steps=((None, "transparent"), (slow, "red")), line=True, colours=STAGES)
    return graph(panel, look, Query(ratio, "{{budget}}"))


def _fallbacks() -> Panel:
    panel = PanelSpec(
        21,
        "Fallbacks, share of turns",
        "Moves along a chain, by service and reason, for all turns (the counter knows no tier). Healthy providers cause"
        " fewer than 1 in 1,000. Above 5 %: check the provider's status page; the chain carries the calls meanwhile.",
        "No turn in this range, or no move along a chain since the start.",
        16,
        8,
        traces=FELL_BACK,
    )
    moves = total(catalog.FALLBACKS, WINDOW, ("service", "from_provider", "reason"))
    ratio = share(moves, total(catalog.TURNS, WINDOW), on=())
    look = PanelStyle("percentunit", steps=((None, "transparent"), (0.05, "red")), line=True)
    return graph(panel, look, Query(f"{ratio} > 0", "{{service}}: {{from_provider}} {{reason}}"))


def _dead_air() -> Panel:
    panel = PanelSpec(
        22,
        "Dead air per session",
        "Seconds of a session in which a reply was owed and nothing played: waiting, and gaps inside replies. Rising"
        " while voice to voice is steady: replies stutter, so look at the voice provider.",
        NO_SESSIONS,
        8,
        8,
        traces=SLOW,
    )
    silent = total(catalog.DEAD_AIR, WINDOW, ("tier",), TIER)
    per_session = share(silent, total(catalog.SESSIONS, WINDOW, ("tier",), TIER))
    return graph(panel, PanelStyle("s", colours=TIERS), Query(per_session, "{{tier}}"))


def _voices() -> Panel:
    panel = PanelSpec(
        27,
        "Whose voice callers hear",
        "Share of the reply's seconds by place of the voice chain; `browser` (estimated) is the caller's own device,"
        " `recorded` the apologies, `filler` the “one moment” before a late reply. Anything but the first voice, for"
        " minutes: its provider is down, look at its status page.",
        "No reply in this range.",
        8,
        8,
    )
    spoken = total(catalog.REPLY_AUDIO, WINDOW, ("source",), TIER)
    ratio = share(spoken, total(catalog.REPLY_AUDIO, WINDOW, (), TIER), on=())
    look = PanelStyle("percentunit", None, 0, 1, stacked=True, colours=VOICES)
    return graph(panel, look, Query(f"{ratio} > 0", "{{source}}"))


def _barge_in() -> Panel:
    panel = PanelSpec(
        23,
        "Barge-in",
        "How fast a reply is held when the caller speaks over it (p95), and the share of turns that were interrupted."
        " Above 0.3 s: the process is busy, see its lag below. More interruptions: replies are too long or off target.",
        "Nobody has spoken over a reply in this range.",
        8,
        8,
        traces=with_outcome("turn", "interrupted"),
    )
    interrupted = total(catalog.TURNS, WINDOW, (), (*WHO, equal("outcome", "interrupted")))
    ratio = share(interrupted, total(catalog.TURNS_OWED, WINDOW, (), WHO))
    built = graph(
        panel,
        PanelStyle("s", colours={"p95 to hold": "orange", "interrupted": "blue"}),
        Query(quantile(0.95, catalog.BARGE_IN, WINDOW, (), TIER), "p95 to hold"),
        Query(ratio, "interrupted"),
    )
    return on_the_right(built, "interrupted", "percentunit")


def _turn_outcomes() -> Panel:
    panel = PanelSpec(
        24,
        "How turns end",
        "Shares. Green: a reply. Orange and red: an apology, a failure or a reply cut short; any visible band is worth"
        " a look at the fallbacks. Superseded: the caller spoke on before the reply.",
        "No turn in this range.",
        8,
        8,
        traces=with_outcome("turn", "apology", "failed", "cut_short"),
    )
    ended = total(catalog.TURNS, WINDOW, ("outcome",), WHO)
    ratio = share(ended, total(catalog.TURNS, WINDOW, (), WHO), on=())
    look = PanelStyle("percentunit", None, 0, 1, stacked=True, colours=TURN_OUTCOMES)
    return graph(panel, look, Query(f"{ratio} > 0", "{{outcome}}"))


def _session_outcomes() -> Panel:
    panel = PanelSpec(
        25,
        "How sessions end",
        "Shares. Completed: the caller hung up. Vanished: the line dropped and nobody came back. Failed: a fault of"
        " ours; read its log line. Crashed: its process was killed. Moved: another process has it."
        " Vanished rising with slow turns: callers give up waiting.",
        NO_SESSIONS,
        8,
        8,
        traces=with_outcome("session", "vanished", "failed"),
    )
    ended = total(catalog.SESSIONS, WINDOW, ("outcome",), WHO)
    ratio = share(ended, total(catalog.SESSIONS, WINDOW, (), WHO), on=())
    look = PanelStyle("percentunit", None, 0, 1, stacked=True, colours=SESSION_OUTCOMES)
    return graph(panel, look, Query(f"{ratio} > 0", "{{outcome}}"))


def _live() -> Panel:
    panel = PanelSpec(
        26,
        "Live sessions",
        "Calls that are open now, over all processes. A sudden drop to 0 with refusals below: the service drains or is"
        " full.",
        NO_PROCESS,
        8,
        8,
    )
    look = PanelStyle("none", 0, stacked=True, colours=TIERS)
    return graph(panel, look, Query(value(catalog.ACTIVE_SESSIONS, ("tier",), TIER, "sum"), "{{tier}}"))
