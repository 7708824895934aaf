from __future__ import annotations

import math
from pathlib import Path

import pytest

from agent.budgets import load_budgets
from agent.policy.comparison import Comparison
from agent.policy.policies import load_policies
from agent.telemetry.recorded_metrics import DECISION_HELD, KEEP, NOT_ENOUGH, ROLL_BACK, VERDICT, WATCH
from alerts.__main__ import files, rule_file
from alerts.promql import select
from alerts.recording.groups import recorded_metrics, recording_groups
from alerts.recording.model import baseline, quantile_of, wilson_lower
from alerts.recording.signals import LOWER, SAMPLE, SHARE, signals
from tests.support.paths import ROOT
from tests.support.promtool import check, counters, needs_promtool

RULES = rule_file(recording_groups())
NEW = 'tier="free",policy="haiku_first"'
OLD = f'tier="free",policy="{baseline()}"'
INFO = [
    {"series": f'voice_agent_policy_info{{tier="free",policy="{name}",version="1"}}', "values": "1x310"}
    for name in ("haiku_first", baseline())
]
MINUTES = 310
QUANTILES = {"1h": 3.09, "6h": 2.512, "24h": 1.977}


def traffic(
    who: str, *, turns: float, sessions: float, slow: float = 0.0, slow_sessions: float = 0.0
) -> dict[str, float]:
    """Growth a minute: owed turns, ended sessions, slow turns, and sessions with two slow turns."""
    return {
        f"voice_agent_turns_owed_total{{{who}}}": turns,
        f'voice_agent_turns_total{{{who},outcome="replied"}}': turns,
        f'voice_agent_budget_breaches_total{{{who},budget="voice_to_voice"}}': slow,
        f'voice_agent_budget_breaches_total{{{who},budget="llm"}}': turns,
        f'voice_agent_sessions_total{{{who},outcome="completed"}}': sessions,
        f"voice_agent_slow_sessions_total{{{who}}}": slow_sessions,
    }


def evidence(score: float, comparison: Comparison, signal: str = "slow_turns") -> list[dict[str, str]]:
    """What the service's own test of its ended calls says from minute 15 on."""
    return [
        {"series": f'voice_agent_evidence_score{{signal="{signal}",{NEW}}}', "values": f"0x15 {score}x{MINUTES}"},
        {"series": f"voice_agent_evidence_comparison{{{NEW}}}", "values": f"0x15 {comparison:d}x{MINUTES}"},
    ]


def verdict(folder: Path, per_minute: dict[str, float], expected: dict[str, int], *more: dict[str, str]) -> None:
    """Checks the verdict on haiku_first at the given times."""
    labels = f"{VERDICT.name}{{{', '.join(reversed(NEW.split(',')))}}}"
    cases = {(at, VERDICT.name): {labels: float(number)} for at, number in expected.items()}
    check(folder, RULES, [*INFO, *more, *counters(per_minute, MINUTES)], cases)


BUSY = traffic(OLD, turns=1, sessions=0.2, slow=0.03)
SURE = evidence(1.2, Comparison.ALONE)


def test_the_baseline_is_a_policy_that_every_tier_keeps_alive() -> None:
    book = load_policies()
    assert baseline() in book.policies
    assert all(dict(assignment.weights).get(baseline(), 0) > 0 for assignment in book.assignments.values())


def test_the_limit_of_slow_turns_is_the_objective() -> None:
    assert signals(load_budgets())[0].limit == load_budgets().objective.slow_turn_share


def test_every_rule_has_its_metric_and_every_metric_its_rule() -> None:
    made = {rule["record"] for group in recording_groups() for rule in group["rules"]}
    assert made == {metric.name for metric in recorded_metrics()}


def test_faster_rules_have_shorter_windows_and_the_same_names() -> None:
    slow, fast = ([rule for group in recording_groups(faster) for rule in group["rules"]] for faster in (1.0, 60.0))
    assert [(rule["record"], rule.get("labels")) for rule in slow] == [
        (rule["record"], rule.get("labels")) for rule in fast
    ]
    assert any("[60s]" in rule["expr"] for rule in fast)
    assert not any("[1h]" in rule["expr"] for rule in fast)
    assert recording_groups(60.0)[0]["interval"] == "500ms"


