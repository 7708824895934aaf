"""The governor of the knobs that guess: when it switches one off, that it says so, and that the knob comes back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
import structlog
from structlog.testing import LogCapture

from agent.budgets import Tier
from agent.core import clock
from agent.core.calls import Call, Usage
from agent.providers.base import Message, Prompt
from agent.session.early_reply import EarlyReplies
from agent.session.early_voice import KeptCalls
from agent.session.events import TurnMeasured
from agent.session.governor import COOL_DOWN_S, LEAST_ATTEMPTS, Governors, WasteBudget, WasteGovernor
from agent.telemetry import catalog
from agent.telemetry.events import Event, Guessed, GuessOutcome, Knob, KnobSwitched, SessionInfo
from tests.support.session import ScriptedModel, SessionHarness, running, silence, voice
from tests.support.virtual_time import run_virtual

CALL = Call("llm", "anthropic", "m", "cancelled", 0.0, None, 0.0, Usage())


@dataclass
class Heard:
    events: list[Event] = field(default_factory=list[Event])

    def handle(self, event: Event) -> None:
        self.events.append(event)


def governor(heard: Heard, share: float = 0.5, usd_hour: float = 1.0, nano: int = 0) -> WasteGovernor:
    return Governors(heard, lambda _: nano).of("p", Knob.EARLY_REPLIES, WasteBudget(share, usd_hour))


@pytest.mark.parametrize(("wasted", "off"), [(10, False), (11, True)])
def test_too_large_a_share_in_vain_switches_a_knob_off_and_it_comes_back(
    monkeypatch: pytest.MonkeyPatch, wasted: int, off: bool
) -> None:
    logs = LogCapture()
    every = structlog.make_filtering_bound_logger(0)  # whatever level a test before this one has configured
    log = structlog.wrap_logger(None, processors=[logs], wrapper_class=every)
    monkeypatch.setattr("agent.session.governor.log", log)

    async def scenario() -> None:
        one = governor(heard := Heard())
        for number in range(LEAST_ATTEMPTS):
            assert one.allows
            one.attempt(number >= wasted)
        assert one.allows is not off
        if not off:
            return
        assert heard.events == [KnobSwitched("p", Knob.EARLY_REPLIES, on=False, reason="share")]
        assert [entry["event"] for entry in logs.entries] == ["knob switched off"]
        await asyncio.sleep(COOL_DOWN_S - 1)
        assert not one.allows
        await asyncio.sleep(2)
        assert one.allows
        assert heard.events[1:] == [KnobSwitched("p", Knob.EARLY_REPLIES, on=True, reason="cooled_down")]
        one.attempt(False)  # what was before the cool-down is forgotten
        assert one.allows

    run_virtual(scenario())


@pytest.mark.parametrize(("pause_s", "allows"), [(10.0, False), (400.0, True)])
def test_dollars_of_an_hour_switch_a_knob_off(pause_s: float, allows: bool) -> None:
    async def scenario() -> None:
        one = governor(Heard(), nano=100_000_000)  # ten cents
        for _ in range(12):
            one.wasted(CALL)
            await asyncio.sleep(pause_s)
        assert one.allows is allows

    run_virtual(scenario())


def test_guesses_of_turns_that_are_not_over_say_nothing_yet() -> None:
    """Fifty callers begin to speak together: what is taken back comes first, what is taken a second later."""

    async def scenario() -> None:
        one = governor(heard := Heard(), share=0.7)
        model, prompt = ScriptedModel([[0.1, "Yes. "]]), Prompt("", "", (Message("user", "which"),))
        info = SessionInfo("s", "ada", Tier.PREMIUM, "p", 1)
        async with asyncio.TaskGroup() as group:
            sessions = [EarlyReplies(info, heard, group, True, one) for _ in range(50)]
            for early in sessions:
                early.guess("which", model, prompt)
                early.heard("which room")
            assert one.allows
            for early in sessions:
                early.guess("which", model, prompt)
                early.take(clock.now(), model, prompt, KeptCalls())
                assert one.allows
            for early in sessions[: 2 * LEAST_ATTEMPTS]:
                await early.release()
                early.guess("which", model, prompt)
                early.heard("which room")
                early.take(clock.now(), model, prompt, KeptCalls())
            assert not one.allows  # turns that end with nothing but waste are told
        assert GuessOutcome.TAKEN in {event.outcome for event in heard.events if isinstance(event, Guessed)}

    run_virtual(scenario())


def test_a_policy_has_one_governor_for_each_knob() -> None:
    governors = Governors(Heard(), lambda _: 0)
    budget = WasteBudget(0.5, 1.0)
    one = governors.of("p", Knob.HEDGING, budget)
    assert governors.of("p", Knob.HEDGING, budget) is one
    assert governors.of("p", Knob.EARLY_REPLIES, budget) is not one


def test_no_session_guesses_while_the_knob_is_off_and_what_was_wasted_is_told() -> None:
    async def scenario() -> None:
        heard = Heard()
        harness = SessionHarness(llm=ScriptedModel([[0.2, "Yes. "]]), early_replies=True)
        harness.early_governor = one = governor(heard, usd_hour=0.0, nano=1)
        async with running(harness):
            caller = await harness.call()
            for number in range(2):
                await caller.speak(voice(0.6) + silence(0.2))
                harness.stt.likely(f"room {number}")
                await asyncio.sleep(0.1)
                harness.stt.resumes(f"room {number}")
                harness.stt.says(f"room {number} with a view")
                await caller.get(TurnMeasured, number + 1)
            caller.hang_up()
        assert not one.allows
        assert [event.outcome for event in harness.all(Guessed)] == [GuessOutcome.RESUMED]
        assert [event.reason for event in heard.events if isinstance(event, KnobSwitched)] == ["dollars"]

    run_virtual(scenario())


def test_the_knob_is_a_gauge_with_known_words() -> None:
    assert catalog.KNOB_OFF.labels == ("knob", "policy")
    assert catalog.KNOB_SWITCHES.labels == ("knob", "policy", "reason")
