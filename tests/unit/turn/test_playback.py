"""What was played and heard, by reports and by the clock."""

from __future__ import annotations

import asyncio

import pytest

from agent.core import clock
from agent.core.audio import bytes_for
from agent.turn.playback import Playback
from tests.support.virtual_time import run_virtual

SECOND = bytes_for(1.0)


def two_clauses(playback: Playback) -> None:
    playback.clause("One two three four.")
    playback.audio(2 * SECOND, 10.0)
    playback.clause("Five six seven eight.")
    playback.audio(2 * SECOND, 10.1)
    playback.complete(10.1)


def test_without_reports_the_clock_plays_from_when_audio_could_have_arrived() -> None:
    playback = Playback(reports=False, one_way_s=0.1)
    two_clauses(playback)
    assert playback.position(10.05) == 0.0
    assert playback.position(11.1) == pytest.approx(1.0)
    assert playback.heard(11.1) == "One two"
    assert playback.heard(13.2) == "One two three four. Five six"
    assert playback.heard(99.0) == "One two three four. Five six seven eight."
    assert not playback.playing(99.0)


def test_reports_count_and_the_clock_runs_between_them() -> None:
    playback = Playback(reports=True)
    two_clauses(playback)
    assert playback.position(10.9) == 0.0  # nothing was reported as audible yet
    playback.report(0.0, 11.0, playing=True)
    assert playback.position(11.5) == pytest.approx(0.5)
    playback.report(0.2, 11.6, playing=True)  # the client knows better
    assert playback.position(12.0) == pytest.approx(0.6)
    playback.report(0.7, 12.1, playing=False)
    assert playback.position(20.0) == pytest.approx(0.7)


def test_a_report_cannot_claim_more_than_was_sent_or_less_than_nothing() -> None:
    playback = Playback(reports=True)
    two_clauses(playback)
    playback.report(1e9, 11.0, playing=False)
    assert playback.position(11.0) == pytest.approx(4.0)
    playback.report(-5.0, 11.0, playing=False)
    assert playback.position(11.0) == 0.0


def test_a_client_that_declared_reports_and_sends_none_is_followed_by_the_clock() -> None:
    playback = Playback(reports=True)
    two_clauses(playback)
    assert playback.position(11.9) == 0.0
    assert playback.position(12.5) == pytest.approx(2.5)


def test_paused_playback_stands_still_and_an_empty_buffer_waits() -> None:
    playback = Playback(reports=False)
    playback.clause("Hello there my friend")
    playback.audio(SECOND, 0.0)
    playback.pause(0.5)
    assert playback.position(5.0) == pytest.approx(0.5)
    playback.resume(5.0)
    assert playback.position(9.0) == pytest.approx(1.0)  # no more than was sent
    playback.audio(SECOND, 9.0)
    assert playback.position(9.25) == pytest.approx(1.25)


@pytest.mark.parametrize("reports", [False, True])
def test_silence_within_a_reply_is_counted_whether_more_comes_or_not(*, reports: bool) -> None:
    playback = Playback(reports=reports)
    playback.clause("Hello there my friend")
    playback.audio(SECOND, 0.0)
    if reports:
        playback.report(0.0, 0.0, playing=True)
        for tenth in range(2, 30, 2):  # as often while there is nothing to play
            playback.report(min(1.0, tenth / 10), tenth / 10, playing=True)
    playback.audio(SECOND, 3.0)
    assert playback.gap_s == pytest.approx(2.0)
    playback.complete(5.5)  # every voice failed
    assert playback.gap_s == pytest.approx(3.5)
    assert playback.position(9.0) == pytest.approx(2.0)
    assert playback.gap_s == pytest.approx(3.5)  # the reply is over: nothing is owed any more


def test_a_pause_is_no_silence_of_ours() -> None:
    playback = Playback(reports=False)
    playback.clause("Hello there my friend")
    playback.audio(SECOND, 0.0)
    playback.pause(0.5)
    playback.complete(8.0)
    assert playback.gap_s == 0.0


def test_the_client_s_own_voice_is_estimated_until_it_reports() -> None:
    playback = Playback(reports=False)
    playback.clause("fifteen letters")
    playback.by_client("fifteen letters", 0.0)
    playback.complete(0.0)
    assert playback.playing(0.9)
    assert not playback.playing(1.1)
    assert playback.heard(1.1) == "fifteen letters"


def test_waiting_for_a_place_follows_pauses() -> None:
    async def scenario() -> float:
        playback = Playback(reports=False)
        playback.clause("a b c d")
        playback.audio(4 * SECOND, clock.now())
        waiter = asyncio.create_task(playback.reached(2.0))
        await asyncio.sleep(1.0)
        playback.pause(clock.now())
        await asyncio.sleep(3.0)
        playback.resume(clock.now())
        await waiter
        return clock.now()

    assert run_virtual(scenario()) == pytest.approx(5.0, abs=0.01)


def test_finished_returns_when_everything_was_played() -> None:
    async def scenario() -> float:
        playback = Playback(reports=False)
        playback.clause("a")
        playback.audio(3 * SECOND, clock.now())
        playback.complete(clock.now())
        await playback.finished()
        return clock.now()

    assert run_virtual(scenario()) == pytest.approx(3.0, abs=0.01)


def test_a_reply_without_sound_is_finished_at_once() -> None:
    async def scenario() -> float:
        playback = Playback(reports=True)
        playback.complete(clock.now())
        await playback.finished()
        return clock.now()

    assert run_virtual(scenario()) == 0.0


def test_a_filler_moves_a_clause_that_waits_for_its_audio_behind_it() -> None:
    playback = Playback(reports=False)
    playback.clause("One two three four.")
    playback.filler(bytes_for(1.0), 0.0)
    assert (playback.begun, playback.answered, playback.clause_start(0)) == (True, False, 1.0)
    playback.audio(bytes_for(2.0), 3.0)  # two seconds after the filler: waiting for the reply is no gap within it
    assert (playback.answered, playback.gap_s, playback.heard(3.0)) == (True, 0.0, "")
    assert playback.heard(4.0) == "One two"
    playback.complete(3.0)
    assert playback.heard(5.0) == "One two three four."
