"""Game days: the names that they rest on, their judgement, and one scenario on the real thing."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from click.testing import CliRunner
from rich.console import Console

from agent.budgets import load_budgets
from agent.definitions.book import AgentBook
from agent.settings import Settings
from agent.telemetry.catalog import all_metrics
from agent.telemetry.recorded_metrics import NOT_ENOUGH
from alerts.groups import all_alerts
from alerts.model import RuleContext
from alerts.recording.groups import recorded_metrics
from alerts.recording.verdict import HELD_BY
from tests.support.virtual_time import run_virtual
from voice_loadtest.errors import StackError
from voice_loadtest.gameday import cli, queries
from voice_loadtest.gameday.assertions import Check, Milestones, check
from voice_loadtest.gameday.observer import ASK_TIMES, WATCHDOG, Decided, Fired, Observer
from voice_loadtest.gameday.runner import Play, PlayedGameDay
from voice_loadtest.gameday.scenario import BASELINE, HAIKU, POLICY, Scenario
from voice_loadtest.gameday.scenarios import SCENARIOS
from voice_loadtest.gameday.timeline import GameDayTimeline
from voice_loadtest.stack.monitoring import alertmanager_command
from voice_loadtest.stack.processes import ALERTMANAGERS, ROOT, LocalOptions, LocalStack
from voice_loadtest.traffic import Tally

ALERTS = frozenset(alert.name for group in all_alerts(RuleContext(load_budgets())).values() for alert in group)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
SLOW = BY_NAME["haiku-slow"]
HELD = {*HELD_BY, "provider_out", "event_loop_late", "tool_out"}
installed = shutil.which("prometheus") and any(map(shutil.which, ALERTMANAGERS))


def test_what_is_asked_of_prometheus_is_exported_or_recorded() -> None:
    known = {metric.name for metric in (*all_metrics(), *recorded_metrics())}
    for expr in (*queries.QUESTIONS, queries.HELD):
        asked = {re.sub("_(sum|count)$", "", name) for name in re.findall(r"voice_agent[\w:]+", expr)}
        assert asked
        assert asked <= known
    assert queries.NOT_ENOUGH == NOT_ENOUGH
    assert Settings.model_fields["haiku_model"].default == HAIKU


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_scenarios_speak_of_alerts_that_the_rules_have(scenario: Scenario) -> None:
    assert {*scenario.fires, *scenario.may_fire, WATCHDOG} <= ALERTS
    assert not {*scenario.fires} & {*scenario.may_fire}


def watched(scenario: Scenario) -> tuple[Observer, Milestones]:
    """A run in which everything went as it must: the fault at second 10, the end at second 50."""
    watch = Observer(cast("Any", None), cast("Any", None), GameDayTimeline(Console(quiet=True)))
    watch.revision, watch.weights = 1, scenario.weights
    watch.numbers = dict.fromkeys(queries.QUESTIONS, 0.0)
    for name in scenario.fires:
        watch.fired[(name, ("free",))] = Fired(name, "page", 20.0, firing=False, known_to_alertmanager=True)
    calls = [(5.0, scenario.subject), (30.0, scenario.target)]
    milestones = Milestones(injected=10.0, removed=50.0, recovered=60.0, calls=calls)
    if scenario.rolled_back:
        about = "policy" if scenario.trial is None else "agent"
        watch.decisions = [Decided("rolled_back", "verdict", scenario.fires[0], 21.0, 1.0, about)]
        milestones.mended_under_fault = 40.0
        if scenario.trial is None:
            watch.revision, watch.weights = 2, {BASELINE: 100}
        else:
            watch.agent, watch.versions, milestones.kept_on = scenario.trial.agent, {"version 1": 100}, [True]
    if scenario.held:
        watch.held[scenario.held] = 20.0
    if scenario.injection.bad_line_ms:
        milestones.bad_line_waits_ms = [2300.0, 2500.0]
    return watch, milestones


def failed(checks: Sequence[Check]) -> list[str]:
    return [one.text for one in checks if not one.passed]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_run_as_it_must_be_passes(scenario: Scenario) -> None:
    checks = check(scenario, *watched(scenario), ALERTS)
    assert failed(checks) == []
    assert len(checks) >= 3


def test_an_alert_that_must_fire_and_does_not_is_told() -> None:
    watch, milestones = watched(SLOW)
    del watch.fired[(SLOW.fires[0], ("free",))]
    assert failed(check(SLOW, watch, milestones, ALERTS)) == [f"{SLOW.fires[0]} must fire and did not"]


def test_an_alert_of_which_alertmanager_knows_nothing_is_told() -> None:
    watch, milestones = watched(SLOW)
    watch.fired[(SLOW.fires[0], ("free",))].known_to_alertmanager = False
    [told] = failed(check(SLOW, watch, milestones, ALERTS))
    assert told.endswith("but Alertmanager does not know it")


def test_an_alert_before_the_fault_is_none_of_it() -> None:
    watch, milestones = watched(SLOW)
    watch.fired[(SLOW.fires[0], ("free",))].at = 9.0
    assert len(failed(check(SLOW, watch, milestones, ALERTS))) == 1


def test_a_loud_alert_that_must_be_silent_is_told() -> None:
    watch, milestones = watched(SLOW)
    watch.fired[("VoiceAgentNoReply", ("free",))] = Fired("VoiceAgentNoReply", "page", 20.0, firing=False)
    assert failed(check(SLOW, watch, milestones, ALERTS)) == ["VoiceAgentNoReply must stay silent"]


def test_a_rollback_that_does_not_come_is_told() -> None:
    watch, milestones = watched(SLOW)
    watch.decisions = [Decided("held", "dwell", SLOW.fires[0], 21.0, 1.0)]
    assert failed(check(SLOW, watch, milestones, ALERTS)) == [f"{POLICY} must be rolled back and was not"]


def test_a_rollback_after_which_calls_still_get_the_policy_is_told() -> None:
    watch, milestones = watched(SLOW)
    milestones.calls.append((31.0, POLICY))
    [told] = failed(check(SLOW, watch, milestones, ALERTS))
    assert told.startswith("1 of 2 calls")


def test_a_rollback_that_mends_nothing_is_told() -> None:
    watch, milestones = watched(SLOW)
    milestones.mended_under_fault = None
    [told] = failed(check(SLOW, watch, milestones, ALERTS))
    assert "not within the limit again" in told


def test_a_rollback_that_must_not_be_is_told() -> None:
    spike = BY_NAME["traffic-spike"]
    watch, milestones = watched(spike)
    watch.decisions = [Decided("rolled_back", "verdict", "VoiceAgentRollBackExperience", 21.0, 1.0)]
    [told] = failed(check(spike, watch, milestones, ALERTS))
    assert told.startswith("no rollback")


def test_a_version_that_is_not_rolled_back_or_takes_a_policy_or_a_call_with_it_is_told() -> None:
    scenario = BY_NAME["version-slow"]
    watch, milestones = watched(scenario)
    watch.decisions.append(Decided("rolled_back", "verdict", "VoiceAgentRollBackExperience", 30.0, 1.0))
    assert [told.split(":")[0] for told in failed(check(scenario, watch, milestones, ALERTS))] == ["no rollback"]
    watch, milestones = watched(scenario)
    milestones.kept_on = [True, False]
    assert failed(check(scenario, watch, milestones, ALERTS)) == [
        "1 of 2 calls that ran then kept the version to their end"
    ]
    milestones.kept_on = []
    assert len(failed(check(scenario, watch, milestones, ALERTS))) == 1, "what nobody saw is not shown"
    watch, milestones = watched(scenario)
    watch.decisions.clear()
    assert failed(check(scenario, watch, milestones, ALERTS))[0] == "version 2 must be rolled back and was not"


def test_the_version_that_a_game_day_tries_is_one_of_the_shipped_agent(tmp_path: Path) -> None:
    for trial in filter(None, (scenario.trial for scenario in SCENARIOS)):
        (tmp_path / f"{trial.agent}-{trial.version}.toml").write_text(trial.definition)
        versions = AgentBook(tmp_path, trial.agent).versions[trial.agent]
        assert (versions.usual.version, [*versions.by_number]) == (trial.stable, [trial.stable, trial.version])


def test_a_holdout_that_was_raised_for_a_while_is_no_rollback_and_a_persons_change_is_none_either_way() -> None:
    stalls = BY_NAME["worker-stalls"]
    watch, milestones = watched(stalls)
    watch.revision, watch.causes = 3, ["holdout", "holdout_over"]
    assert failed(check(stalls, watch, milestones, ALERTS)) == []
    watch.causes.append("rollback")
    [told] = failed(check(stalls, watch, milestones, ALERTS))
    assert told.startswith("no rollback")


def test_what_holds_a_rollback_must_be_named() -> None:
    common = BY_NAME["common-cause"]
    watch, milestones = watched(common)
    watch.held = {"comparing": 15.0}
    [told] = failed(check(common, watch, milestones, ALERTS))
    assert told == "common_cause must be named as what holds a rollback and was not"


def test_what_holds_is_a_reason_that_the_rules_have() -> None:
    assert {scenario.held for scenario in SCENARIOS if scenario.held} <= HELD


def test_a_bad_line_that_is_none_is_told() -> None:
    line = BY_NAME["bad-line"]
    watch, milestones = watched(line)
    milestones.bad_line_waits_ms = [800.0, 2500.0, 900.0]
    [told] = failed(check(line, watch, milestones, ALERTS))
    assert "bad line" in told


def test_a_page_that_still_fires_at_the_end_is_told() -> None:
    watch, milestones = watched(SLOW)
    milestones.recovered = None
    watch.fired[(SLOW.fires[0], ("free",))].firing = True
    [told] = failed(check(SLOW, watch, milestones, ALERTS))
    assert told.endswith(f"{SLOW.fires[0]} still fires")


@pytest.mark.parametrize(("passed", "status", "mark"), [(True, 0, "✓"), (False, 1, "✗")])
def test_the_exit_status_is_the_judgement(
    passed: bool, status: int, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(scenario: Scenario, *_: object) -> PlayedGameDay:
        return PlayedGameDay(scenario, [Check(True, "one"), Check(passed, "the other")], Tally(), 60.0, 15.0, 3.0)

    monkeypatch.setattr(cli, "_play", play)
    result = CliRunner().invoke(cli.gameday, ["haiku-slow"])
    assert result.exit_code == status, result.output
    assert f"{mark} the other" in result.output
    assert re.search(rf"{mark} haiku-slow +{1 + passed}/2 +15.0 s \(15 min\) +3.0 s \(3 min\)", result.output)


@pytest.mark.parametrize("kept", [True, False])
def test_keep_keeps_logs_ledger_and_data_of_each_scenario(
    kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders: list[Path] = []

    @asynccontextmanager
    async def stack(options: LocalOptions) -> AsyncGenerator[LocalStack]:
        folders.append(options.folder)
        for name in ("service.log", "ledger.db"):
            (options.folder / name).write_text("written", encoding="utf-8")
        yield LocalStack("", "", "", "", "", "", "", ())

    async def run(play: Play, _seed: int) -> PlayedGameDay:
        return PlayedGameDay(SLOW, [Check(True, "one")], Tally(), 60.0, 15.0, 3.0)

    monkeypatch.setattr(cli, "local_stack", stack)
    monkeypatch.setattr(Play, "run", run)
    keep = ["--keep", str(tmp_path / "kept")] if kept else []
    result = CliRunner().invoke(cli.gameday, ["haiku-slow", "haiku-slow", *keep])
    assert result.exit_code == 0, result.output
    assert len(set(folders)) == 2, "each scenario has a folder of its own"
    assert [folder.is_dir() for folder in folders] == [kept, kept]
    if kept:
        assert {folder.parent for folder in folders} == {tmp_path / "kept"}
        assert all(folder.name.startswith("haiku-slow-") for folder in folders)
        assert {path.name for path in folders[0].iterdir()} == {"policies.toml", "service.log", "ledger.db"}


def asked(statuses: Sequence[int | Exception]) -> tuple[frozenset[str] | str, int]:
    """What asking for the alerts' names gives when the server answers like this; and how often it was asked."""
    waiting, times = list(statuses), [0]

    def answer(_: httpx.Request) -> httpx.Response:
        times[0] += 1
        found = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(found, Exception):
            raise found
        return httpx.Response(found, json={"data": {"groups": [{"rules": [{"name": "One"}]}]}})

    async def ask() -> frozenset[str] | str:
        stack = LocalStack("", "", "", "http://prometheus", "", "", "", ())
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            try:
                return await Observer(stack, client, GameDayTimeline(Console(quiet=True))).alert_names()
            except StackError as error:
                return str(error)

    return run_virtual(ask()), times[0]


