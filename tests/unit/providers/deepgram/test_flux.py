"""Flux by a scripted peer: its messages, its errors, and traffic that was recorded from the real service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from deepgram.listen.v2.socket_client import AsyncV2SocketClient
from websockets.asyncio.server import ServerConnection

from agent.core.calls import ErrorKind, ProviderError
from agent.providers.base import SttEvent, SttEventKind, Word
from agent.providers.deepgram.flux import DeepgramFlux, FluxReader, turn_info
from tests.support.providers import Peer, RecordingRecorder, deepgram_peer, recorded


def _info(event: str, text: str, *words: dict[str, Any], turn: int = 0) -> dict[str, Any]:
    return {
        "type": "TurnInfo",
        "request_id": "r",
        "sequence_id": 1,
        "event": event,
        "turn_index": turn,
        "audio_window_start": 0.0,
        "audio_window_end": 1.0,
        "transcript": text,
        "words": list(words) or [{"word": word, "confidence": 0.9} for word in text.split()],
        "end_of_turn_confidence": 0.5,
    }


async def _replay(messages: list[Any], recorder: RecordingRecorder, **options: Any) -> tuple[list[SttEvent], Peer]:
    """What is heard when the peer sends these messages (text goes as it is) and then closes as it should."""

    async def script(socket: ServerConnection, peer: Peer) -> None:
        for message in messages:
            await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
        await peer.read(socket, "CloseStream")

    async with (
        deepgram_peer(script) as peer,
        DeepgramFlux(api_key="k", base_url=peer.url, **options).open("s1", recorder) as stream,
    ):
        await stream.finish()
        return [heard async for heard in stream], peer


async def test_every_event_has_its_kind(recorder: RecordingRecorder) -> None:
    timed = {"word": "Hello", "confidence": 0.9, "start": 0.1, "end": 0.4}
    heard, peer = await _replay(
        [
            {"type": "Connected", "request_id": "r", "sequence_id": 0},
            _info("Update", ""),
            _info("StartOfTurn", "Hello", timed),
            _info("EagerEndOfTurn", "Hello", timed),
            _info("TurnResumed", "Hello", timed),
            _info("Update", "Hello there"),
            _info("EndOfTurn", "Hello there"),
            _info("Update", "", turn=1),
        ],
        recorder,
    )
    assert [one.kind for one in heard] == [
        SttEventKind.STARTED,
        SttEventKind.EAGER,
        SttEventKind.RESUMED,
        SttEventKind.PARTIAL,
        SttEventKind.ENDED,
    ]
    assert heard[0] == SttEvent(SttEventKind.STARTED, "Hello", (Word("Hello", 0.1, 0.4, 0.9),))
    assert heard[-1] == SttEvent(
        SttEventKind.ENDED, "Hello there", (Word("Hello", confidence=0.9), Word("there", confidence=0.9))
    )
    assert peer.headers["x-client-session"] == "s1"
    assert peer.headers["authorization"] == "Token k"


async def test_options_travel_in_the_query(recorder: RecordingRecorder) -> None:
    _, peer = await _replay(
        [], recorder, eager_eot_threshold=0.4, eot_timeout_ms=3000, keyterms=["Brooklyn", "two keys"]
    )
    path, query = peer.path.split("?")
    assert path == "/v2/listen"
    assert sorted(query.split("&")) == [
        "eager_eot_threshold=0.4",
        "encoding=linear16",
        "eot_timeout_ms=3000",
        "keyterm=Brooklyn",
        "keyterm=two+keys",
        "mip_opt_out=true",
        "model=flux-general-en",
        "sample_rate=16000",
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [("yes-deepgram-flux", "Yes."), ("nope-deepgram-flux", "No."), ("not_so_sure-deepgram-flux", "I'm not so sure.")],
)
async def test_recorded_traffic_of_the_real_service(name: str, text: str, recorder: RecordingRecorder) -> None:
    heard, _ = await _replay(recorded(name), recorder)
    kinds = [one.kind for one in heard]
    assert kinds[0] is SttEventKind.STARTED
    assert kinds.count(SttEventKind.ENDED) == 1
    assert heard[-1].kind is SttEventKind.ENDED
    assert heard[-1].text.endswith(text)
    assert [word.text for word in heard[-1].words]


@pytest.mark.parametrize("name", ["yes-deepgram-flux", "not_so_sure-deepgram-flux", "vad-deepgram-flux"])
async def test_a_turn_is_read_as_the_sdk_reads_it(name: str) -> None:
    class Socket:
        async def recv(self) -> str:
            return text

    ours, theirs = FluxReader(), FluxReader()
    read = 0
    for message in recorded(name):
        text = json.dumps(message)
        by_sdk = await AsyncV2SocketClient(websocket=Socket()).recv()  # type: ignore[arg-type]
        turn = turn_info(text)
        assert (turn is not None) == (by_sdk.type == "TurnInfo")
        if turn is not None:
            read += 1
            assert ours.read(turn) == theirs.read(by_sdk)
    assert read > 3


async def test_a_recorded_stream_may_have_words_before_it_is_sure(recorder: RecordingRecorder) -> None:
    heard, _ = await _replay(recorded("vad-deepgram-flux"), recorder)
    assert (heard[0].kind, heard[0].text) == (SttEventKind.PARTIAL, "The")
    assert (heard[1].kind, heard[1].text) == (SttEventKind.STARTED, "This is")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"type": "Error", "sequence_id": 1, "code": "INTERNAL_SERVER_ERROR", "description": ""}, ErrorKind.OVERLOADED),
        (
            {"type": "Error", "sequence_id": 1, "code": "UNPARSABLE_CLIENT_MESSAGE", "description": ""},
            ErrorKind.BAD_REQUEST,
        ),
        ("{", ErrorKind.MALFORMED),
        (b"\x00", ErrorKind.MALFORMED),
        ({"type": "TurnInfo", "event": "EndOfTurn"}, ErrorKind.MALFORMED),
        ({**_info("EndOfTurn", "x"), "words": "none"}, ErrorKind.MALFORMED),
    ],
)
async def test_what_cannot_be_used_is_an_error(message: Any, kind: ErrorKind, recorder: RecordingRecorder) -> None:
    with pytest.raises(ProviderError) as caught:
        await _replay([message], recorder)
    assert caught.value.kind is kind
    assert recorder.only.outcome == kind


async def test_a_new_kind_of_message_is_passed_over_but_not_for_ever(recorder: RecordingRecorder) -> None:
    news = {"type": "SomethingNew", "sequence_id": 1}
    heard, _ = await _replay([news, news, _info("StartOfTurn", "Yes"), news, _info("EndOfTurn", "Yes")], recorder)
    assert [one.text for one in heard] == ["Yes", "Yes"]
    with pytest.raises(ProviderError) as caught:
        await _replay([news] * 5, recorder)
    assert caught.value.kind is ErrorKind.MALFORMED


@pytest.mark.parametrize(("code", "kind"), [(1008, ErrorKind.BAD_REQUEST), (1011, ErrorKind.DISCONNECTED)])
async def test_a_close_code_has_its_kind(code: int, kind: ErrorKind, recorder: RecordingRecorder) -> None:
    async def script(socket: ServerConnection, peer: Peer) -> None:
        await socket.send(json.dumps(_info("StartOfTurn", "Yes")))
        await socket.close(code, "why")

    async with (
        deepgram_peer(script) as peer,
        DeepgramFlux(api_key="k", base_url=peer.url).open("s1", recorder) as stream,
    ):
        with pytest.raises(ProviderError) as caught:
            async for _ in stream:
                pass
        assert caught.value.kind is kind
        assert caught.value.delivered
        with pytest.raises(ProviderError):
            await stream.send(bytes(640))
    assert recorder.only.outcome == kind
    assert recorder.only.usage.quantities == {}


async def test_a_close_that_nobody_asked_for_is_a_disconnection(recorder: RecordingRecorder) -> None:
    async def script(socket: ServerConnection, peer: Peer) -> None:
        await socket.close(1000)

    async with (
        deepgram_peer(script) as peer,
        DeepgramFlux(api_key="k", base_url=peer.url).open("s1", recorder) as stream,
    ):
        with pytest.raises(ProviderError) as caught:
            async for _ in stream:
                pass
    assert caught.value.kind is ErrorKind.DISCONNECTED


async def test_a_turn_ends_once_however_often_it_is_said(recorder: RecordingRecorder) -> None:
    heard, _ = await _replay(
        [
            _info("StartOfTurn", "Yes"),
            *[_info("EndOfTurn", "Yes")] * 3,
            _info("Update", "Yes"),
            _info("EndOfTurn", "Yes", turn=1),
        ],
        recorder,
    )
    assert [one.kind for one in heard].count(SttEventKind.ENDED) == 2


async def test_a_turn_whose_end_was_not_told_ends_with_the_next_one(recorder: RecordingRecorder) -> None:
    heard, _ = await _replay(
        [_info("StartOfTurn", "Book it"), _info("Update", "", turn=1), _info("EndOfTurn", "Yes", turn=1)], recorder
    )
    assert [(one.kind, one.text) for one in heard] == [
        (SttEventKind.STARTED, "Book it"),
        (SttEventKind.ENDED, "Book it"),
        (SttEventKind.ENDED, "Yes"),
    ]


async def test_words_taken_back_are_told_as_such_and_come_back_in_no_rest(recorder: RecordingRecorder) -> None:
    heard, _ = await _replay([_info("Update", "Ye"), _info("Update", ""), _info("Update", "")], recorder)
    assert heard == [
        SttEvent(SttEventKind.PARTIAL, "Ye", (Word("Ye", confidence=0.9),)),
        SttEvent(SttEventKind.PARTIAL),
    ]


async def test_a_turn_can_be_ended_by_us(recorder: RecordingRecorder) -> None:
    async def script(socket: ServerConnection, peer: Peer) -> None:
        await socket.send(json.dumps(_info("StartOfTurn", "Book it")))
        await peer.read(socket, "ForceEndTurn")
        await socket.send(json.dumps(_info("EndOfTurn", "Book it")))
        await peer.read(socket, "CloseStream")

    async with (
        deepgram_peer(script) as peer,
        DeepgramFlux(api_key="k", base_url=peer.url).open("s1", recorder) as stream,
    ):
        async for one in stream:
            if one.kind is SttEventKind.STARTED:
                await stream.end_turn()
            else:
                assert one.kind is SttEventKind.ENDED
                await stream.finish()


@pytest.mark.parametrize("silent_s", [0.0, 6.0])
async def test_a_close_for_our_silence_is_the_end_and_no_failure(
    silent_s: float, recorder: RecordingRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(socket: ServerConnection, peer: Peer) -> None:
        await socket.send(json.dumps(_info("StartOfTurn", "Yes")))
        await socket.close(1011, "See https://dpgr.am/net0001" if not silent_s else "why")

    if silent_s:
        monkeypatch.setattr("agent.providers.deepgram.stream.OWN_SILENCE_S", 0.0)
    async with (
        deepgram_peer(script) as peer,
        DeepgramFlux(api_key="k", base_url=peer.url).open("s1", recorder) as stream,
    ):
        heard = [one async for one in stream]
    assert [one.kind for one in heard] == [SttEventKind.STARTED, SttEventKind.ENDED]
    assert recorder.only.outcome == "ok"


async def test_a_close_for_silence_while_we_sent_audio_is_a_failure(recorder: RecordingRecorder) -> None:
    """Taken for our silence, it would be opened again with every frame, for ever, and nobody else would be asked."""

    async def script(socket: ServerConnection, peer: Peer) -> None:
        await socket.recv()
        await socket.close(1011, "NET-0001: no audio was received")

    async with (
        deepgram_peer(script) as peer,
        DeepgramFlux(api_key="k", base_url=peer.url).open("s1", recorder) as stream,
    ):
        await stream.send(bytes(3200))
        with pytest.raises(ProviderError) as caught:
            async for _ in stream:
                pass
    assert caught.value.kind is ErrorKind.DISCONNECTED
    assert recorder.only.outcome == ErrorKind.DISCONNECTED
