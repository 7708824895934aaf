from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_loadtest.player import PlaybackEvent, Player, Playing


class Ear:
    """A clock that a test sets, and everything that the player reports."""

    def __init__(self) -> None:
        self.now = 100.0
        self.events: list[tuple[PlaybackEvent, int, int | None]] = []
        self.timings: list[float] = []
        self.played = bytearray()
        self.player = Player(lambda: self.now, self._report, self.played.extend)

    def _report(self, event: PlaybackEvent, playing: Playing, clause: int | None, at: float) -> None:
        if event != "progress":
            self.events.append((event, playing.turn, clause))
            self.timings.append(round(at - 100.0, 6))

    def after(self, seconds: float) -> None:
        self.now += seconds
        self.player.advance()


def audio(seconds: float, value: int = 1) -> bytes:
    return bytes([value]) * (int(seconds * 16_000) * 2)


def test_audio_is_played_by_the_clock_and_ends_when_it_is_complete() -> None:
    ear = Ear()
    reply = ear.player.open(1)
    ear.player.feed(reply, audio(1.0))
    ear.after(0.4)
    assert reply.played_s == pytest.approx(0.4)
    ear.player.complete(reply)
    assert not reply.over
    ear.after(0.7)
    assert reply.over
    assert ear.events == [("started", 1, None), ("finished", 1, None)]
    assert ear.timings == [0.0, 1.0]  # the end is when it was, not when somebody looked
    assert bytes(ear.played) == audio(1.0)


def test_an_empty_buffer_is_a_gap_and_not_an_end() -> None:
    ear = Ear()
    reply = ear.player.open(1)
    ear.after(3.0)  # nothing has begun, so this is no gap
    ear.player.feed(reply, audio(0.2))
    ear.after(0.5)
    ear.player.feed(reply, audio(0.2))
    ear.player.complete(reply)
    ear.after(1.0)
    assert reply.gap_s == pytest.approx(0.3)
    assert reply.started_at == pytest.approx(103.0)
    assert ear.timings == [3.0, 3.7]


def test_a_pause_keeps_the_buffer_and_a_resumed_reply_goes_on_where_it_was() -> None:
    ear = Ear()
    reply = ear.player.open(1)
    ear.player.feed(reply, audio(1.0))
    ear.player.complete(reply)
    ear.after(0.3)
    assert ear.player.pause(1)
    assert not ear.player.pause(1)
    ear.after(5.0)
    assert reply.played_s == pytest.approx(0.3)
    assert ear.player.audible is None
    assert ear.player.resume(1)
    assert ear.player.audible is reply
    ear.after(0.7)
    assert [event for event, _, _ in ear.events] == ["started", "paused", "resumed", "finished"]
    assert len(ear.played) == len(audio(1.0))


def test_a_cleared_reply_is_gone_and_what_was_heard_of_it_is_known() -> None:
    ear = Ear()
    reply = ear.player.open(1)
    ear.player.feed(reply, audio(1.0))
    ear.after(0.25)
    assert ear.player.clear(1) is reply
    assert ear.player.clear(1) is None
    ear.player.feed(reply, audio(1.0))  # late audio of a cleared reply is not played
    ear.after(1.0)
    assert ear.player.idle
    assert reply.heard_pcm == audio(0.25)
    assert ear.events[-1] == ("cleared", 1, None)


def test_a_reply_that_comes_early_waits_for_the_one_before() -> None:
    ear = Ear()
    first, second = ear.player.open(1), ear.player.open(2)
    ear.player.feed(first, audio(0.5))
    ear.player.feed(second, audio(0.5))
    ear.player.complete(first)
    ear.player.complete(second)
    ear.after(2.0)
    assert ear.timings == [0.0, 0.5, 0.5, 1.0]
    assert [turn for _, turn, _ in ear.events] == [1, 1, 2, 2]


def test_clauses_that_the_caller_speaks_itself_are_reported_one_by_one() -> None:
    ear = Ear()
    reply = ear.player.open(1)
    ear.player.feed(reply, audio(1.0))
    ear.player.speak(reply, 1, "x" * 15)
    ear.player.speak(reply, 2, "x" * 30)
    ear.player.complete(reply)
    ear.after(10.0)
    assert ear.events == [
        ("started", 1, None),
        ("started", 1, 1),
        ("finished", 1, 1),
        ("started", 1, 2),
        ("finished", 1, 2),
        ("finished", 1, None),
    ]
    assert ear.timings[2] == pytest.approx(2.0)
    assert reply.played_s == pytest.approx(4.0)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["feed", "wait", "pause", "resume", "speak"]), st.floats(min_value=0.0, max_value=0.7)
        ),
        max_size=40,
    )
)
def test_everything_that_arrives_is_played_exactly_once(steps: list[tuple[str, float]]) -> None:
    ear = Ear()
    reply = ear.player.open(1)
    for clause, (step, amount) in enumerate(steps):
        if step == "feed":
            ear.player.feed(reply, audio(amount, value=clause + 1))
        elif step == "speak":
            ear.player.speak(reply, clause, "x" * int(amount * 20))
        elif step == "wait":
            ear.after(amount)
        elif step == "pause":
            ear.player.pause(1)
        else:
            ear.player.resume(1)
        assert 0 <= reply.played_s <= reply.received_s + 1e-9
    ear.player.complete(reply)
    ear.player.resume(1)
    ear.after(1000.0)
    assert reply.over
    assert ear.player.idle
    assert bytes(ear.played) == bytes(reply.pcm)
    own = [clause for _, _, clause in ear.events if clause is not None]
    assert own == [clause for i, (step, _) in enumerate(steps) if step == "speak" for clause in (i, i)]