def test_slow_and_busy_answers_are_asked_for_again() -> None:
    assert asked([503, httpx.ReadTimeout("slow"), 502, 200]) == ({"One"}, 4)


def test_what_stays_busy_ends_the_game_day_with_one_line() -> None:
    said, times = asked([503])
    assert said == f"http://prometheus/api/v1/rules?type=alert was asked {ASK_TIMES} times and answers 503"
    assert times == ASK_TIMES


def test_what_is_wrong_by_itself_is_not_asked_for_again() -> None:
    said, times = asked([401])
    assert (said, times) == ("http://prometheus/api/v1/rules?type=alert answers 401", 1)


def test_alertmanager_waits_as_much_shorter_as_time_is_compressed(tmp_path: Path) -> None:
    alertmanager_command(tmp_path, "alertmanager", "http://127.0.0.1:1", "http://127.0.0.1:2", "secret", 60.0)
    made = (tmp_path / "alertmanager.yml").read_text()
    shipped = (ROOT / "alerts" / "alertmanager.yml").read_text()
    assert "http://127.0.0.1:2/v1/ops/alerts" in made
    for here, there in zip(_waits(made), _waits(shipped), strict=True):
        assert here == pytest.approx(there / 60, abs=0.001)


def _waits(text: str) -> list[float]:
    units = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
    found = re.findall(r"(?:group_wait|group_interval|repeat_interval): (\d+)(ms|s|m|h)\n", text)
    assert len(found) > 5
    return [int(count) * units[unit] for count, unit in found]


@pytest.mark.gameday
@pytest.mark.skipif(not installed, reason="Prometheus or Alertmanager is not installed")
@pytest.mark.parametrize("name", ["haiku-slow"])  # `make gameday` plays them all
async def test_a_game_day(name: str) -> None:
    game = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent", "gameday", name),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(game.communicate(), 420)
    assert game.returncode == 0, said.decode()
