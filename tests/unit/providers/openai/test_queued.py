"""Requests for transcripts take slots of their provider."""

from __future__ import annotations

import asyncio

import pytest

from agent.core import clock
from agent.core.calls import CallRecorder, ErrorKind, ProviderError
from agent.providers.fallback.chain import StepSkippedError
from agent.providers.fallback.concurrency import PriorityLimiter
from agent.providers.openai.queued import QUEUE_S, QueuedTranscriber
from tests.support.providers import RecordingRecorder
from tests.support.virtual_time import run_virtual


class Slow:
    """Takes a second for each segment."""

    provider = "openai_stt"
    model = "m"

    def __init__(self) -> None:
        self.running = self.most = 0
        self.fails = False

    async def transcribe(self, session: str, pcm: bytes, recorder: CallRecorder) -> str:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(1)
        finally:
            self.running -= 1
        if self.fails:
            raise ProviderError(self.provider, ErrorKind.EMPTY)
        return session


def test_at_most_so_many_requests_at_once_and_premium_callers_find_room() -> None:
    async def run() -> None:
        slow, slots = Slow(), PriorityLimiter(4, reserved=1)
        free, premium = (QueuedTranscriber(slow, slots, priority=first) for first in (False, True))
        asked = [asyncio.create_task(free.transcribe(str(n), b"", RecordingRecorder())) for n in range(3)]
        await asyncio.sleep(0.1)
        began = clock.now()
        with pytest.raises(StepSkippedError) as refused:
            await free.transcribe("late", b"", RecordingRecorder())
        assert refused.value.reason == "busy"
        assert clock.now() - began == pytest.approx(QUEUE_S)
        assert await premium.transcribe("premium", b"", RecordingRecorder()) == "premium"
        assert [await task for task in asked] == ["0", "1", "2"]
        assert slow.most == 4
        assert slots.free == 4

    run_virtual(run())


def test_a_failed_and_a_cancelled_request_give_their_slot_back() -> None:
    async def run() -> None:
        slow, slots = Slow(), PriorityLimiter(1)
        queued = QueuedTranscriber(slow, slots, priority=False)
        slow.fails = True
        with pytest.raises(ProviderError):
            await queued.transcribe("s", b"", RecordingRecorder())
        left = asyncio.create_task(queued.transcribe("s", b"", RecordingRecorder()))
        await asyncio.sleep(0.1)
        left.cancel()
        await asyncio.wait({left})
        assert slots.free == 1

    run_virtual(run())
