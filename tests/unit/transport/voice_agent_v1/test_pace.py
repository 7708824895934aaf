"""The pace of a connection."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from agent.core.pace import KeyedBuckets, Rate, TokenBucket
from agent.transport.voice_agent_v1.errors import ProtocolError
from agent.transport.voice_agent_v1.messages import CloseCode, Error, Pong, ServerMessage, Text
from agent.transport.voice_agent_v1.pace import Pacer

SECOND = 32_000


class Line:
    def __init__(self) -> None:
        self.sent: list[ServerMessage] = []
        self.dropped: list[str] = []
        self.pacer = Pacer(0.0, self.sent.append, self.dropped.append)


def closed(send: Callable[[], object]) -> int | None:
    """The code with which a line is closed that goes on sending; None where it is not."""
    for _ in range(20_000):
        try:
            send()
        except ProtocolError as error:
            return error.close_code
    return None


def test_speech_in_real_time_is_never_dropped_and_a_phone_may_wake_up() -> None:
    line = Line()
    assert all(line.pacer.takes_audio(SECOND // 50, n / 50) for n in range(60 * 50))
    assert all(line.pacer.takes_audio(SECOND // 10, 65.0) for _ in range(50))  # five seconds at once
    assert line.sent == line.dropped == []


def test_faster_audio_is_dropped_with_one_error_and_who_goes_on_is_closed() -> None:
    line = Line()
    taken: list[bool] = []
    assert closed(lambda: taken.append(line.pacer.takes_audio(SECOND, 1.0))) == CloseCode.TOO_FAST
    assert sum(taken) == 10
    assert [type(one) for one in line.sent] == [Error]
    assert isinstance(line.sent[0], Error) and not line.sent[0].fatal
    assert len(line.dropped) >= 10


@pytest.mark.parametrize(("message", "at_once"), [(Text(text="hi"), 15), (Pong(id=1), 150), (None, 150)])
def test_messages_over_the_pace_are_dropped_and_come_again_with_time(message: Text | Pong | None, at_once: int) -> None:
    line = Line()
    assert sum(line.pacer.takes(message, 0.0) for _ in range(at_once + 20)) == at_once
    assert len(line.dropped) == 20
    assert line.pacer.takes(message, 1.0)
    assert closed(lambda: line.pacer.takes(message, 1.0)) == CloseCode.TOO_FAST


def test_tiny_frames_are_counted_too() -> None:
    line = Line()
    assert closed(lambda: line.pacer.takes_audio(2, 0.0)) == CloseCode.TOO_FAST


def test_a_bucket_says_how_long_to_wait_and_forgets_the_oldest_names() -> None:
    bucket = TokenBucket(Rate(per_s=2.0, burst=1.0), now=0.0)
    assert bucket.take(1.0, 0.0) and not bucket.take(1.0, 0.0)
    assert bucket.wait_s(1.0) == 0.5
    assert bucket.take(1.0, 0.5)
    buckets = KeyedBuckets(Rate(per_s=1.0, burst=1.0), most=2)
    assert [buckets.take(name, 0.0) > 0 for name in ("a", "a", "b", "c", "a")] == [False, True, False, False, False]
