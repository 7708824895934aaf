"""What takes long to load is loaded before the first call, and not on the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from agent.turn import voice_confirmation
from tests.support.stack import running_stack

pytestmark = pytest.mark.slow


async def test_the_networks_for_voices_are_loaded_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded_by: list[threading.Thread] = []

    def package() -> None:
        loaded_by.append(threading.current_thread())

    monkeypatch.setattr(voice_confirmation, "_package", package)
    voice_confirmation.load_networks.cache_clear()
    try:
        async with running_stack():
            await asyncio.sleep(0)
            assert len(loaded_by) == 1
            assert loaded_by[0] is not threading.current_thread()
    finally:
        voice_confirmation.load_networks.cache_clear()