def test_the_generated_file_is_the_committed_one() -> None:
    folder = ROOT / "alerts" / "generated"
    for name, content in files().items():
        assert (folder / name).read_text(encoding="utf-8") == content, "run `make boards`"


@needs_promtool
def test_a_healthy_busy_shop_keeps_its_policy(tmp_path: Path) -> None:
    healthy = {**BUSY, **traffic(NEW, turns=2, sessions=0.4, slow=0.06, slow_sessions=0.01)}
    verdict(tmp_path, healthy, {"20m": NOT_ENOUGH, "2h": KEEP})


@needs_promtool
def test_a_slow_policy_is_rolled_back_when_there_is_enough_to_judge_it(tmp_path: Path) -> None:
    slow = {**BUSY, **traffic(NEW, turns=2, sessions=0.4, slow=0.6, slow_sessions=0.2)}
    verdict(tmp_path, slow, {"20m": NOT_ENOUGH, "2h": ROLL_BACK}, *SURE)


@needs_promtool
@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        (Comparison.COMPARING, WATCH),
        (Comparison.COMMON_CAUSE, WATCH),
        (Comparison.FEW_SUFFER, WATCH),
        (Comparison.ALONE, ROLL_BACK),
        (Comparison.TOO_FEW_CALLERS, ROLL_BACK),
    ],
)
def test_only_a_policy_that_is_bad_alone_or_cannot_be_compared_for_a_day_is_rolled_back(
    tmp_path: Path, comparison: Comparison, expected: int
) -> None:
    slow = {**BUSY, **traffic(NEW, turns=2, sessions=0.4, slow=0.6, slow_sessions=0.2)}
    verdict(tmp_path, slow, {"2h": expected}, *evidence(1.2, comparison))


@needs_promtool
def test_below_the_bound_a_policy_over_its_limit_is_only_watched(tmp_path: Path) -> None:
    slow = {**BUSY, **traffic(NEW, turns=2, sessions=0.4, slow=0.6, slow_sessions=0.2)}
    verdict(tmp_path, slow, {"2h": WATCH}, *evidence(0.9, Comparison.ALONE))


HOLDS: dict[str, tuple[dict[str, str], ...]] = {
    "provider_out": (
        {
            "series": 'voice_agent_policy_provider{policy="haiku_first",service="tts",provider="elevenlabs"}',
            "values": f"1x{MINUTES}",
        },
        {"series": 'voice_agent_breaker_state{provider="elevenlabs",model="m"}', "values": f"2x{MINUTES}"},
        *counters(
            {
                'voice_agent_api_calls_total{service="tts",provider="elevenlabs",model="m",outcome="timeout"}': 1,
            },
            MINUTES,
        ),
    ),
    "event_loop_late": ({"series": "voice_agent_event_loop_lag_seconds", "values": f"0.3x{MINUTES}"},),
    "common_cause": (),
    "tool_out": tuple(
        counters(
            {
                f'voice_agent_tool_calls_total{{tool="book_room",outcome="{outcome}"}}': 2
                for outcome in ("ok", "timeout")
            }
            | {'voice_agent_tool_calls_total{tool="book_room",outcome="unavailable"}': 2},
            MINUTES,
        )
    ),
}


@needs_promtool
@pytest.mark.parametrize("reason", HOLDS)
def test_what_else_explains_it_holds_it_by_name(tmp_path: Path, reason: str) -> None:
    slow = {**BUSY, **traffic(NEW, turns=2, sessions=0.4, slow=0.6, slow_sessions=0.2)}
    comparison = Comparison.COMMON_CAUSE if reason == "common_cause" else Comparison.ALONE
    held = f'{DECISION_HELD.name}{{policy="haiku_first", reason="{reason}", tier="free"}}'
    labels = f'{VERDICT.name}{{policy="haiku_first", tier="free"}}'
    cases = {
        ("2h", VERDICT.name): {labels: float(WATCH)},
        ("2h", f"{DECISION_HELD.name} == 1"): {held: 1.0},
    }
    series = [*INFO, *evidence(1.2, comparison), *HOLDS[reason], *counters(slow, MINUTES)]
    check(tmp_path, RULES, series, cases)


