"""One cause is one page: what is loud says what it belongs to, and Alertmanager makes one message of it."""

from __future__ import annotations

import re

import yaml

from agent.budgets import load_budgets
from alerts.groups import alert_groups, all_alerts
from alerts.model import RuleContext
from tests.support.paths import ROOT

CONFIGURATION = yaml.safe_load((ROOT / "alerts" / "alertmanager.yml").read_text(encoding="utf-8"))
NOTICED = ("VoiceAgentRollBackExperience", "VoiceAgentLatencyFastBurn", "VoiceAgentNoReply", "VoiceAgentDeadAir")


def inhibited_by(source: str) -> set[str]:
    """Names of alerts that this one silences, whatever else must be equal."""
    names = {alert.name for group in all_alerts(RuleContext(load_budgets())).values() for alert in group}
    found: set[str] = set()
    for rule in CONFIGURATION["inhibit_rules"]:
        [matcher], [target] = rule["source_matchers"], rule["target_matchers"]
        if re.fullmatch(_pattern(matcher), source):
            found |= {name for name in names if bool(re.fullmatch(_pattern(target), name)) is ("!~" not in target)}
    return found


def _pattern(matcher: str) -> str:
    return matcher.partition('"')[2].removesuffix('"')


def test_every_page_says_what_it_belongs_to_and_the_pager_groups_by_it() -> None:
    pages = [rule for group in alert_groups() for rule in group["rules"] if rule["labels"]["severity"] == "page"]
    assert len(pages) > 5
    assert all(rule["labels"].get("cause") for rule in pages)
    [pager] = [route for route in CONFIGURATION["route"]["routes"] if route["receiver"] == "pager"]
    assert pager["group_by"] == ["cause"]


def test_an_outage_silences_what_callers_notice_of_it() -> None:
    assert {*NOTICED} <= inhibited_by("VoiceAgentProviderOutage")


def test_a_rollback_silences_the_burn_that_led_to_it() -> None:
    assert "VoiceAgentLatencyFastBurn" in inhibited_by("VoiceAgentRollBackExperience")


def test_callers_who_find_no_place_are_one_message() -> None:
    assert "VoiceAgentFreeCallersRefused" in inhibited_by("VoiceAgentCallersRefused")


def test_nothing_silences_itself_or_the_proof_that_alerts_arrive() -> None:
    for group in all_alerts(RuleContext(load_budgets())).values():
        for alert in group:
            assert not {alert.name, "VoiceAgentWatchdog"} & inhibited_by(alert.name)
