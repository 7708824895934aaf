from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as models

from agent.budgets import load_budgets
from agent.telemetry import catalog, span_attributes
from agent.telemetry.recorded_metrics import BASELINE_SHARE, DECISION_SHARE, LIMIT
from alerts.groups import all_alerts
from alerts.model import RuleContext, RunbookLinks
from alerts.recording.groups import recorded_metrics, recording_groups
from dashboards import model as shared
from dashboards.__main__ import files
from tests.support.boards import METRIC, boards, panels, queries
from tests.support.paths import ROOT
from tests.support.promtool import check, needs_promtool

UIDS = ("voice-agent-ux", "voice-agent-cost")
GENERATED = ROOT / "dashboards" / "generated"
MONEY = {"cost", "usd", "unpriced"}
LATENCY = {"latency", "stage", "lag", "air", "barge", "skew"}

# What the service counts and no board shows, and why.
NOT_ON_A_BOARD = {
    catalog.TOOL_FAULTS: "for questions after an alert; that calls fail is on the board",
    catalog.MCP_NOT_TAKEN: "for questions after an alert; the calls that fail by it are on the board",
    catalog.TASKS: "for the soak: what calls leave behind shows there",
    catalog.MEMORY_BLOCKS: "for the soak, as the tasks",
    catalog.LOCAL_RESTARTS: "as the next one",
    catalog.LOCAL_FAILED: "of a machine of one's own, where nobody looks at boards; log, page and an alert say it",
    catalog.CALLERS_REFUSED: "for alerts, where one who tries again and again is one; each try is on the board",
    catalog.WARM_UPS: "small requests that are free; for questions about connections",
    catalog.TTS_CHARACTERS: "for reconciling with invoices; the cost board shows its dollars",
    catalog.STT_AUDIO: "for reconciling with invoices; the cost board shows its dollars",
    catalog.BREAKER_CHANGES: "the breakers' states are on the board; this one is for questions afterwards",
    catalog.ASSIGNMENT_AGE: "rises only while the database is down, which the ledger's figures show",
    catalog.EVIDENCE_AGE: "rises only while the database is down; has an alert",
    catalog.NOTIFICATIONS: "for questions about Alertmanager's webhook; what came of it is on the board",
    catalog.WEBHOOK_OLDEST: "has an alert; how many wait is on the board",
    catalog.CHAT_MESSAGES: "for questions about the chat; a message that is missing is seen there",
    catalog.LEDGER_QUEUE: "rises only while the database is down, which has an alert",
    catalog.LEDGER_COMMIT: "off the audio path; for tuning the database",
    catalog.LEDGER_FAILURES: "has an alert; what is lost by it is on the board",
    catalog.SPENDING_LEASES: "fails only while the database is down, which has an alert; ceilings hold without it",
    catalog.SPENDING_ACCOUNTS: "bounded by the process; for questions about its memory",
}


@pytest.fixture(params=UIDS)
def board(request: pytest.FixtureRequest) -> dict[str, Any]:
    return boards()[request.param]


def test_the_generated_boards_are_the_committed_ones() -> None:
    for path, content in files().items():
        assert path.read_text(encoding="utf-8") == content, "run `make boards`"
    assert {path.name for path in files()} == {path.name for path in GENERATED.glob("*.json")}


def test_the_sdk_reads_back_what_it_wrote(board: dict[str, Any]) -> None:
    register_default_plugins()
    read = models.Dashboard.from_json(board)
    again = json.loads(JSONEncoder(sort_keys=True).encode(read))
    assert _without_placement(again) == board


def _without_placement(found: Any) -> Any:
    if isinstance(found, dict):
        return {key: _without_placement(inner) for key, inner in found.items() if inner != "inControlsMenu"}
    return [_without_placement(inner) for inner in found] if isinstance(found, list) else found


def test_nothing_is_hidden_in_a_menu(board: dict[str, Any]) -> None:
    assert "placement" not in json.dumps({key: board[key] for key in ("links", "annotations", "templating")})


