"""Nova by a scripted peer: how segments become turns, and how a silent stream is kept alive."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from agent.core.audio import BYTES_PER_SECOND
from agent.core.calls import ErrorKind, ProviderError
from agent.providers.base import SttEvent, SttEventKind, Word
from agent.providers.deepgram.nova import DeepgramNova
from tests.support.providers import Peer, RecordingRecorder, deepgram_peer, recorded

STARTED, PARTIAL, ENDED = SttEventKind.STARTED, SttEventKind.PARTIAL, SttEventKind.ENDED


def _results(text: str, start: float = 0.0, *, final: bool = False, speech_final: bool = False, **extra: Any) -> Any:
    """A Results message whose words are half a second long."""
    words = [
        {
            "word": word.lower(),
            "punctuated_word": word,
            "start": start + 0.5 * i,
            "end": start + 0.5 * i + 0.4,
            "confidence": 1.0,
        }
        for i, word in enumerate(text.split())
    ]
    return {
        "type": "Results",
        "channel_index": [0, 1],
        "duration": 1.0,
        "start": start,
        "is_final": final,
        "speech_final": speech_final,
        "channel": {"alternatives": [{"transcript": text, "confidence": 1.0, "words": words}]},
        "metadata": {"request_id": "r", "model_info": {"name": "n", "version": "v", "arch": "a"}, "model_uuid": "u"},
        **extra,
    }


UTTERANCE_END = {"type": "UtteranceEnd", "channel": [0, 1], "last_word_end": 1.0}
SPEECH_STARTED = {"type": "SpeechStarted", "channel": [0, 1], "timestamp": 0.2}


async def _replay(messages: list[Any], recorder: RecordingRecorder) -> list[SttEvent]:
    async def script(socket: ServerConnection, peer: Peer) -> None:
        for message in messages:
            await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
        await peer.read(socket, "CloseStream")

    async with (
        deepgram_peer(script) as peer,
        DeepgramNova(api_key="k", base_url=peer.url).open("s1", recorder) as stream,
    ):
        await stream.send(bytes(9 * BYTES_PER_SECOND))  # a time beyond what was sent is not believed
        await stream.finish()
        return [heard async for heard in stream]


def _said(heard: list[SttEvent]) -> list[tuple[SttEventKind, str]]:
    return [(one.kind, one.text) for one in heard]


async def test_segments_add_up_to_one_turn(recorder: RecordingRecorder) -> None:
    heard = await _replay(
        [
            SPEECH_STARTED,
            _results(""),
            _results("I would"),
            _results("I would like", final=True),
            _results("a room,", 2.0),
            _results("a room, please.", 2.0, final=True, speech_final=True),
            _results("", 4.0, final=True, speech_final=True),
            UTTERANCE_END,
        ],
        recorder,
    )
    assert _said(heard) == [
        (STARTED, "I would"),
        (PARTIAL, "I would like"),
        (PARTIAL, "I would like a room,"),
        (PARTIAL, "I would like a room, please."),
        (ENDED, "I would like a room, please."),
    ]
    assert [word.text for word in heard[-1].words] == ["I", "would", "like", "a", "room,", "please."]
    assert heard[-1].words[-1] == Word("please.", 3.0, 3.4, 1.0)


async def test_utterance_end_ends_a_turn_that_noise_kept_open(recorder: RecordingRecorder) -> None:
    heard = await _replay([_results("Hello there", final=True), UTTERANCE_END, UTTERANCE_END], recorder)
    assert _said(heard) == [(STARTED, "Hello there"), (ENDED, "Hello there")]


async def test_words_of_a_turn_that_is_over_come_back_in_no_later_turn(recorder: RecordingRecorder) -> None:
    heard = await _replay(
        [
            _results("Hello there"),
            UTTERANCE_END,
            _results("Hello there my friend", final=True, speech_final=True),
        ],
        recorder,
    )
    assert _said(heard) == [
        (STARTED, "Hello there"),
        (ENDED, "Hello there"),
        (STARTED, "my friend"),
        (ENDED, "my friend"),
    ]


async def test_noise_is_no_turn(recorder: RecordingRecorder) -> None:
    heard = await _replay([SPEECH_STARTED, _results("", final=True, speech_final=True), UTTERANCE_END], recorder)
    assert heard == []


async def test_the_answer_to_finalize_ends_the_turn(recorder: RecordingRecorder) -> None:
    async def script(socket: ServerConnection, peer: Peer) -> None:
        await socket.send(json.dumps(_results("Book it")))
        await peer.read(socket, "Finalize")
        await socket.send(json.dumps(_results("Book it.", final=True, from_finalize=True)))
        await peer.read(socket, "CloseStream")

    async with (
        asyncio.timeout(10.0),  # a stream that is not ended is kept alive for ever
        deepgram_peer(script) as peer,
        DeepgramNova(api_key="k", base_url=peer.url).open("s1", recorder) as stream,
    ):
        heard: list[SttEvent] = []
        async for one in stream:
            heard.append(one)
            if one.kind is STARTED:
                await stream.end_turn()
            if one.kind is ENDED:
                await stream.finish()
    assert _said(heard) == [(STARTED, "Book it"), (PARTIAL, "Book it."), (ENDED, "Book it.")]


async def test_a_silent_stream_is_kept_alive(recorder: RecordingRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.providers.deepgram.nova.KEEP_ALIVE_S", 0.05)

    async def script(socket: ServerConnection, peer: Peer) -> None:
        await peer.read(socket, "KeepAlive")
        await peer.read(socket, "KeepAlive")
        await socket.send(json.dumps(_results("Still here.", final=True, speech_final=True)))
        await peer.read(socket, "CloseStream")

    async with (
        deepgram_peer(script) as peer,
        asyncio.timeout(5),
        DeepgramNova(api_key="k", base_url=peer.url).open("s1", recorder) as stream,
    ):
        heard: list[SttEvent] = []
        async for one in stream:
            heard.append(one)
            if one.kind is ENDED:
                await stream.finish()
    assert heard[-1].text == "Still here."
    assert [text["type"] for text in peer.texts] == ["KeepAlive", "KeepAlive", "CloseStream"]


async def test_recorded_traffic_of_the_real_service(recorder: RecordingRecorder) -> None:
    heard = await _replay(recorded("billing_department-deepgram"), recorder)
    assert _said(heard) == [
        (STARTED, "Building department."),
        (PARTIAL, "Building department."),
        (ENDED, "Building department."),
    ]
    assert heard[-1].words[-1].end_s == 1.76


async def test_recorded_turns_follow_each_other_without_overlap(recorder: RecordingRecorder) -> None:
    heard = await _replay(recorded("vad-deepgram"), recorder)
    ended = [one for one in heard if one.kind is ENDED]
    assert len(ended) > 3
    assert sum(one.kind is STARTED for one in heard) == len(ended)
    times = [time for one in ended for word in one.words for time in (word.start_s, word.end_s) if time is not None]
    assert times == sorted(times)


@pytest.mark.parametrize(
    "message", ["{", b"\x00", {"type": "Results"}, {**_results("x"), "channel": {"alternatives": []}}]
)
async def test_what_cannot_be_read_is_malformed(message: Any, recorder: RecordingRecorder) -> None:
    with pytest.raises(ProviderError) as caught:
        await _replay([message], recorder)
    assert caught.value.kind is ErrorKind.MALFORMED
    assert recorder.only.outcome == ErrorKind.MALFORMED


@pytest.mark.parametrize(
    ("variant", "kind"), [("SchemaError", ErrorKind.BAD_REQUEST), ("InternalError", ErrorKind.OVERLOADED)]
)
async def test_an_error_message_ends_the_stream(variant: str, kind: ErrorKind, recorder: RecordingRecorder) -> None:
    message = {"type": "Error", "variant": variant, "description": "d", "message": "m"}
    with pytest.raises(ProviderError) as caught:
        await _replay([message], recorder)
    assert caught.value.kind is kind
