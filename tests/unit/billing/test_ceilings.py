"""Ceilings on money: what is reserved, who pays, and that strangers never spend what members need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from agent.billing.accounts import AccountKey
from agent.billing.ceilings import SWEEP_EVERY_S, Payer, Scope, Step
from agent.billing.prices import NANO
from agent.budgets import Tier
from agent.core.calls import CallRecorder, FallbackObserver, ListeningNote, ProviderError, note_confidence
from agent.core.calls import note as tell
from agent.providers.base import Audio, SpeechStream
from agent.session.guarded import GuardedLanguageModel, GuardedSpeechToText, GuardedTextToSpeech
from tests.support.ceilings import (
    PRICES,
    PROMPT,
    Clock,
    Model,
    Observer,
    Process,
    Recorder,
    SharedLeases,
    member,
    stranger,
)
from tests.support.factories import BUDGETS, NOON, heard, said, thought
from tests.support.held import held_by
from tests.support.virtual_time import run_virtual


async def test_a_hundred_superseded_texts_cost_a_stranger_no_more_than_a_session() -> None:
    process, recorder, database = Process(), Recorder(), SharedLeases()
    purse = process.ceilings.purse(stranger())
    model = GuardedLanguageModel(Model(), purse, PRICES)
    refused = 0
    for _ in range(100):
        await process.ceilings.exchange(database)
        if purse.step is Step.STOP:
            refused += 1
            continue
        async with aclosing(model.reply("s1", PROMPT, recorder)) as pieces:
            async for _piece in pieces:
                break  # the next text supersedes the turn
    spent = sum(PRICES.paid(call) for call in recorder.calls) / NANO
    assert refused > 50
    assert spent <= BUDGETS.ceilings[Tier.FREE].session_usd
    assert purse.used_usd == pytest.approx(spent)
    assert process.limited(Scope.SESSION, Tier.FREE, "stop") == 1
    assert process.limited(Scope.SESSION, Tier.FREE, "economy") == 1


async def test_calls_at_the_same_time_reserve_before_they_are_made() -> None:
    process, inner = Process(), Model()
    purse = process.ceilings.purse(stranger())
    model = GuardedLanguageModel(inner, purse, PRICES)
    open_replies = [model.reply("s1", PROMPT, Recorder()) for _ in range(100)]
    failed = 0
    for reply in open_replies:
        try:
            await anext(reply)
        except ProviderError:
            failed += 1
    assert failed
    assert inner.asked + failed == 100
    assert purse.used_usd <= BUDGETS.ceilings[Tier.FREE].session_usd
    for reply in open_replies:
        await reply.aclose()


async def test_what_was_reserved_and_not_used_is_there_again() -> None:
    process = Process()
    purse = process.ceilings.purse(stranger())
    hold = purse.reserve(100_000_000)
    assert hold is not None
    assert purse.reserve(100_000_000) is None
    hold.release()
    hold.release()
    assert purse.used_usd == 0
    assert purse.reserve(100_000_000) is not None


async def test_a_stream_counts_while_it_is_sent_and_is_not_counted_twice() -> None:
    process, recorder = Process(), Observer()
    purse = process.ceilings.purse(stranger())

    class Stream:
        sent_bytes = 0

        async def send(self, pcm: bytes, *, voiced_s: float = 0.0) -> None:
            self.sent_bytes += len(pcm)

        async def finish(self) -> None: ...

    class Recogniser:
        provider, model = "deepgram", "flux-general-en"

        def open(self, session: str, to: CallRecorder) -> object:
            @asynccontextmanager
            async def opened() -> AsyncGenerator[SpeechStream]:
                yield Stream()  # type: ignore[misc]
                to.record(heard(60))
                assert isinstance(to, FallbackObserver)

            return opened()

    recogniser = GuardedSpeechToText(Recogniser(), purse, PRICES)  # type: ignore[arg-type]
    async with recogniser.open("s1", recorder) as stream:
        for _ in range(600):
            await stream.send(bytes(3_200))
        minute = PRICES.paid(heard(60)) / NANO
        assert purse.used_usd == pytest.approx(minute, rel=1e-3)
    assert purse.used_usd == pytest.approx(minute, rel=1e-9)


async def test_what_listening_noted_reaches_the_recorder_behind_the_purse() -> None:
    notes: list[object] = []

    class Noting(Recorder):
        def noted(self, note: ListeningNote) -> None:
            notes.append(note)

        def recognised(self, provider: str, confidence: float) -> None:
            notes.append((provider, confidence))

    class Recogniser:
        provider, model = "deepgram", "flux-general-en"

        @asynccontextmanager
        async def open(self, session: str, to: CallRecorder) -> AsyncGenerator[None]:
            tell(to, ListeningNote.TURN_FORCED)
            note_confidence(to, "deepgram", [0.5, 1.0])
            yield None

    purse = Process().ceilings.purse(stranger())
    async with GuardedSpeechToText(Recogniser(), purse, PRICES).open("s1", Noting()):  # type: ignore[arg-type]
        assert notes == [ListeningNote.TURN_FORCED, ("deepgram", 0.75)]


async def test_a_voice_beyond_the_ceiling_is_not_asked() -> None:
    purse = Process().ceilings.purse(stranger(), spent_nano_usd=149_000_000)

    class Voice:
        provider, model = "elevenlabs", "eleven_flash_v2_5"

        async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio]:
            recorder.record(said(len(text)))
            yield Audio(b"\0\0", "elevenlabs")

    voice = GuardedTextToSpeech(Voice(), purse, PRICES)
    assert [piece async for piece in voice.speak("s1", "Yes.", Recorder())]
    with pytest.raises(ProviderError):
        assert [piece async for piece in voice.speak("s1", "x" * 100, Recorder())]


def test_with_everything_strangers_may_spend_gone_a_premium_caller_notices_nothing() -> None:
    async def scene() -> None:
        process = Process()
        for number in range(2_000):
            payer = stranger(f"free-{number}", f"198.51.{number // 250}.{number % 250}")
            if process.ceilings.reached(payer) is None:
                process.ceilings.purse(payer).spend(50_000_000)
        assert process.ceilings.reached(stranger("new", "203.0.113.7")) is not None
        # from the address of a stranger whose day is used up, too
        for payer in (member(), member("bob", "198.51.0.1")):
            assert process.ceilings.reached(payer) is None
            assert process.ceilings.purse(payer).step is Step.NORMAL

    run_virtual(scene())


@pytest.mark.parametrize(
    ("scope", "payers"),
    [
        (Scope.SUBJECT_DAY, [stranger("eve", f"192.0.2.{n}") for n in range(60)]),
        (Scope.ADDRESS_DAY, [stranger(f"free-{n}", "192.0.2.1") for n in range(60)]),
        (Scope.TIER_HOUR, [stranger(f"free-{n}", f"10.0.{n // 250}.{n % 250}") for n in range(2_000)]),
    ],
)
def test_each_ceiling_holds_by_itself(scope: Scope, payers: list[Payer]) -> None:
    async def scene() -> None:
        process, database = Process(), SharedLeases()
        spent, reached = 0.0, None
        for payer in payers:
            await process.ceilings.exchange(database)
            if process.clock.at.hour == 12 and spent > 0.5 and scope is not Scope.TIER_HOUR:
                process.clock.at += timedelta(hours=1)  # so that an address's hour is not the one that is reached
            reached = process.ceilings.reached(payer)
            if reached is not None:
                break
            process.ceilings.purse(payer).spend(50_000_000)
            spent += 0.05
        assert reached is not None and reached.scope is scope
        assert reached.retry_after_s > 0
        limits = BUDGETS.ceilings[Tier.FREE]
        assert round(spent, 6) <= {Scope.TIER_HOUR: limits.tier_hour_usd}.get(scope, limits.address_day_usd)
        assert process.limited(scope, Tier.FREE, "refused") == 1

    run_virtual(scene())


def test_whatever_tokens_an_api_key_asks_for_its_callers_share_one_ceiling() -> None:
    async def scene() -> None:
        process, database = Process(), SharedLeases()
        spent, reached = 0.0, None
        for number in range(500):
            process.clock.at = NOON + timedelta(minutes=number)  # so that no hour's ceiling is the one that is reached
            payer = Payer(f"key-{number}", Tier.PREMIUM, f"10.0.{number // 250}.{number % 250}", "leaked")
            await process.ceilings.exchange(database)
            if reached := process.ceilings.reached(payer):
                break
            process.ceilings.purse(payer).spend(NANO)
            spent += 1.0
        limit = BUDGETS.ceilings[Tier.PREMIUM].key_day_usd
        assert reached is not None and reached.scope is Scope.KEY_DAY
        assert limit - 1 <= spent <= limit
        assert process.limited(Scope.KEY_DAY, Tier.PREMIUM, "refused") == 1
        others = [Payer("key-x", Tier.PREMIUM, "10.9.9.9", "another"), Payer("member", Tier.PREMIUM, "10.9.9.8")]
        assert [process.ceilings.reached(payer) for payer in others] == [None, None]

    run_virtual(scene())


def test_processes_share_a_ceiling_by_leases_and_a_new_day_begins_anew() -> None:
    async def scene() -> None:
        clock, database = Clock(), SharedLeases()
        processes = [Process(clock) for _ in range(3)]
        purses = [process.ceilings.purse(stranger("eve", None)) for process in processes]
        spent = 0.0
        for _ in range(300):
            for process, purse in zip(processes, purses, strict=True):
                await process.ceilings.exchange(database)
                if process.ceilings.reached(stranger("eve", None)) is None:
                    purse.spend(5_000_000)
                    spent += 0.005
        assert 0.9 <= spent <= 1.0
        clock.at += timedelta(days=1)
        assert all(process.ceilings.reached(stranger("eve", None)) is None for process in processes)

    run_virtual(scene())


def test_with_the_database_down_the_lease_and_then_a_local_share_apply() -> None:
    async def scene() -> None:
        process, database = Process(), SharedLeases()
        payer = stranger("eve", None)
        purse = process.ceilings.purse(payer)
        purse.spend(1_000_000)
        await process.ceilings.exchange(database)
        database.down = True
        spent = 0.001
        for _ in range(300):
            await process.ceilings.exchange(database)
            if process.ceilings.reached(payer) is None:
                purse.spend(5_000_000)
                spent += 0.005
        limits = BUDGETS.ceilings[Tier.FREE]
        assert 0.1 <= spent <= (0.1 + limits.local_share) * limits.subject_day_usd + 0.01
        database.down = False
        await process.ceilings.exchange(database)
        assert process.ceilings.reached(payer) is None

    run_virtual(scene())


def test_idle_accounts_give_back_what_they_do_not_need() -> None:
    async def scene() -> None:
        process, database = Process(), SharedLeases()
        process.ceilings.purse(stranger()).spend(3_000_000)
        running = asyncio.create_task(process.ceilings.run(database))
        await asyncio.sleep(5)
        assert sum(database.leased.values()) > 50_000_000
        await asyncio.sleep(120)
        assert set(database.leased.values()) == {3_000_000}
        process.ceilings.purse(stranger("other")).spend(2_000_000)
        await asyncio.sleep(5)
        running.cancel()
        await asyncio.wait({running})
        assert sum(database.leased.values()) == 4 * 3_000_000 + 2_000_000 * 4  # each of the four shared scopes

    run_virtual(scene())


@pytest.mark.parametrize("pause_s", [0.0, 600.0])
def test_a_purse_spends_from_the_accounts_that_hold_now(pause_s: float) -> None:
    """Also when the hour has ended since its last use, and when its accounts have been forgotten meanwhile."""

    async def scene() -> None:
        process, database = Process(), SharedLeases()
        purse = process.ceilings.purse(stranger())
        running = asyncio.create_task(process.ceilings.run(database))
        for _ in range(3):
            purse.spend(4_000_000)
            await asyncio.sleep(1)
        await asyncio.sleep(pause_s)
        process.clock.at += timedelta(hours=1)
        await asyncio.sleep(1)
        purse.spend(1_000_000)
        await asyncio.sleep(1)
        running.cancel()
        await asyncio.wait({running})
        by_scope = {scope: spent for (scope, until), spent in _leased(database).items() if until == NOON.hour + 2}
        assert by_scope == {Scope.ADDRESS_HOUR: 1_000_000, Scope.TIER_HOUR: 1_000_000}
        assert sum(spent for (scope, _), spent in _leased(database).items() if scope is Scope.SUBJECT_DAY) == 13_000_000

    run_virtual(scene())


def _leased(database: SharedLeases) -> dict[tuple[Scope, int], int]:
    """What is leased at the end, by scope and by the hour at which its window ends."""
    keys = [key for key in database.leased if isinstance(key, AccountKey) and key.until is not None]
    return {(key.scope, key.until.hour if key.until else 0): database.leased[key] for key in keys}


async def test_thought_and_said_are_priced_as_the_ledger_prices_them() -> None:
    purse = Process().ceilings.purse(member())
    for call in (thought(), said()):
        purse.spend(PRICES.paid(call))
    assert purse.used_usd == pytest.approx((PRICES.paid(thought()) + PRICES.paid(said())) / NANO)


def test_nothing_of_callers_who_are_gone_is_kept_not_even_their_names() -> None:
    async def strangers(process: Process, leases: SharedLeases, first: int) -> int:
        for number in range(first, first + 100):
            payer = replace(stranger(), subject=f"free-{number}", address=f"192.0.2.{number % 250}")
            assert process.ceilings.reached(payer) is None
            purse = process.ceilings.purse(payer)
            async with aclosing(GuardedLanguageModel(Model(), purse, PRICES).reply("s1", PROMPT, Recorder())) as pieces:
                async for _piece in pieces:
                    break
            await process.ceilings.exchange(leases)
        for _ in range(12):
            await asyncio.sleep(SWEEP_EVERY_S)
            await process.ceilings.exchange(leases)
        return held_by(process.ceilings)

    async def both() -> None:
        process, leases = Process(), SharedLeases()
        before = await strangers(process, leases, 0)
        assert await strangers(process, leases, 100) <= before + 10

    run_virtual(both())
