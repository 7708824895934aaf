"""Each provider has places of its own, and says how many are free."""

from __future__ import annotations

import asyncio

from agent.providers.fallback.places import Places


def test_the_share_of_free_places_follows_the_calls() -> None:
    async def run() -> None:
        places = Places(calls=4, streams=10)
        left = places.left_of("anthropic")
        assert left() == 1.0
        assert await places.of("anthropic").take(first=True, within_s=0.0)
        assert left() == 0.75
        places.of("anthropic").give()
        assert left() == 1.0

    asyncio.run(run())


def test_deepgram_has_streams_and_the_others_calls() -> None:
    places = Places(calls=4, streams=10)
    assert places.of("deepgram").free == 10
    assert places.of("elevenlabs").free == places.of("openai_tts").free == 4
    assert places.of("elevenlabs") is not places.of("openai_tts")
