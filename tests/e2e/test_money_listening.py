"""Speech to text by the second: what is streamed is charged, long silences are not streamed, and speech comes back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from agent.billing.prices import NANO
from agent.providers.deepgram.stream import DeepgramStream
from tests.support.billing import Books, counted, read_books
from tests.support.stack import Stack, clip, running_stack
from voice_loadtest.records import CallRecord
from voice_loadtest.script import Speak, Wait

SAMPLES = 16_000
SILENCE_S = 8.0


async def books_of(stack: Stack) -> Books:
    await stack.quiet()
    assert await stack.wiring.ledger.flush(10)
    return await read_books(stack.wiring.ledger.engine)


async def with_a_long_silence(**settings: Any) -> tuple[CallRecord, Books, float, float]:
    """A call with a long silence: its record, its books, the connections that Deepgram saw, the seconds it counted."""
    async with running_stack(**settings) as stack:
        script = [Speak(clip("room_01")), Wait(SILENCE_S), Speak(clip("room_03"))]
        record = await stack.call(script)
        books = await books_of(stack)
        counters = stack.sandbox.world.counters
        seconds = counters.total("deepgram", "audio_seconds", session=record.session_id)
        assert books.quantities()[record.session_id, "deepgram", "flux-general-en"] == {
            "audio_samples": round(seconds * SAMPLES)
        }
        return record, books, counters.total("deepgram", "requests", session=record.session_id), seconds


@pytest.mark.slow
async def test_streamed_seconds_are_charged_every_ten_seconds_and_at_the_end() -> None:
    async with running_stack(stt_idle_s=60.0) as stack:
        checkpoints: list[int] = []
        await stack.wiring.ledger.migrate()

        async def watch() -> None:
            """What a kill at this moment would leave."""
            while True:
                stored = (await read_books(stack.wiring.ledger.engine)).quantities()
                samples = sum(found["audio_samples"] for found in stored.values())
                if samples and samples not in checkpoints:
                    checkpoints.append(samples)
                await asyncio.sleep(0.25)

        watching = asyncio.create_task(watch())
        record = await stack.call([Speak(clip("smalltalk_01")), Wait(13.0)])
        watching.cancel()
        books = await books_of(stack)
        served = counted(stack.sandbox.world.counters, [record.session_id])
    assert (
        books.quantities()[record.session_id, "deepgram", "flux-general-en"]
        == served[record.session_id, "deepgram", "flux-general-en"]
    )
    streamed = [row.quantity for row in books.charges if row.service == "stt"]
    assert len(streamed) == 2
    assert 10 * SAMPLES <= max(streamed) < 10.2 * SAMPLES
    assert checkpoints[0] == max(streamed)  # it was there before the call had ended
    assert not any(row.estimated for row in books.charges if row.service == "stt")


@pytest.mark.slow
async def test_a_long_silence_is_not_paid_for_and_the_next_utterance_is_understood(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finish = DeepgramStream.finish

    async def far_away(self: DeepgramStream) -> None:
        """The last answer of a real recogniser takes a round trip, in which the caller's silence goes on."""
        await asyncio.sleep(0.15)
        await finish(self)

    monkeypatch.setattr(DeepgramStream, "finish", far_away)
    async with asyncio.TaskGroup() as group:
        closing = group.create_task(with_a_long_silence(stt_idle_s=1.0))
        staying = group.create_task(with_a_long_silence(stt_idle_s=60.0))
    record, books, streams, seconds = closing.result()
    other, dearer, one, longer = staying.result()
    for call in (record, other):
        assert [turn.transcript for turn in call.turns] == ["Hi, I'd like to book a meeting room.", "For five people."]
    assert (streams, one) == (2, 1)
    assert longer - seconds > SILENCE_S - 2
    saved = sum(row.nano_usd for row in dearer.charges if row.service == "stt") - sum(
        row.nano_usd for row in books.charges if row.service == "stt"
    )
    assert saved / NANO == pytest.approx((longer - seconds) / 60 * 0.0065, abs=1e-8)