@needs_promtool
def test_a_blip_of_a_fallback_that_the_policy_does_not_use_holds_nothing(tmp_path: Path) -> None:
    """Four of six calls of an idle fallback fail once; the policy's own voice is another one."""
    slow = {**BUSY, **traffic(NEW, turns=2, sessions=0.4, slow=0.6, slow_sessions=0.2)}
    call = 'voice_agent_api_calls_total{service="tts",provider="openai_tts",model="m",outcome="%s"}'
    blip = [
        {"series": call % "timeout", "values": f"0x110 4x{MINUTES}"},
        {"series": call % "ok", "values": f"0x110 2x{MINUTES}"},
    ]
    used = {
        "series": 'voice_agent_policy_provider{policy="haiku_first",service="tts",provider="elevenlabs"}',
        "values": f"1x{MINUTES}",
    }
    verdict(tmp_path, slow, {"112m": ROLL_BACK, "130m": ROLL_BACK}, used, *SURE, *blip)


@needs_promtool
def test_an_outage_of_its_own_provider_holds_it_for_minutes_not_for_the_window(tmp_path: Path) -> None:
    slow = {**BUSY, **traffic(NEW, turns=2, sessions=0.4, slow=0.6, slow_sessions=0.2)}
    used, _, *_ = HOLDS["provider_out"]
    out = {"series": 'voice_agent_breaker_state{provider="elevenlabs",model="m"}', "values": f"0x60 2x30 0x{MINUTES}"}
    calls = counters(
        {'voice_agent_api_calls_total{service="tts",provider="elevenlabs",model="m",outcome="ok"}': 1}, MINUTES
    )
    verdict(tmp_path, slow, {"58m": ROLL_BACK, "80m": WATCH, "120m": ROLL_BACK}, used, out, *calls, *SURE)


@needs_promtool
def test_the_baseline_is_that_of_the_same_window(tmp_path: Path) -> None:
    """A week of 2 % slow turns does not speak for a baseline that is slow now."""
    bad = {**traffic(OLD, turns=2, sessions=0.4, slow=0.5), **traffic(NEW, turns=2, sessions=0.4, slow=0.5)}
    name = 'round(voice_agent:baseline:share{signal="slow_turns"}, 0.01)'
    labels = '{policy="haiku_first", signal="slow_turns", tier="free"}'
    check(tmp_path, RULES, [*INFO, *counters(bad, MINUTES)], {("2h", name): {labels: 0.25}})


@needs_promtool
def test_a_little_over_the_limit_is_watched_not_rolled_back(tmp_path: Path) -> None:
    little = {**BUSY, **traffic(NEW, turns=2, sessions=0.4, slow=0.13, slow_sessions=0.02)}
    verdict(tmp_path, little, {"2h": WATCH})


@needs_promtool
def test_one_caller_on_a_bad_line_rolls_nothing_back(tmp_path: Path) -> None:
    bad_line = traffic(NEW, turns=2, sessions=0.4, slow=0.6)
    verdict(tmp_path, {**BUSY, **bad_line}, {"2h": WATCH}, *evidence(0.4, Comparison.NONE))


@needs_promtool
def test_a_quiet_shop_is_judged_over_a_longer_window(tmp_path: Path) -> None:
    quiet = {**BUSY, **traffic(NEW, turns=0.25, sessions=0.05, slow=0.08, slow_sessions=0.02)}
    labels = 'voice_agent:decision:window{policy="haiku_first", tier="free", window="%s"}'
    name = 'voice_agent:decision:window{policy="haiku_first"}'
    expected = {
        ("1h", name): {labels % "24h": 0.0},
        ("5h", name): {labels % "6h": 1.0},
        ("5h", f'{VERDICT.name}{{policy="haiku_first"}}'): {
            f'{VERDICT.name}{{policy="haiku_first", tier="free"}}': float(ROLL_BACK)
        },
    }
    check(tmp_path, RULES, [*INFO, *SURE, *counters(quiet, MINUTES)], expected)


