"""The row of the cost board about what reliability costs, and what caches save."""

from __future__ import annotations

from agent.telemetry import catalog
from alerts.promql import equal, share, total, unequal, value
from dashboards.model import PAID, TIER, WINDOW, BoardRow
from dashboards.palette import CAUSES, NO_CALLS, NO_PROCESS
from dashboards.panels import Column, Panel, PanelSpec, PanelStyle, Query, graph, rows

USD = "currencyUSD"
RANGE = "$__range"
NO_SPECULATION = "No reply was begun early in this range: no policy in force has `early_replies`."
NO_HEDGES = "No call was made a second time in this range: no policy in force has `hedging`, or none was late."


def reliability() -> BoardRow:
    """What does reliability cost?"""
    panels = (
        _causes(),
        _cause_table(),
        _prompt_cache(),
        _audio_cache(),
        _unpriced(),
        _ceilings(),
        _limited(),
        _speculation(),
        _hedges(),
    )
    return BoardRow("What does reliability cost?", panels)


def _causes() -> Panel:
    panel = PanelSpec(
        20,
        "Spend that was not a reply",
        "Share of the spend: retry (failed, and something else was asked), interrupted (the caller barged in), summary,"
        " speculation (a reply begun early, in vain), hedge (a second call for the same), probe, warmup, clip. Retry"
        " above 5 %: a provider fails often, see the experience board. Interrupted above 20 %: replies are too long.",
        NO_CALLS,
        10,
        8,
    )
    spent = total(catalog.COST, WINDOW, ("cause",), (*PAID, unequal("cause", "served")))
    expr = share(spent, total(catalog.COST, WINDOW, (), PAID), on=())
    return graph(panel, PanelStyle("percentunit", stacked=True, colours=CAUSES), Query(expr, "{{cause}}"))


def _cause_table() -> Panel:
    panel = PanelSpec(
        21,
        "By cause",
        "The spend of this range by cause. What is not `served` is the price of reliability and of being interrupted.",
        NO_CALLS,
        6,
        8,
    )
    spent = total(catalog.COST, RANGE, ("cause",), PAID)
    of_all = share(f"({spent} > 0)", total(catalog.COST, RANGE, (), PAID), on=())
    return rows(
        panel,
        {"cause": "Cause"},
        Column("Dollars", f"{spent} > 0", PanelStyle(USD, 4), 75),
        Column("Share", of_all, PanelStyle("percentunit", 1), 60),
    )


def _prompt_cache() -> Panel:
    panel = PanelSpec(
        22,
        "Prompt tokens from the cache",
        "Share of the prompt tokens that were read from the provider's cache, by model, for all tiers (the counter"
        " knows none). 0 % on a model: its prompt is shorter than the model caches from, which is no fault.",
        NO_CALLS,
        8,
        8,
    )
    read = total(catalog.LLM_TOKENS, WINDOW, ("model",), [equal("kind", "cache_read")])
    prompt = total(catalog.LLM_TOKENS, WINDOW, ("model",), [unequal("kind", "output")])
    return graph(panel, PanelStyle("percentunit", None, 0, 1), Query(share(read, prompt), "{{model}}"))


def _audio_cache() -> Panel:
    panel = PanelSpec(
        23,
        "Saved by the audio cache",
        "Dollars that repeated phrases would have cost, in each window, by voice, for all tiers. 0: replies repeat"
        " nothing, or the policy's audio cache is off.",
        "No repeated phrase came out of the cache in this range.",
        12,
        7,
    )
    return graph(panel, PanelStyle(USD, 4), Query(total(catalog.AUDIO_CACHE_SAVED, WINDOW, ("model",)), "{{model}}"))


def _unpriced() -> Panel:
    panel = PanelSpec(
        24,
        "Usage without a price",
        "Units that the price book has no price for: they cost something, and no figure here holds it. Any line: add"
        " provider and model to prices.toml.",
        "Everything that was used in this range has a price.",
        12,
        7,
    )
    grown = total(catalog.UNPRICED, WINDOW, ("provider", "model", "unit"))
    return graph(panel, PanelStyle("short", 0), Query(f"{grown} > 0", "{{provider}} {{model}}: {{unit}}"))


def _ceilings() -> Panel:
    panel = PanelSpec(
        25,
        "Ceilings of an hour",
        "Share of an hour's ceiling that is spent or reserved, worst process. Over the dashed line (80 %) the cheaper"
        " models are near; at 100 % calls end. See what callers do before a ceiling in budgets.toml is raised.",
        NO_PROCESS,
        12,
        7,
    )
    used = value(catalog.SPENDING_USED, ("scope", "tier"), TIER)
    look = PanelStyle("percentunit", steps=((None, "transparent"), (0.8, "red")), line=True)
    return graph(panel, look, Query(used, "{{scope}} {{tier}}"))


def _limited() -> Panel:
    panel = PanelSpec(
        26,
        "Calls that a ceiling touched",
        "economy: answered by the cheaper models. stop: ended with a goodbye. refused: not begun. Those of a session, a"
        " subject or an address are a few callers; those of a tier or process are an attack or a ceiling too low.",
        "No ceiling was reached in this range.",
        12,
        7,
    )
    touched = total(catalog.SPENDING_LIMITED, WINDOW, ("scope", "action"), TIER)
    return graph(panel, PanelStyle("none", 0, stacked=True), Query(touched, "{{scope}}: {{action}}"))


def _speculation() -> Panel:
    panel = PanelSpec(
        67,
        "Dollars for early replies in vain, a call",
        "What calls of the model cost that nobody heard, for each call that ended, by policy. Compare it with the cost"
        " of a call on the cost board.",
        NO_SPECULATION,
        8,
        8,
    )
    spent = total(catalog.COST, WINDOW, ("policy",), (*PAID, equal("cause", "speculation")))
    ended = total(catalog.SESSIONS, WINDOW, ("policy",), PAID)
    return graph(panel, PanelStyle("currencyUSD", 5), Query(share(spent, ended), "{{policy}}"))


def _hedges() -> Panel:
    panel = PanelSpec(
        69,
        "Share of second calls in the spend",
        "What calls cost that were made beside another one for the same output and not heard, as a share of the spend"
        " on the same service, by policy. More than the budget of the policy says: the second model is dearer than the"
        " first.",
        NO_HEDGES,
        8,
        8,
    )
    by = ("service", "policy")
    spent = total(catalog.COST, WINDOW, by, (*PAID, equal("cause", "hedge")))
    return graph(
        panel,
        PanelStyle("percentunit", 2),
        Query(share(spent, total(catalog.COST, WINDOW, by, PAID)), "{{service}} {{policy}}"),
    )
