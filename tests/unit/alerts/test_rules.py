"""Every alert rule: not yet, now, and all that it says, by promtool. What it rests on is given, not recorded."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest

from agent.budgets import load_budgets
from agent.cli.main import cli
from alerts.__main__ import HERE, files, pages, rule_file
from alerts.groups import alert_groups, all_alerts
from alerts.model import PREFIX, Alert, RuleContext, RunbookLinks
from dashboards.__main__ import files as board_files
from tests.support.alert_cases import CASES, DEAR, ROLL_BACK, WHO_TEXT, Case
from tests.support.alert_cases_agents import AGENT_CASES
from tests.support.boards import boards, panels
from tests.support.promtool import needs_promtool, run_promtool

EVERY = (*CASES, *AGENT_CASES)
ALERTS = {alert.name: alert for group in all_alerts(RuleContext(load_budgets())).values() for alert in group}


def expected(alert: Alert, case: Case) -> dict[str, Any]:
    """The alert as promtool wants it told: all labels and all annotations, rendered."""
    links = RunbookLinks()
    rule = alert.as_dict(RuleContext(load_budgets(), case.faster), links)
    url = re.sub(
        r"\{\{ \$labels\.(\w+) \}\}", lambda found: case.labels[found[1]], rule["annotations"]["dashboard_url"]
    )
    return {
        "exp_labels": {**case.labels, **rule["labels"]},
        "exp_annotations": {**rule["annotations"], "summary": case.summary, "dashboard_url": url},
    }


def promtool(folder: Path, faster: float, series: Any, cases: list[dict[str, Any]]) -> None:
    given = [{"series": name, "values": values} for name, values in series]
    rules = {"rules.yml": rule_file(alert_groups(faster))}
    run_promtool(folder, rules, [{"interval": "1m", "input_series": given, "alert_rule_test": cases}])


@needs_promtool
@pytest.mark.parametrize("case", EVERY, ids=lambda case: case.alert)
def test_not_yet_and_now(tmp_path: Path, case: Case) -> None:
    fires = expected(ALERTS[case.alert], case)
    checks: list[dict[str, Any]] = [
        {"eval_time": case.quiet, "alertname": case.alert, "exp_alerts": []},
        {"eval_time": case.fires, "alertname": case.alert, "exp_alerts": [fires]},
    ]
    promtool(tmp_path, case.faster, case.series, checks)


@needs_promtool
@pytest.mark.parametrize(
    ("alert", "series"), [("VoiceAgentRollBackExperience", ROLL_BACK), ("VoiceAgentRollBackCost", DEAR)]
)
def test_what_was_rolled_back_asks_for_no_rollback(
    tmp_path: Path, alert: str, series: tuple[tuple[str, str], ...]
) -> None:
    weight = f"voice_agent_policy_weight_percent{{{WHO_TEXT}}}"
    silent = {"eval_time": "40m", "alertname": alert, "exp_alerts": []}
    promtool(tmp_path, 1.0, (*series, (weight, "95x8 0x90")), [silent])
    with pytest.raises(AssertionError, match=alert):
        promtool(tmp_path, 1.0, (*series, (weight, "95x99")), [silent])


def test_every_alert_is_tested_and_named_like_the_others() -> None:
    assert sorted(case.alert for case in EVERY) == sorted(ALERTS)
    assert all(name.startswith(PREFIX) for name in ALERTS)


def test_only_the_rollbacks_ask_for_one() -> None:
    asking = {name: dict(alert.labels) for name, alert in ALERTS.items() if "action" in alert.labels}
    assert asking == {
        "VoiceAgentRollBackExperience": {"cause": "experience", "action": "rollback", "verdict": "experience"},
        "VoiceAgentRollBackCost": {"cause": "cost", "action": "rollback", "verdict": "cost"},
        "VoiceAgentAgentVersionWorse": {"cause": "tools", "action": "rollback"},
    }


@needs_promtool
def test_one_wrong_token_wakes_nobody_while_alertmanager_is_heard(tmp_path: Path) -> None:
    forged = (
        ('voice_agent_alert_notifications_total{result="unauthorized"}', "0x10 1x40"),
        ('voice_agent_alert_notifications_total{result="not_for_us"}', "0+0.2x60"),
    )
    silent = {"eval_time": "15m", "alertname": "VoiceAgentAlertsNotTaken", "exp_alerts": []}
    promtool(tmp_path, 1.0, forged, [silent])


@needs_promtool
@pytest.mark.parametrize(
    ("refused", "served", "paged"),
    [
        ("0+0.9x40", "0+0x40", False),  # 9 addresses in ten minutes, and nobody else: it is they
        ("0+3x40", "0+20x40", False),  # 30 addresses of 230 callers
        ("0+3x40", "0+6x40", True),  # one caller in three
    ],
)
def test_free_callers_page_only_where_many_of_them_go_without(
    tmp_path: Path, refused: str, served: str, paged: bool
) -> None:
    who = {"tier": "free", "reason": "full"}
    series = (
        ('voice_agent_callers_refused_total{tier="free",reason="full"}', refused),
        ('voice_agent_callers_refused_total{tier="premium",reason="full"}', "0x40"),
        (f'voice_agent_sessions_total{{{WHO_TEXT},outcome="completed"}}', served),
        ('voice_agent_active_sessions{tier="free"}', "0x40"),
    )
    case = Case("VoiceAgentCallersRefused", (), "", "", who, "30 free callers were turned away in 10 minutes: full")
    fires = [expected(ALERTS[case.alert], case)] if paged else []
    promtool(tmp_path, 1.0, series, [{"eval_time": "30m", "alertname": case.alert, "exp_alerts": fires}])


@needs_promtool
def test_a_quiet_service_that_nobody_reaches_any_more_is_missed_too(tmp_path: Path) -> None:
    """3 calls an hour a week ago: too few for one hour, enough for six."""
    series = (
        (f'voice_agent_sessions_total{{{WHO_TEXT},outcome="completed"}}', "0+0.5x300 150x1000"),
        ('voice_agent_active_sessions{tier="free"}', "0x1300"),
    )
    case = Case("VoiceAgentCallersGone", (), "", "", {}, "", 10.0)
    summary = "No call in a time in which there were 18 a week ago (1 hour, or 6)"
    fires = expected(ALERTS[case.alert], replace(case, summary=summary))
    promtool(tmp_path, 10.0, series, [{"eval_time": "1200m", "alertname": case.alert, "exp_alerts": [fires]}])


def test_every_alert_points_to_a_panel_that_is_there() -> None:
    assert board_files()
    titles = {uid: {panel["id"]: panel["title"] for panel in panels(board)} for uid, board in boards().items()}
    for alert in ALERTS.values():
        assert titles[f"voice-agent-{alert.panel.board}"].get(alert.panel.id) == alert.panel.title, alert.name


@pytest.mark.parametrize("text", sorted({line for alert in ALERTS.values() for line in alert.runbook.commands}))
def test_a_command_of_a_runbook_can_be_pasted(text: str) -> None:
    """Ours by its own parser. TIER, AGENT, N, ID and WHY are what a person fills in."""
    program, *words = shlex.split(text.replace("TIER", "free").replace("--version N", "--version 2"))
    assert program in ("voice-agent", "docker", "curl", "promtool"), text
    if program != "voice-agent":
        return
    command: click.Command = cli
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words[0])
        assert found is not None, text
        command, words = found, words[1:]
        context = click.Context(command, parent=context)
    assert command.parse_args(context, words) == [], text


def test_the_generated_rules_and_runbooks_are_the_committed_ones() -> None:
    for name, content in files().items():
        assert (HERE / "generated" / name).read_text(encoding="utf-8") == content, "run `make boards`"
    for name, content in pages().items():
        assert (HERE / "runbooks" / name).read_text(encoding="utf-8") == content, "run `make boards`"
    assert {path.name for path in (HERE / "runbooks").iterdir()} == set(pages())