def test_ids_are_unique_and_panels_fill_the_grid_without_overlap(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    assert 0 not in ids
    spots = [panel["gridPos"] for panel in board["panels"]]
    assert all(spot["x"] + spot["w"] <= shared.COLUMNS for spot in spots)
    for one, other in combinations(spots, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


def test_every_panel_says_what_it_is_and_why_it_may_be_empty(board: dict[str, Any]) -> None:
    for panel in panels(board):
        assert len(panel["description"]) > 60, panel["title"]
        assert len(panel["fieldConfig"]["defaults"]["noValue"]) > 15, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in {"none", "short", "s", "percentunit", "currencyUSD", "bytes"}


def test_both_boards_have_the_variables_annotations_and_a_link_that_keeps_them(board: dict[str, Any]) -> None:
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    assert list(variables) == ["datasource", "tier", "policy", "agent", "window"]
    assert variables["tier"]["query"] == "free,premium"
    assert all(variables[name]["includeAll"] for name in ("tier", "policy"))
    assert variables["tier"]["allValue"] == "free|premium|none", "the synthetic caller is nobody's figure"
    assert variables["policy"]["allValue"] == ".*"
    assert [found["name"] for found in board["annotations"]["list"]] == [
        "Deploys", "Policy changes", "Assignments", "Decisions", "Versions of agents", "Decisions about versions",
    ]  # fmt: skip
    (link,) = board["links"]
    (other,) = {uid for uid in UIDS if uid != board["uid"]}
    assert link["url"] == f"/d/{other}"
    assert link["keepTime"]
    assert link["includeVars"]


def test_experience_and_cost_share_no_board() -> None:
    for asked in queries():
        words = {word for name in METRIC.findall(asked.expr) for word in name.replace(":", "_").split("_")}
        foreign = MONEY if asked.board == "voice-agent-ux" else LATENCY
        assert not words & foreign, (asked.title, words & foreign)


def test_the_baseline_beside_a_bar_is_that_of_its_own_tier() -> None:
    """With all tiers chosen, free callers who wait must not be compared with the premium callers' baseline."""
    compared = [asked for asked in queries() if BASELINE_SHARE.name in asked.expr]
    assert len(compared) == 4
    for asked in compared:
        [signal] = re.findall(rf'{BASELINE_SHARE.name}{{[^}}]*signal="(\w+)"', asked.expr)
        worst = rf"and on \(tier, policy\) topk\(1, {DECISION_SHARE.name}{{([^}}]*)}}\)"
        [chosen] = re.findall(worst, asked.expr)
        assert {'tier=~"$tier"', 'policy=~"$policy"', f'signal="{signal}"'} <= set(chosen.split(", "))


@needs_promtool
def test_of_two_tiers_the_one_that_suffers_is_compared(tmp_path: Path) -> None:
    """Free callers of the policy wait, their baseline does not; premium callers' baseline does."""
    [bar] = [one.expr for one in queries() if BASELINE_SHARE.name in one.expr and '"slow_turns"' in one.expr]
    for variable in ("$tier", "$policy"):
        bar = bar.replace(variable, ".*")
    shares = {"free": (0.25, 0.125), "premium": (0.0625, 0.5)}
    series = [
        {
            "series": f'{metric.name}{{signal="slow_turns", tier="{tier}", policy="haiku_first"}}',
            "values": f"{both[side]}x5",
        }
        for tier, both in shares.items()
        for side, metric in enumerate((DECISION_SHARE, BASELINE_SHARE))
    ]
    series.append({"series": f'{LIMIT.name}{{signal="slow_turns"}}', "values": "0.0625x5"})
    check(tmp_path, "groups: []", series, {("2m", bar): {"{}": 2.0}})


def _queries_of(title: str) -> list[str]:
    return [asked.expr for asked in queries() if asked.title == title]


def test_a_verdict_is_that_of_one_policy_of_one_tier() -> None:
    """The worst of all would read NOT ENOUGH DATA for hours while a canary of another policy is to be rolled back."""
    for title in ("Verdict", "Verdict over time"):
        [expr] = _queries_of(title)
        assert expr.startswith("max by (tier, policy) (")


def test_an_apology_is_no_answer_that_money_was_spent_for() -> None:
    """In an outage a session costs little, because callers get apologies."""
    [turn], [call] = _queries_of("Per answered turn"), _queries_of("Per completed call")
    assert 'outcome=~"replied|interrupted|typed"' in turn
    assert 'outcome="completed"' in call


def _named(text: str) -> set[str]:
    """Metrics in an expression, histograms without their parts."""
    known = {metric.name for metric in (*catalog.all_metrics(), *recorded_metrics())}
    found: set[str] = set()
    for name in METRIC.findall(text):
        base = name if name in known else name.rpartition("_")[0]
        assert base in known, f"{name} is neither in the catalog nor recorded"
        found.add(base)
    return found


def test_every_query_names_what_the_catalog_or_a_rule_declares() -> None:
    for asked in queries():
        assert _named(asked.expr) or "ALERTS{" in asked.expr, asked
    for board in boards().values():
        for annotation in board["annotations"]["list"]:
            assert _named(annotation["expr"])


def test_every_metric_is_on_a_board_or_deliberately_not() -> None:
    shown = {name for asked in queries() for name in _named(asked.expr)}
    for uid in UIDS:
        shown |= {name for found in boards()[uid]["annotations"]["list"] for name in _named(found["expr"])}
    for group in recording_groups():
        for rule in group["rules"]:
            shown |= _named(rule["expr"])
    missing = {metric.name for metric in catalog.all_metrics()} - shown
    assert missing == {metric.name for metric in NOT_ON_A_BOARD}
    assert all(NOT_ON_A_BOARD.values())


def test_a_panel_leads_to_the_runbooks_of_its_alerts() -> None:
    links = {
        (uid.removeprefix("voice-agent-"), panel["id"]): [link["url"] for link in panel.get("links", [])]
        for uid, board in boards().items()
        for panel in panels(board)
    }
    alerts = [alert for group in all_alerts(RuleContext(load_budgets())).values() for alert in group]
    for alert in alerts:
        assert f"{RunbookLinks().runbooks}/{alert.name}.md" in links[alert.panel.board, alert.panel.id]


def test_a_panel_leads_to_the_sessions_behind_it() -> None:
    attributes = {value for name, value in vars(span_attributes).items() if name.isupper() and isinstance(value, str)}
    found = [link["url"] for board in boards().values() for panel in panels(board) for link in panel.get("links", [])]
    explored = [url for url in found if url.startswith("/explore?")]
    assert len(explored) > 15
    for url in explored:
        pane = json.loads(unquote(parse_qs(urlsplit(url).query)["panes"][0]))["a"]
        assert pane["range"] == {"from": "${__from}", "to": "${__to}"}
        query = pane["queries"][0]["query"]
        assert set(re.findall(r"span\.([\w.]+)", query)) <= attributes, query
        assert "${tier:percentencode}" in query
        assert "${policy:percentencode}" in query
