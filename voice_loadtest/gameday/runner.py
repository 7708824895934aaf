"""Plays one scenario on a running stack: healthy, fault, recovery."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import httpx

from voice_loadtest.gameday import queries
from voice_loadtest.gameday.assertions import CLOSE_S, Check, Milestones, begun_later, check, pages_resolved, recovered
from voice_loadtest.gameday.observer import Observer
from voice_loadtest.gameday.scenario import BASELINE, POLICY, TIER, Injection, Scenario, version_name
from voice_loadtest.gameday.timeline import GameDayTimeline
from voice_loadtest.gameday.trouble import Way, keep_probing, stand_still, way_to
from voice_loadtest.records import CallRecord
from voice_loadtest.script import Interrupt, Speak, Step
from voice_loadtest.stack.processes import LocalStack
from voice_loadtest.traffic import CallerPool, MakeCall, Tally, TrafficGenerator, conversation, switchboard

LOOK_S: Final = 0.5
START_MOST_S: Final = 30.0
HEALTHY_MOST_S: Final = 120.0
RECOVERY_LEAST_S: Final = 5.0
RECOVERY_MOST_S: Final = 120.0
PROBE_KEY: Final = "the-synthetic-caller-of-a-game-day"
FORGED_MS: Final = 4_000.0
SLOW_VOICE_MS: Final = 600.0
"""A first sound that takes longer is the slow voice's: the others take 240 ms, and 410 in one of twenty."""
_BAD_LINE_TURNS: Final = 12


@dataclass(frozen=True, slots=True)
class PlayedGameDay:
    """How a scenario went."""

    scenario: Scenario
    checks: Sequence[Check]
    tally: Tally
    seconds: float
    detected_s: float | None
    """From the fault to the first alert that must fire."""
    rolled_back_s: float | None
    """From there to the rollback."""

    @property
    def passed(self) -> bool:
        return all(one.passed for one in self.checks)