@needs_promtool
def test_an_input_that_does_not_exist_hides_no_verdict(tmp_path: Path) -> None:
    whole = {**BUSY, **traffic(NEW, turns=2, sessions=0.4)}
    some = {series: grown for series, grown in whole.items() if "breaches" not in series and "slow" not in series}
    verdict(tmp_path, some, {"2h": KEEP})


@needs_promtool
def test_lost_sessions_alone_roll_back(tmp_path: Path) -> None:
    vanished = f'voice_agent_sessions_total{{{NEW},outcome="vanished"}}'
    lost = {**BUSY, **traffic(NEW, turns=2, sessions=0.3), vanished: 0.3}
    verdict(tmp_path, lost, {"2h": ROLL_BACK}, *evidence(1.0, Comparison.ALONE, "lost_sessions"))


@needs_promtool
def test_the_longer_the_window_the_less_sure_it_must_be(tmp_path: Path) -> None:
    """The same share of the same sample in every window: which interval its rule takes shows in the lower end."""
    rules = [rule for group in recording_groups() for rule in group["rules"] if rule["record"] == LOWER.name]
    who = f'signal="slow_turns",{NEW}'
    given = [
        {"series": f'{metric.name}{{{who},window="{window}"}}', "values": f"{value}x5"}
        for window in QUANTILES
        for metric, value in ((SHARE, 0.08), (SAMPLE, 600))
    ]
    labels = '{policy="haiku_first", signal="slow_turns", tier="free", window="%s"}'
    expected = {labels % window: round(lower_end(0.08, 600, z), 4) for window, z in QUANTILES.items()}
    check(
        tmp_path,
        rule_file([{"name": "lower", "rules": rules}]),
        given,
        {("3m", f"round({LOWER.name}, 0.0001)"): expected},
    )


@needs_promtool
@pytest.mark.parametrize(("window", "z"), QUANTILES.items())
@pytest.mark.parametrize(("bad", "sample"), [(1, 3), (3, 20), (6, 60), (28, 400)])
def test_the_lower_end_of_the_interval_is_wilsons(tmp_path: Path, bad: int, sample: int, window: str, z: float) -> None:
    assert quantile_of(window) == pytest.approx(z, abs=0.001)
    query = f"round({wilson_lower(f'vector({bad / sample!r})', f'vector({sample})', window)}, 0.0001)"
    check(tmp_path, "groups: []\n", [], {("1m", query): {"{}": round(lower_end(bad / sample, sample, z), 4)}})


def lower_end(share: float, sample: int, z: float) -> float:
    """Wilson's formula, once more."""
    zz = z * z
    spread = z * math.sqrt(share * (1 - share) / sample + zz / (4 * sample**2))
    return (share + zz / (2 * sample) - spread) / (1 + zz / sample)


def test_signals_are_named_as_the_board_names_them() -> None:
    assert [way.name for way in signals(load_budgets())] == ["slow_turns", "slow_sessions", "no_reply", "lost_sessions"]
    assert select(SHARE) == "voice_agent:signal:share"


@needs_promtool
def test_what_the_network_makes_slow_is_a_share_of_its_own(tmp_path: Path) -> None:
    slow = {f"voice_agent_network_slow_turns_total{{{NEW}}}": 0.4}
    per_minute = {**traffic(NEW, turns=2, sessions=0.4, slow=0.5), **traffic(OLD, turns=2, sessions=0.4), **slow}
    share = "round(voice_agent:network:slow_share, 0.01)"
    cases = {
        ("100m", share): {f'{{tier="free", window="{window}"}}': 0.1 for window in ("1h", "6h", "24h")},
        ("10m", share): {},
    }
    check(tmp_path, RULES, [*INFO, *counters(per_minute, MINUTES)], cases)
