"""What a crowd of callers counts."""

from __future__ import annotations

from tests.support.stack import API_KEY, House, running_house
from tests.support.websocket_client import START, dial, token_of
from voice_loadtest.script import Type
from voice_loadtest.stack.processes import LocalHouse
from voice_loadtest.traffic import switchboard


def local(house: House) -> LocalHouse:
    return LocalHouse(house.url, house.sandbox.url, None, None, API_KEY, "", ())


async def test_a_call_that_finds_no_place_is_refused_and_no_call() -> None:
    async with running_house(max_sessions=1, resume_grace_s=0.1) as house, switchboard(local(house)) as line:
        async with dial(house, await token_of(house)) as first:
            await first.send(START)
            await first.recv()
            assert not await line.call("typed", [Type("hello")], premium=False, gap_s=0.1)
        await house.quiet()
        assert await line.call("typed", [Type("hello")], premium=False, gap_s=0.1)
    assert (line.tally.refused, line.tally.calls, line.tally.turns) == (1, {"typed": 1}, 1)