class Play:
    """One run of one scenario."""

    def __init__(
        self, scenario: Scenario, stack: LocalStack, client: httpx.AsyncClient, timeline: GameDayTimeline
    ) -> None:
        self._scenario = scenario
        self._house = stack
        self._client = client
        self._timeline = timeline
        self._watch = Observer(stack, client, timeline, "" if scenario.trial is None else scenario.trial.agent)
        self._moments = Milestones()
        self._more = True
        self._way: Way | None = None
        self._stalling: asyncio.Task[None] | None = None

    async def run(self, seed: int) -> PlayedGameDay:
        """Plays it to its end, or as long as the slowest that could still pass."""
        scenario = self._scenario
        crowd = CallerPool(scenario.callers, _talk(scenario.turns), premium=0.0, pause_s=scenario.pause_s)
        await self._watch.at_rest(START_MOST_S)
        self._timeline.begin()
        async with (
            self._door() as door,
            switchboard(door, on_call=self._ended) as line,
            asyncio.TaskGroup() as calls,
        ):
            calling = [calls.create_task(line.keep_calling(crowd, str(seed), lambda: True))]
            if scenario.probed:
                calling.append(calls.create_task(keep_probing(door.url, PROBE_KEY)))
            await self._healthy()
            await self._fault(line, calls, seed)
            await self._recovery()
            for task in calling:
                task.cancel()
            checks = check(scenario, self._watch, self._moments, await self._watch.alert_names())
        seen = [fired.at for fired in map(self._watch.first, scenario.fires) if fired is not None]
        detected, decision = min(seen, default=None), self._watch.rollback
        return PlayedGameDay(
            scenario,
            checks,
            line.tally,
            self._timeline.now(),
            None if detected is None else detected - self._moments.injected,
            # alerts are looked at twice a second, so a decision can be seen before its alert
            None if detected is None or decision is None else max(0.0, decision.at - detected),
        )

    # The phases

    async def _healthy(self) -> None:
        scenario = self._scenario
        shares = ", ".join(f"{name} {percent} %" for name, percent in scenario.weights.items() if percent)
        self._timeline.add("phase", f"healthy: {scenario.callers} callers at a time, {shares}")
        await self._until(
            scenario.healthy_s,
            HEALTHY_MOST_S,
            lambda: self._watch.quiet and (self._judged() or not scenario.judged_first),
        )

    async def _fault(self, line: TrafficGenerator, calls: asyncio.TaskGroup, seed: int) -> None:
        scenario, injection = self._scenario, self._scenario.injection
        await self._inject(injection)
        self._moments.injected = self._timeline.now()
        self._timeline.add("injected", injection.text)
        if injection.more_callers:
            more = CallerPool(injection.more_callers, _talk(4), premium=0.0)
            calls.create_task(line.keep_calling(more, f"{seed}:more", lambda: self._more))
        if injection.forged_callers:
            calls.create_task(self._forged(injection.forged_callers, seed))
        if injection.stall_s:
            self._stalling = calls.create_task(stand_still(self._house, injection.stall_s))
        bad = calls.create_task(self._bad_line(injection.bad_line_ms)) if injection.bad_line_ms else None

        def seen() -> bool:
            if any(self._watch.first(name) is None for name in scenario.fires):
                return False
            if scenario.held and scenario.held not in self._watch.held:
                return False
            if scenario.rolled_back:
                return self._mended()
            return bad is None or bad.done()

        await self._until(scenario.fault_s, scenario.fault_most_s, seen)

    async def _recovery(self) -> None:
        self._more = False
        if self._stalling is not None:
            self._stalling.cancel()
        await self._inject(Injection(""))
        self._moments.removed = self._timeline.now()
        self._timeline.add("taken back", self._scenario.injection.text)
        if await self._until(
            RECOVERY_LEAST_S,
            RECOVERY_MOST_S,
            lambda: pages_resolved(self._watch) and recovered(self._scenario, self._watch),
        ):
            self._moments.recovered = self._timeline.now()
            self._timeline.add("phase", "recovered: all is well, and no page fires")

    def _judged(self) -> bool:
        """Whether there is enough data on every policy that is assigned."""
        numbers, weights = self._watch.numbers, self._scenario.weights
        baseline = not weights.get(BASELINE) or numbers[queries.BASELINE_ENOUGH] == 1
        verdict = numbers[queries.VERDICT]
        return baseline and (not weights.get(POLICY) or verdict not in (None, queries.NOT_ENOUGH))

    def _mended(self) -> bool:
        """Whether it was rolled back, the recent window is well again, and a call that began since then has ended."""
        decision = self._watch.rollback
        if decision is None or not recovered(self._scenario, self._watch):
            return False
        if self._timeline.now() - decision.at < queries.RECENT_S / 2 or not begun_later(self._moments, decision.at):
            return False
        self._moments.mended_under_fault = self._timeline.now()
        self._timeline.add("phase", "all is well again, with the fault still there")
        return True

    async def _until(self, least_s: float, most_s: float, holds: Callable[[], bool]) -> bool:
        """Watches until something holds; False when it did not within `most_s`."""
        began = time.monotonic()
        while True:
            await self._watch.look()
            passed = time.monotonic() - began
            if passed >= least_s and holds():
                return True
            if passed >= most_s:
                return False
            await asyncio.sleep(LOOK_S)

    # What is injected

    @asynccontextmanager
    async def _door(self) -> AsyncGenerator[LocalStack]:
        """The stack as callers reach it."""
        if not self._scenario.injection.cut_off:
            yield self._house
            return
        async with way_to(self._house) as self._way:
            yield replace(self._house, url=self._way.url)

    async def _inject(self, injection: Injection) -> None:
        if self._way is not None:
            await (self._way.cut() if injection.cut_off else self._way.open())
        sandbox = self._house.sandbox_url
        (await self._client.put(f"{sandbox}/control/latency", json=dict(injection.latency))).raise_for_status()
        (await self._client.delete(f"{sandbox}/control/faults")).raise_for_status()
        for fault in injection.faults:
            (await self._client.post(f"{sandbox}/control/faults", json=dict(fault))).raise_for_status()
        if injection.assign:
            body = {"weights": dict(injection.assign), "reason": injection.text}
            await self._operate(f"policies/{TIER}/assign", self._watch.revision, body)
        if injection.canary_percent and (trial := self._scenario.trial):
            body = {"version": trial.version, "share": injection.canary_percent, "reason": injection.text}
            await self._operate(f"agents/{trial.agent}/canary", 0, body)

    async def _operate(self, path: str, seen: int, body: Mapping[str, Any]) -> None:
        """Does what an operator does, about the revision that was seen."""
        headers = {"authorization": f"Bearer {self._house.operator_token}", "if-match": str(seen)}
        url = f"{self._house.ops_url}/v1/ops/{path}"
        (await self._client.post(url, json=dict(body), headers=headers)).raise_for_status()

    async def _forged(self, callers: int, seed: int) -> None:
        async with switchboard(self._house, FORGED_MS) as line:
            await line.keep_calling(CallerPool(callers, _talk(4), premium=0.0), f"{seed}:forged", lambda: self._more)

    async def _bad_line(self, network_ms: float) -> None:
        said: list[Speak] = []
        dice = random.Random(0)
        while len(said) < _BAD_LINE_TURNS:
            said += conversation(dice, 3, 4)
        async with switchboard(self._house, network_ms, self._bad_line_ended) as line:
            await line.call("bad line", said[:_BAD_LINE_TURNS], premium=False, gap_s=0.2)

    def _bad_line_ended(self, _: float, record: CallRecord) -> None:
        waits = (turn.voice_to_voice_ms for turn in record.turns)
        self._moments.bad_line_waits_ms += [wait for wait in waits if wait is not None]

    def _ended(self, began: float, record: CallRecord) -> None:
        at, trial = self._timeline.now() - (time.monotonic() - began), self._scenario.trial
        name = (record.policy or "") if trial is None else version_name(record.agent_version or 0)
        self._moments.calls.append((at, name))
        back = self._watch.rollback
        ran_on = back is not None and at < back.at < self._timeline.now() - CLOSE_S
        if trial is not None and name == self._scenario.subject and ran_on and not self._moments.removed:
            waits = [turn.stages.get("tts") for turn in record.turns]
            spoken = [wait for wait in waits if wait is not None]
            self._moments.kept_on.append(bool(spoken) and spoken[-1] > SLOW_VOICE_MS)


def _talk(turns: int) -> MakeCall:
    """Turns of an impatient caller, who cuts all replies but the last short: more turns within a minute."""

    def call(dice: random.Random) -> tuple[str, Sequence[Step]]:
        first, *others = conversation(dice, turns, turns)
        return "spoken", [first, *(Interrupt(step.clip, dice.uniform(0.6, 1.0)) for step in others)]

    return call
