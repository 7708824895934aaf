"""Second calls where the first is late: who is heard, what is paid, and what is never spent."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from agent.core import clock
from agent.core.calls import CallRecorder, ErrorKind, ProviderError
from agent.providers.base import Prompt, TextDelta
from agent.providers.fallback.breaker import Breakers
from agent.providers.fallback.chain import ChainStep
from agent.providers.fallback.concurrency import PriorityLimiter
from agent.providers.fallback.hedge import LEAST_CALLS, SAVED_CALLS, ExtraCalls, HedgeBook, RecentLatency
from agent.providers.fallback.hedged import HedgedModel, HedgedVoice, HedgePlan
from agent.providers.fallback.llm_tts import LlmFallback, TtsFallback
from agent.session.turn_recorders import cause_of
from agent.telemetry.events import Cause, HedgeOutcome
from tests.support.providers import RecordingRecorder
from tests.support.scripted_llm_tts import (
    LLM,
    LOUD,
    TTS,
    ReplyTimeline,
    Scripted,
    reply_of,
    run_scenario,
    scripted,
    speech_of,
)

USUAL_S, LATE_S = 0.3, 9.0
SLOW: list[Any] = [LATE_S, "never"]
QUICK: list[Any] = [USUAL_S, "second"]


@dataclass
class _Held:
    given_back: int = 0

    def release(self) -> None:
        self.given_back += 1


@dataclass
class Hedging:
    """A plan and the book behind it; every model has taken `USUAL_S` so far."""

    model_percent: int = 50
    voice_percent: int = 50
    second: Any = "same"
    at_once: tuple[str, ...] = ()
    room: bool = True
    on: bool = True
    told: list[HedgeOutcome] = field(default_factory=list[HedgeOutcome])
    holds: list[_Held] = field(default_factory=list[_Held])
    book: HedgeBook = field(default_factory=HedgeBook)

    def reserve(self, *_: Any) -> _Held | None:
        if not self.room:
            return None
        self.holds.append(_Held())
        return self.holds[-1]

    def plan(self) -> HedgePlan:
        return HedgePlan(
            "p", 0.95, self.model_percent, self.voice_percent, self.second,
            lambda _, outcome: self.told.append(outcome), lambda: self.on, self.reserve, self.reserve,
            self.at_once,
        )  # fmt: skip

    def known(self, one: Scripted, usual_s: float = USUAL_S) -> None:
        for _ in range(LEAST_CALLS):
            self.book.latency(one.provider, one.model).add(usual_s)

    def earned(self, service: str = "llm") -> None:
        percent = self.model_percent if service == "llm" else self.voice_percent
        for _ in range(2):
            self.book.budget("p", service, percent).first_call()

    def chain(self, *models: Scripted, **step: Any) -> LlmFallback:
        for one in models:
            self.known(one)
        self.earned()
        steps = [ChainStep(one.provider, one, **step) for one in models]
        return LlmFallback(self.plan().models(steps, self.book, priority=False), LLM)


def test_a_call_that_is_late_is_overtaken_by_its_second_one_and_pays_for_both() -> None:
    async def scenario() -> None:
        hedging, recorder = Hedging(), ReplyTimeline()
        began = clock.now()
        assert await reply_of(hedging.chain(scripted("anthropic", SLOW, QUICK)), recorder) == "second"
        assert clock.now() - began == pytest.approx(2 * USUAL_S)
        assert hedging.told == [HedgeOutcome.WON]
        assert {(call.outcome, cause_of(call)) for call in recorder.calls} == {
            ("cancelled", Cause.HEDGE),
            ("ok", Cause.SERVED),
        }
        assert recorder.moves == []
        assert [hold.given_back for hold in hedging.holds] == [1]

    run_scenario(scenario())


@pytest.mark.parametrize("known", [True, False])
def test_a_model_that_is_asked_twice_at_once_is_not_waited_for(known: bool) -> None:
    async def scenario() -> None:
        hedging, recorder = Hedging(model_percent=100, at_once=("anthropic",)), ReplyTimeline()
        model = scripted("anthropic", [USUAL_S, "first"], [USUAL_S / 2, "second"])
        if known:
            hedging.known(model)
        hedging.earned()
        chain = LlmFallback(hedging.plan().models([ChainStep("anthropic", model)], hedging.book, priority=False), LLM)
        began = clock.now()
        assert await reply_of(chain, recorder) == "second"
        assert clock.now() - began == pytest.approx(USUAL_S / 2)
        assert hedging.told == [HedgeOutcome.WON]
        latency = hedging.book.latency(model.provider, model.model).quantile(0.5)
        assert latency == (USUAL_S if known else None)  # nothing was learned of what was overtaken

    run_scenario(scenario())


def test_only_the_models_that_are_named_are_asked_twice_at_once() -> None:
    async def scenario() -> None:
        hedging, recorder = Hedging(at_once=("other",)), ReplyTimeline()
        assert await reply_of(hedging.chain(scripted("anthropic", [USUAL_S / 2, "first"], QUICK)), recorder) == "first"
        assert hedging.told == []

    run_scenario(scenario())


def test_asked_twice_at_once_is_no_more_often_than_the_budget_says() -> None:
    async def scenario() -> None:
        hedging = Hedging(model_percent=25, at_once=("anthropic",))
        script: list[Any] = [USUAL_S, "said"]
        model = scripted("anthropic", *[script] * 20)
        steps = hedging.plan().models([ChainStep("anthropic", model)], hedging.book, priority=False)
        for _ in range(12):
            assert await reply_of(LlmFallback(steps, LLM), ReplyTimeline()) == "said"
        assert Counter(hedging.told) == {HedgeOutcome.LOST: 3, HedgeOutcome.OVER_BUDGET: 9}

    run_scenario(scenario())


def test_a_first_call_that_answers_after_all_is_heard_and_the_second_is_paid_as_a_hedge() -> None:
    async def scenario() -> None:
        hedging, recorder = Hedging(), ReplyTimeline()
        chain = hedging.chain(scripted("anthropic", [USUAL_S + 0.1, "first ", 1.0, "and more"], SLOW))
        assert await reply_of(chain, recorder) == "first and more"
        assert hedging.told == [HedgeOutcome.LOST]
        assert {(call.outcome, cause_of(call)) for call in recorder.calls} == {
            ("cancelled", Cause.HEDGE),
            ("ok", Cause.SERVED),
        }

    run_scenario(scenario())


def test_the_second_call_goes_to_the_next_model_where_the_policy_says_so() -> None:
    async def scenario() -> None:
        hedging, recorder = Hedging(second="fallback"), ReplyTimeline()
        first, next_one = scripted("anthropic", SLOW), scripted("other", QUICK)
        assert await reply_of(hedging.chain(first, next_one), recorder) == "second"
        assert {call.provider: cause_of(call) for call in recorder.calls} == {
            "anthropic": Cause.HEDGE,
            "other": Cause.SERVED,
        }

    run_scenario(scenario())


@pytest.mark.parametrize("first_fails_s", [USUAL_S + 0.05, USUAL_S + 5.0])
def test_where_one_fails_the_other_is_heard(first_fails_s: float) -> None:
    async def scenario() -> None:
        hedging, recorder = Hedging(), ReplyTimeline()
        first: list[Any] = [first_fails_s, ErrorKind.DISCONNECTED]
        assert await reply_of(hedging.chain(scripted("anthropic", first, QUICK)), recorder) == "second"
        assert hedging.told == [HedgeOutcome.WON]

    run_scenario(scenario())


def test_where_both_fail_the_chain_moves_on() -> None:
    async def scenario() -> None:
        hedging, recorder = Hedging(), ReplyTimeline()
        fails: list[Any] = [USUAL_S + 0.1, ErrorKind.DISCONNECTED]
        chain = hedging.chain(scripted("anthropic", fails), scripted("other", ["fallback"]))
        assert await reply_of(chain, recorder) == "fallback"
        assert hedging.told == [HedgeOutcome.FAILED]
        assert [cause_of(call) for call in recorder.calls] == [Cause.RETRY, Cause.HEDGE, Cause.SERVED]

    run_scenario(scenario())


@pytest.mark.parametrize("why", ["patience", "open", "budget", "busy", "ceiling", "unknown", "switched_off"])
def test_no_second_call_is_made(why: str) -> None:
    async def scenario() -> None:
        hedging, recorder = Hedging(room=why != "ceiling", on=why != "switched_off"), ReplyTimeline()
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("anthropic", "m")
        slots = PriorityLimiter(1) if why == "busy" else None
        first: list[Any] = [USUAL_S, USUAL_S, "first"]
        model = scripted("anthropic", first, QUICK)
        chain = hedging.chain(model, breaker=breaker, slots=slots)
        if why == "budget":
            budget = hedging.book.budget("p", "llm", hedging.model_percent)
            while budget.enough:
                budget.spend()
            budget.spend()
        if why == "unknown":
            hedging.book = HedgeBook()
            chain = LlmFallback(
                hedging.plan().models([ChainStep("anthropic", model)], hedging.book, priority=False), LLM
            )
        asking = asyncio.create_task(reply_of(chain, recorder))
        await asyncio.sleep(USUAL_S / 2)
        if why == "patience":
            breaker.failed(ErrorKind.RATE_LIMITED, 60.0)
        elif why == "open":
            for _ in range(3):
                breaker.failed(ErrorKind.REFUSED)
        assert await asking == "first"
        assert len(recorder.calls) == 1
        expected = {"budget": "over_budget", "patience": "unwell", "open": "unwell", "unknown": None}
        outcome = expected.get(why, why)
        assert hedging.told == ([] if outcome is None else [outcome])

    run_scenario(scenario())


def test_a_second_call_that_is_rate_limited_stops_the_next_one() -> None:
    class Limited(Scripted):
        async def reply(self, session: str, prompt: Prompt, recorder: CallRecorder) -> AsyncGenerator[TextDelta]:
            self.prompts.append(prompt)
            if len(self.prompts) == 2:
                raise ProviderError("anthropic", ErrorKind.RATE_LIMITED, retry_after_s=30.0)
            await asyncio.sleep(2 * USUAL_S)
            yield TextDelta("first")

    async def scenario() -> None:
        hedging, recorder = Hedging(), ReplyTimeline()
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("anthropic", "m")
        assert await reply_of(hedging.chain(Limited("anthropic", [[]]), breaker=breaker), recorder) == "first"
        assert not breaker.allows

    run_scenario(scenario())


def test_whoever_stops_listening_stops_both() -> None:
    async def scenario() -> None:
        hedging, recorder = Hedging(), ReplyTimeline()
        asking = asyncio.create_task(reply_of(hedging.chain(scripted("anthropic", SLOW)), recorder))
        await asyncio.sleep(1.5 * USUAL_S)
        asking.cancel()
        await asyncio.wait({asking})
        assert [cause_of(call) for call in recorder.calls] in (
            [Cause.HEDGE, Cause.INTERRUPTED],
            [Cause.INTERRUPTED, Cause.HEDGE],
        )
        assert hedging.told == [HedgeOutcome.CANCELLED]
        assert [hold.given_back for hold in hedging.holds] == [1]

    run_scenario(scenario())


def test_a_voice_whose_first_sound_is_late_is_asked_again() -> None:
    async def scenario() -> None:
        hedging, recorder = Hedging(), ReplyTimeline()
        voice = scripted("elevenlabs", [LATE_S, LOUD], [USUAL_S, *[LOUD] * 40])
        hedging.known(voice)
        hedging.earned("tts")
        step = hedging.plan().voice(ChainStep("elevenlabs", voice), hedging.book, priority=False)
        began = clock.now()
        assert len(await speech_of(TtsFallback([step], TTS), recorder)) == 40
        assert clock.now() - began == pytest.approx(2 * USUAL_S)
        assert [cause_of(call) for call in recorder.calls].count(Cause.HEDGE) == 1

    run_scenario(scenario())


def test_a_voice_may_be_late_by_a_quantile_of_its_own() -> None:
    voice = scripted("elevenlabs", [USUAL_S, LOUD])
    for given, expected in ((None, 0.95), (0.98, 0.98)):
        hedging = Hedging()
        plan = replace(hedging.plan(), voice_quantile=given)
        hedged = plan.voice(ChainStep("elevenlabs", voice), hedging.book, priority=False).provider
        assert isinstance(hedged, HedgedVoice)
        assert hedged.hedge.quantile == expected
        [model] = plan.models([ChainStep("anthropic", scripted("anthropic", QUICK))], hedging.book, priority=False)
        assert isinstance(model.provider, HedgedModel)
        assert model.provider.hedge.quantile == 0.95


@pytest.mark.parametrize("percent", [1, 5, 20, 50])
@pytest.mark.parametrize("seed", range(5))
def test_no_more_second_calls_are_made_than_the_budget_says(percent: int, seed: int) -> None:
    budget, dice = ExtraCalls(percent), random.Random(seed)
    first = second = in_a_row = longest = 0
    for _ in range(5_000):
        if dice.random() < 0.5:
            budget.first_call()
            first, in_a_row = first + 1, 0
        if dice.random() < dice.random() and budget.enough:
            budget.spend()
            second, in_a_row = second + 1, in_a_row + 1
            longest = max(longest, in_a_row)
        assert 100 * second <= percent * first
    assert second > 0
    assert longest <= SAVED_CALLS


def test_calls_that_never_answer_do_not_move_the_quantile() -> None:
    async def scenario() -> None:
        hedging, dice = Hedging(model_percent=5), random.Random(3)
        outcomes: Counter[str] = Counter()
        for _ in range(600):
            stalls = dice.random() < 0.05
            first: list[Any] = SLOW if stalls else [dice.lognormvariate(-1.1, 0.3), "first"]
            before = len(hedging.told)
            model = scripted("anthropic", first, QUICK)
            steps = hedging.plan().models([ChainStep("anthropic", model)], hedging.book, priority=False)
            chain = LlmFallback([*steps, ChainStep("other", scripted("other", ["fallback"]))], LLM)
            await reply_of(chain, ReplyTimeline())
            outcomes.update(hedging.told[before:])
        late = hedging.book.latency("anthropic", "m").quantile(0.95)
        assert late is not None
        assert 0.4 < late < 0.9  # 0.33 s is the median, 0.54 s the 95th percentile of those that answer
        assert outcomes[HedgeOutcome.WON] > 10

    run_scenario(scenario())


def test_a_quantile_is_the_nearest_rank_of_the_latest_calls() -> None:
    latency = RecentLatency()
    for number in range(1, LEAST_CALLS):
        latency.add(number)
    assert latency.quantile(0.95) is None
    latency.add(LEAST_CALLS)
    assert latency.quantile(0.95) == 19
    assert latency.quantile(0.5) == 10
