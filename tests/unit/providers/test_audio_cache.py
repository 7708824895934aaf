from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.calls import Call, CallRecorder, ErrorKind, ProviderError, Unit, Usage
from agent.providers.audio_cache import AudioCache, CachedVoice
from agent.providers.base import Audio, ClientSpeech, TextToSpeech
from tests.support.providers import RecordingRecorder

SECOND = b"\x01\x02" * 16_000


class CountingVoice:
    """A voice that says what it is told and counts its calls."""

    provider = "elevenlabs"
    model = "eleven_flash_v2_5"

    def __init__(self, pieces: Sequence[bytes] = (SECOND, SECOND), error: ProviderError | None = None) -> None:
        self.pieces = pieces
        self.error = error
        self.calls = 0

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[Audio]:
        self.calls += 1
        for pcm in self.pieces:
            yield Audio(pcm, self.provider)
        if self.error is not None:
            raise self.error
        usage = Usage({Unit.CHARACTERS: len(text)})
        recorder.record(Call("tts", self.provider, self.model, "ok", 0.0, 0.1, 0.2, usage))


class Client:
    provider = "browser"
    model = "speech-synthesis"

    async def speak(self, session: str, text: str, recorder: CallRecorder) -> AsyncGenerator[ClientSpeech]:
        yield ClientSpeech(text)


def cached(inner: TextToSpeech, cache: AudioCache, voice: str = "ada") -> CachedVoice:
    return CachedVoice(inner, cache, voice=voice)


async def said(voice: CachedVoice, text: str, recorder: CallRecorder) -> bytes:
    async with aclosing(voice.speak("s1", text, recorder)) as stream:
        return b"".join([piece.pcm async for piece in stream if isinstance(piece, Audio)])


async def test_the_second_time_is_the_same_sound_and_costs_nothing() -> None:
    inner, recorder = CountingVoice(), RecordingRecorder()
    voice = cached(inner, AudioCache())
    first = await said(voice, "One moment.", recorder)
    again = await said(voice, "One moment.", recorder)
    assert first == again == SECOND * 2
    assert inner.calls == 1
    assert [(call.provider, call.model, call.outcome) for call in recorder.calls] == [
        ("elevenlabs", "eleven_flash_v2_5", "ok"),
        ("cache", "eleven_flash_v2_5", "ok"),
    ]
    assert recorder.calls[1].usage == Usage({Unit.CHARACTERS: 11})
    assert recorder.calls[1].first_output_at is not None


async def test_another_text_voice_or_model_is_another_sound() -> None:
    cache, recorder = AudioCache(), RecordingRecorder()
    inner, other = CountingVoice(), CountingVoice()
    other.model = "eleven_v3"
    await said(cached(inner, cache), "Yes.", recorder)
    await said(cached(inner, cache), "yes.", recorder)
    await said(cached(inner, cache, voice="bob"), "Yes.", recorder)
    await said(cached(other, cache), "Yes.", recorder)
    assert (inner.calls, other.calls, len(cache)) == (3, 1, 4)


async def test_a_failed_clause_is_not_kept() -> None:
    cache = AudioCache()
    inner = CountingVoice(error=ProviderError("elevenlabs", ErrorKind.DISCONNECTED, delivered=True))
    for _ in range(2):
        with pytest.raises(ProviderError):
            await said(cached(inner, cache), "Half a", RecordingRecorder())
    assert (inner.calls, len(cache)) == (2, 0)


async def test_a_clause_that_is_broken_off_is_not_kept() -> None:
    cache, inner = AudioCache(), CountingVoice()
    async with aclosing(cached(inner, cache).speak("s1", "Good mor", RecordingRecorder())) as stream:
        async for _ in stream:
            break
    assert len(cache) == 0


async def test_a_hit_that_is_broken_off_is_reported_as_cancelled() -> None:
    cache, inner, recorder = AudioCache(), CountingVoice(), RecordingRecorder()
    voice = cached(inner, cache)
    await said(voice, "Good morning.", recorder)
    async with aclosing(voice.speak("s1", "Good morning.", recorder)) as stream:
        async for piece in stream:
            assert isinstance(piece, Audio)
            assert len(piece.pcm) == 3_200
            break
    assert [call.outcome for call in recorder.calls] == ["ok", "cancelled"]
    assert await said(voice, "Good morning.", recorder) == SECOND * 2


async def test_what_the_client_speaks_is_not_kept() -> None:
    cache = AudioCache()
    async with aclosing(cached(Client(), cache).speak("s1", "Hello.", RecordingRecorder())) as stream:
        assert [piece async for piece in stream] == [ClientSpeech("Hello.")]
    assert len(cache) == 0


async def test_sessions_share_it() -> None:
    cache, inner, recorder = AudioCache(), CountingVoice(), RecordingRecorder()
    await said(cached(inner, cache), "Hello.", recorder)
    await asyncio.gather(*(said(cached(inner, cache), "Hello.", recorder) for _ in range(20)))
    assert inner.calls == 1


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 40)), max_size=60))
def test_it_never_holds_more_than_its_limit_and_always_what_was_used_last(puts: list[tuple[str, int]]) -> None:
    cache = AudioCache(limit_bytes=320)
    for text, samples in puts:
        pcm = b"\x00\x01" * samples
        cache.put(("p", "v", "m", text), pcm)
        assert cache.size <= 320
        if 0 < len(pcm) <= 20:
            assert cache.get(("p", "v", "m", text)) == pcm
    assert cache.size == sum(len(cache.get(("p", "v", "m", text)) or b"") for text in "abcdefgh")


def test_the_clause_unused_longest_goes_first() -> None:
    cache = AudioCache(limit_bytes=64)
    for text in "abcdefghijklmnop":
        cache.put(("p", "v", "m", text), b"1234")
    assert cache.get(("p", "v", "m", "a")) is not None
    cache.put(("p", "v", "m", "q"), b"1234")
    assert cache.get(("p", "v", "m", "b")) is None
    assert cache.get(("p", "v", "m", "a")) is not None
