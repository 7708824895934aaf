"""The example of a voice of one's own keeps the contract of every voice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest

from agent.core.calls import ErrorKind, ProviderError, Unit
from agent.providers.base import Audio
from agent.providers.fallback.chain import ChainDeadlines, ChainStep
from agent.providers.fallback.llm_tts import TtsFallback
from examples.own_voice.voice import OwnVoice
from tests.support.providers import RecordingRecorder

SOUND = b"\x00\x20" * 1600


def voice(answer: httpx.Response | Exception) -> OwnVoice:
    def respond(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/speak"
        if isinstance(answer, Exception):
            raise answer
        return answer

    return OwnVoice("http://voice.example", httpx.MockTransport(respond))


def audio(*pieces: bytes) -> httpx.Response:
    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return httpx.Response(200, headers={"content-type": "audio/l16"}, content=stream())


async def said(speaker: OwnVoice | TtsFallback, recorder: RecordingRecorder) -> list[Audio]:
    async with aclosing(speaker.speak("s1", "Hello.", recorder)) as speech:
        return [piece async for piece in speech if isinstance(piece, Audio)]


async def test_it_streams_sound_and_reports_what_it_used() -> None:
    recorder = RecordingRecorder()
    pieces = await said(voice(audio(SOUND[:1001], SOUND[1001:])), recorder)
    assert b"".join(piece.pcm for piece in pieces) == SOUND
    assert all(len(piece.pcm) % 2 == 0 for piece in pieces)
    assert recorder.only.outcome == "ok"
    assert recorder.only.usage.quantities == {Unit.CHARACTERS: 6}
    assert recorder.only.first_output_at is not None


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (audio(bytes(3200)), ErrorKind.EMPTY),
        (audio(), ErrorKind.EMPTY),
        (httpx.Response(200, json={"error": "no credit"}), ErrorKind.MALFORMED),
        (httpx.Response(429, headers={"retry-after": "3"}), ErrorKind.RATE_LIMITED),
        (httpx.Response(503), ErrorKind.OVERLOADED),
        (httpx.ConnectError("no route"), ErrorKind.REFUSED),
    ],
)
async def test_every_failure_is_a_provider_error(answer: httpx.Response | Exception, kind: ErrorKind) -> None:
    recorder = RecordingRecorder()
    with pytest.raises(ProviderError) as caught:
        await said(voice(answer), recorder)
    assert caught.value.kind == recorder.only.outcome == kind


async def test_it_takes_its_place_in_a_chain() -> None:
    places = {"first": voice(httpx.Response(503)), "own": voice(audio(SOUND))}
    steps = [ChainStep(name, place) for name, place in places.items()]
    recorder = RecordingRecorder()
    pieces = await said(TtsFallback(steps, ChainDeadlines(1.0, 1.0, 2.5)), recorder)
    assert b"".join(piece.pcm for piece in pieces) == SOUND
    assert [call.outcome for call in recorder.calls] == [ErrorKind.OVERLOADED, "ok"]
