"""A caller whose line is lost goes on with the same call, when the server says, and keeps what it typed."""

from __future__ import annotations

import socket

import pytest

from tests.support.calls import play
from tests.support.scripted_service import Talk, clip
from voice_loadtest.pacing import now
from voice_loadtest.returning import GONE_S, come_back
from voice_loadtest.script import Speak, Type

RESUME = "a-resume-token"


async def typed_turn(talk: Talk, turn: int, text: str) -> None:
    await talk.get("text", text=text)
    await talk.send("transcript.final", turn=turn, text=text, spoken=False)
    await talk.reply(turn, "Noted.")
    await talk.metrics(turn, outcome="typed", spoken=False, voice_to_voice_ms=None)


class Outage:
    """Loses the line in the first turn, refuses so many returns, and goes on then."""

    def __init__(self, refusals: int, code: int = 4429, retry_after_s: float = 0.1, resumed: bool = True) -> None:
        self.refusals, self.code, self.retry_after_s, self.resumed = refusals, code, retry_after_s, resumed
        self.tokens: list[str] = []
        self.came_at: list[float] = []

    async def __call__(self, talk: Talk) -> None:
        self.tokens.append(talk.protocols[1])
        if len(self.tokens) == 1:
            await talk.ready(resume_token=RESUME)
            await talk.get("text", text="two rooms")
            talk.socket.transport.abort()
            return
        self.came_at.append(now())
        if len(self.came_at) <= self.refusals:
            await talk.get("start")
            await talk.send("error", code="ledger", message="later", fatal=True, retry_after_s=self.retry_after_s)
            await talk.socket.close(self.code)
            return
        await talk.ready(resume_token=RESUME, resumed=self.resumed)
        await typed_turn(talk, 1, "two rooms")
        await typed_turn(talk, 2, "thank you")
        await talk.goodbye()


async def test_a_caller_who_comes_back_waits_as_long_as_the_server_says_and_says_again_what_was_not_taken() -> None:
    outage = Outage(2, retry_after_s=0.6)
    record, _ = await play(outage, [Type("two rooms"), Type("thank you")], come_back_s=20.0, reply_timeout_s=5.0)
    assert record.all_answered
    assert [turn.turn for turn in record.turns] == [1, 2]
    assert record.errors == [] and record.close_code == 1000
    assert outage.tokens == ["bearer.t0ken", *[f"bearer.{RESUME}"] * 3]
    first, second, third = outage.came_at
    assert min(second - first, third - second) >= 0.6
    assert len(record.silences_s) == 1 and record.silences_s[0] >= 1.2


async def test_an_answer_that_is_final_ends_the_call() -> None:
    outage = Outage(1, code=4401)
    record, _ = await play(outage, [Type("two rooms"), Type("thank you")], come_back_s=20.0)
    assert len(outage.came_at) == 1
    assert not record.all_answered and record.close_code == 1006


async def test_it_does_not_try_for_longer_than_it_was_told() -> None:
    outage = Outage(1_000, retry_after_s=0.1)
    record, _ = await play(outage, [Type("two rooms")], come_back_s=1.0)
    assert 2 <= len(outage.came_at) <= 10
    assert record.silences_s == [] and record.close_code == 1006


async def test_another_call_in_place_of_the_same_is_a_fault() -> None:
    record, _ = await play(
        Outage(0, resumed=False), [Type("two rooms"), Type("thank you")], come_back_s=9.0, reply_timeout_s=5.0
    )
    assert [fault.code for fault in record.errors] == ["began_anew"]


@pytest.mark.parametrize("come_back_s", [0.0, 5.0])
async def test_a_reply_that_was_cut_off_is_heard_again_by_who_comes_back(come_back_s: float) -> None:
    lines = 0

    async def cuts(talk: Talk) -> None:
        nonlocal lines
        lines += 1
        await talk.ready(resume_token=RESUME, resumed=lines > 1)
        if lines == 1:
            await talk.hear()
            await talk.send("transcript.final", turn=1, text="hello", spoken=True)
            await talk.reply(1, seconds=5.0, end=False)
            talk.socket.transport.abort()
            return
        await talk.send("transcript.final", turn=1, text="hello", spoken=True)
        await talk.reply(1)
        await talk.metrics(1)
        await talk.goodbye()

    record, _ = await play(cuts, [Speak(clip())], come_back_s=come_back_s)
    assert record.all_answered is (come_back_s > 0)
    assert lines == (2 if come_back_s else 1)


async def test_a_drained_session_goes_on_where_somebody_answers_after_a_while() -> None:
    came: list[Talk] = []

    async def rolls(talk: Talk) -> None:
        came.append(talk)
        if len(came) == 1:
            await talk.ready(resume_token=RESUME)
            await typed_turn(talk, 1, "two rooms")
            await talk.send("session.end", reason="drained", turns=1)
            await talk.socket.close(1001)
            return
        if len(came) == 2:  # it drains as well
            await talk.get("start")
            await talk.send("error", code="draining", message="later", fatal=True, retry_after_s=GONE_S + 0.5)
            await talk.socket.close(4429)
            return
        await talk.ready(resume_token=RESUME, resumed=True)
        await typed_turn(talk, 2, "thank you")
        await talk.goodbye()

    record, _ = await play(rolls, [Type("two rooms"), Type("thank you")], come_back_s=20.0)
    assert (record.stopped, record.not_said, record.end_reason) == (False, [], "hangup")
    assert record.all_answered and len(came) == 3


async def test_a_line_that_was_only_lost_is_tried_for_longer_than_a_stopped_service() -> None:
    gone = 0.5

    async def back(**more: float) -> float:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"ws://127.0.0.1:{listener.getsockname()[1]}/v1/voice"
        began = now()
        assert await come_back(url, RESUME, "{}", 2.0, None, **{"gone_s": 2.0, **more}) is None
        return now() - began

    assert await back() >= 2.0
    assert gone <= await back(gone_s=gone) < 2.0
