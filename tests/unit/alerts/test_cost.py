"""The verdict on what a policy costs, on made-up sessions."""

from __future__ import annotations

from pathlib import Path

from agent.telemetry.recorded_metrics import COST_BEFORE, COST_SESSION, COST_VERDICT, KEEP, NOT_ENOUGH, ROLL_BACK, WATCH
from alerts.__main__ import rule_file
from alerts.recording.groups import recording_groups
from alerts.recording.model import baseline
from tests.support.promtool import check, needs_promtool

# An hour of the rules is a minute, so that a week fits into a test; evaluated once a minute.
RULES = rule_file([{**group, "interval": "1m"} for group in recording_groups(faster=60.0)])
NEW = 'tier="free",policy="haiku_first"'
OLD = f'tier="free",policy="{baseline()}"'
MINUTES = 400
SESSIONS = 20  # a minute
LIMIT = 0.10
GAUGES = [
    *({"series": f'voice_agent_policy_info{{{who},version="1"}}', "values": f"1x{MINUTES}"} for who in (NEW, OLD)),
    {"series": 'voice_agent_budget_session_alert_usd{tier="free"}', "values": f"{LIMIT}x{MINUTES}"},
]


def sessions(
    who: str, usd: float, *, per_minute: float = SESSIONS, then_usd: float | None = None
) -> list[dict[str, str]]:
    """Sessions that end and cost so much; from minute 300 on `then_usd`."""
    first, rest = 300, MINUTES - 300
    later = usd if then_usd is None else then_usd
    spent = f"0+{usd * per_minute:g}x{first} {usd * per_minute * first:g}+{later * per_minute:g}x{rest}"
    return [
        {"series": f"voice_agent_session_cost_usd_sum{{{who}}}", "values": spent},
        {"series": f"voice_agent_session_cost_usd_count{{{who}}}", "values": f"0+{per_minute:g}x{MINUTES}"},
    ]


def judged(folder: Path, series: list[dict[str, str]], at: str, verdict: int) -> None:
    name = f'{COST_VERDICT.name}{{policy="haiku_first", tier="free"}}'
    check(folder, RULES, [*GAUGES, *series], {(at, COST_VERDICT.name): {name: float(verdict)}})


@needs_promtool
def test_cheap_sessions_are_kept(tmp_path: Path) -> None:
    judged(tmp_path, [*sessions(NEW, 0.05), *sessions(OLD, 0.05)], "5h", KEEP)


@needs_promtool
def test_over_the_limit_and_dearer_than_the_baseline_is_rolled_back(tmp_path: Path) -> None:
    judged(tmp_path, [*sessions(NEW, 0.16), *sessions(OLD, 0.12)], "5h", ROLL_BACK)


@needs_promtool
def test_over_the_limit_while_the_baseline_is_dearer_is_watched(tmp_path: Path) -> None:
    judged(tmp_path, [*sessions(NEW, 0.16), *sessions(OLD, 0.20)], "5h", WATCH)


@needs_promtool
def test_a_few_percent_are_noise(tmp_path: Path) -> None:
    judged(tmp_path, [*sessions(NEW, 0.130), *sessions(OLD, 0.12)], "5h", WATCH)


@needs_promtool
def test_without_a_baseline_the_policys_own_week_is_compared(tmp_path: Path) -> None:
    same = sessions(NEW, 0.16)
    dearer = sessions(NEW, 0.12, then_usd=0.16)
    judged(tmp_path, same, "6h", WATCH)
    judged(tmp_path, dearer, "5h10m", ROLL_BACK)


@needs_promtool
def test_with_nothing_to_compare_the_limit_decides(tmp_path: Path) -> None:
    judged(tmp_path, sessions(NEW, 0.16), "10m", ROLL_BACK)


@needs_promtool
def test_few_sessions_are_judged_over_a_longer_window_or_not_at_all(tmp_path: Path) -> None:
    few = sessions(NEW, 0.16, per_minute=0.5)
    judged(tmp_path, few, "10m", NOT_ENOUGH)  # 5 sessions
    judged(tmp_path, few, "30m", ROLL_BACK)  # 12 in the window of 24 hours


@needs_promtool
def test_no_session_at_all_hides_no_verdict(tmp_path: Path) -> None:
    judged(tmp_path, [], "1h", NOT_ENOUGH)


@needs_promtool
def test_the_numbers_behind_the_verdict_are_recorded(tmp_path: Path) -> None:
    labels = '{policy="haiku_first", tier="free"}'
    expected = {
        ("5h", f'round({metric.name}{{policy="haiku_first"}}, 0.001)'): {labels: usd}
        for metric, usd in ((COST_SESSION, 0.16), (COST_BEFORE, 0.12))
    }
    check(tmp_path, RULES, [*GAUGES, *sessions(NEW, 0.16), *sessions(OLD, 0.12)], expected)
