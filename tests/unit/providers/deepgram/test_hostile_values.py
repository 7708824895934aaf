"""Numbers and texts that no recogniser should send: they cost themselves, and neither a word nor the call."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

import pytest
from deepgram.listen.v1.socket_client import AsyncV1SocketClient
from deepgram.listen.v2.socket_client import AsyncV2SocketClient

from agent.providers.base import SttEvent, SttEventKind
from agent.providers.deepgram.flux import FluxReader, turn_info
from agent.providers.deepgram.nova import NovaReader
from agent.providers.wire_values import WordCheck

ENDED = SttEventKind.ENDED
NEVER = (math.nan, math.inf, -math.inf, 1e308, 10**400, -5.0, 900.0)
"""Times that cannot be true after 10 s of audio."""


class Heard:
    """Plays messages to a reader after 10 s of audio; they are parsed as the adapter does it."""

    def __init__(self, reader: type[FluxReader] | type[NovaReader]) -> None:
        self.refused = 0
        self._reader = reader(WordCheck(lambda: 10.0, self._refuse))

    def _refuse(self) -> None:
        self.refused += 1

    async def play(self, messages: Iterable[dict[str, Any]]) -> list[SttEvent]:
        heard: list[SttEvent] = []
        for message in messages:
            text = json.dumps(message)
            heard += self._reader.read(turn_info(text) or await _by_sdk(text))
        return [*heard, *self._reader.rest()]


async def _by_sdk(text: str) -> Any:
    class Socket:
        async def recv(self) -> str:
            return text

    client = AsyncV2SocketClient if '"TurnInfo"' in text else AsyncV1SocketClient
    return await client(websocket=Socket()).recv()  # type: ignore[arg-type]


def _turn(event: str, text: str, index: Any = 0, *, start: Any = None, end: Any = None, confidence: Any = 0.9) -> Any:
    words = [{"word": word, "confidence": confidence, "start": start, "end": end} for word in text.split()]
    return {
        "type": "TurnInfo", "request_id": "r", "sequence_id": 1, "event": event, "turn_index": index,
        "audio_window_start": 0.0, "audio_window_end": 1.0, "transcript": text, "words": words,
        "end_of_turn_confidence": confidence,
    }  # fmt: skip


def _segment(text: str, start: Any, end: Any, *, at: Any = 0.0, duration: Any = 0.0) -> Any:
    words = [{"word": word, "start": start, "end": end, "confidence": 0.9} for word in text.split()]
    return {
        "type": "Results", "channel_index": [0, 1], "duration": duration, "start": at, "is_final": True,
        "speech_final": True, "channel": {"alternatives": [{"transcript": text, "confidence": 1.0, "words": words}]},
        "metadata": {"request_id": "r", "model_info": {"name": "n", "version": "v", "arch": "a"}, "model_uuid": "u"},
    }  # fmt: skip


def _ended(heard: list[SttEvent]) -> list[str]:
    return [one.text for one in heard if one.kind is ENDED]


@pytest.mark.parametrize("time", NEVER, ids=repr)
async def test_a_time_that_cannot_be_true_costs_a_turn_of_flux_nothing_but_itself(time: Any) -> None:
    told = Heard(FluxReader)
    heard = await told.play([_turn("EndOfTurn", "first", start=time, end=time), _turn("EndOfTurn", "next", 1, end=5.0)])
    assert _ended(heard) == ["first", "next"]
    assert (heard[0].end_s, heard[1].end_s) == (None, 5.0)
    assert told.refused == 2


@pytest.mark.parametrize("sure", [math.nan, math.inf, -0.1, 1.5, 97], ids=repr)
async def test_a_confidence_is_a_share_or_none(sure: Any) -> None:
    told = Heard(FluxReader)
    heard = await told.play([_turn("EagerEndOfTurn", "yes", confidence=sure)])
    assert (heard[0].confidence, heard[0].words[0].confidence) == (None, None)
    assert told.refused == 2


async def test_a_word_that_ends_before_it_begins_has_no_times() -> None:
    heard = await Heard(FluxReader).play([_turn("EndOfTurn", "yes", start=3.0, end=1.0)])
    assert (heard[0].words[0].start_s, heard[0].words[0].end_s) == (None, None)


@pytest.mark.parametrize("time", NEVER, ids=repr)
async def test_a_time_that_cannot_be_true_costs_nova_no_later_words(time: Any) -> None:
    heard = await Heard(NovaReader).play(
        [_segment("first", 0.0, time), _segment("second", 5.0, 6.0, at=5.0), _segment("third", 9.0, 10.0, at=9.0)]
    )
    assert _ended(heard) == ["first", "second", "third"]


async def test_a_clock_of_nova_that_begins_anew_costs_no_words() -> None:
    heard = await Heard(NovaReader).play(
        [
            _segment("first", 0.5, 6.0, duration=7.0),
            _segment("second", 1.0, 2.0, duration=3.0),
            _segment("third", 3.1, 4.0, at=3.0, duration=2.0),
        ]
    )
    assert _ended(heard) == ["first", "second", "third"]


@pytest.mark.parametrize("reader", [FluxReader, NovaReader])
async def test_half_a_character_is_replaced(reader: Any) -> None:
    text = "book \ud800 room"
    message = _turn("EndOfTurn", text) if reader is FluxReader else _segment(text, 1.0, 2.0)
    heard = await Heard(reader).play([message])
    assert _ended(heard) == ["book \ufffd room"]
    assert [word.text for word in heard[-1].words] == ["book", "\ufffd", "room"]


@pytest.mark.parametrize("marks", ["!!!???", "\u200b", "...", "…", "-", "♪ ♪"])
@pytest.mark.parametrize("reader", [FluxReader, NovaReader])
async def test_marks_alone_are_no_words(marks: str, reader: Any) -> None:
    message = _turn("EndOfTurn", marks) if reader is FluxReader else _segment(marks, 1.0, 2.0)
    assert await Heard(reader).play([message]) == []


@pytest.mark.parametrize("indices", [(0, 0, 0), (7, 1, 2), (2**70, 1, 0), (3, 3, 1), (-1, -1, -2)], ids=repr)
@pytest.mark.parametrize("begin", [True, False])
async def test_no_turn_is_lost_whatever_flux_counts(indices: tuple[int, ...], *, begin: bool) -> None:
    messages: list[Any] = []
    for index, text in zip(indices, ("yes please", "book it", "no"), strict=True):
        messages += [_turn("StartOfTurn", text.split()[0], index)] if begin else []
        messages += [_turn("EndOfTurn", text, index)] * 2
    assert _ended(await Heard(FluxReader).play(messages)) == ["yes please", "book it", "no"]


async def test_the_same_words_are_a_turn_again_when_they_are_said_again() -> None:
    by_start = [_turn("EndOfTurn", "Yes."), _turn("StartOfTurn", "Yes"), _turn("EndOfTurn", "Yes.")]
    assert _ended(await Heard(FluxReader).play(by_start)) == ["Yes.", "Yes."]
    by_time = [_turn("EndOfTurn", "Yes.", start=1.0, end=2.0), _turn("EndOfTurn", "Yes.", start=4.0, end=5.0)]
    assert _ended(await Heard(FluxReader).play(by_time)) == ["Yes.", "Yes."]


async def test_an_end_that_is_told_again_later_is_no_turn() -> None:
    first, second = _turn("EndOfTurn", "Yes."), _turn("EndOfTurn", "Book it.", 1)
    heard = await Heard(FluxReader).play(
        [first, second, first, second, _turn("StartOfTurn", "And", 2), second, first, _turn("Update", "Yes", 0)]
    )
    assert _ended(heard) == ["Yes.", "Book it.", "And"]
