"""What a stranger can do to a running service: a quick subset of `make attack`, and what takes settings of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from agent.budgets import DEFAULT_FILE
from tests.support.billing import say, until
from tests.support.operations import ALERTS, OPERATOR
from tests.support.stack import Stack, clip, running_stack, sample
from tests.support.websocket_client import START, dial, ending, token_of
from tools.attack import floods, forgeries
from tools.attack.__main__ import ATTACKS
from tools.attack.attacker import Attacker, Target

QUICK = (
    floods.small_texts, floods.pongs, floods.tiny_audio, floods.fast_audio, floods.forged_addresses, floods.fragments,
    floods.guessed_at_agents, floods.unfinished_frames, forgeries.operators_paths, forgeries.hosts,
    forgeries.session_as_membership, forgeries.resume_after_hang_up, forgeries.nosniff, forgeries.long_header,
    forgeries.two_rollbacks, forgeries.deep_json, forgeries.compressed,
)  # fmt: skip


@asynccontextmanager
async def attacked(**settings: Any) -> AsyncGenerator[tuple[Stack, Target]]:
    """A service with its limits as they are by default."""
    given: dict[str, Any] = {"unlimited_addresses": (), "operator_token": OPERATOR, "alerts_token": ALERTS}
    given |= settings
    async with running_stack(**given) as stack:
        yield stack, Target(stack.url, stack.ops_url, OPERATOR)


@pytest.mark.slow
async def test_the_doors_hold() -> None:
    async with attacked() as (stack, target):
        broke: dict[str, str] = {}
        for number, attack in enumerate(QUICK):
            try:
                found = await attack(Attacker(target, f"127.0.3.{number + 1}"))
            except (OSError, httpx.HTTPError) as error:
                broke[attack.__name__] = repr(error)
                continue
            if not found.held:
                broke[attack.__name__] = found.happened
        text = await stack.metrics()
    assert broke == {}
    assert sample(text, "voice_agent_ledger_dropped_total") == 0
    assert len(ATTACKS) >= 40


@pytest.mark.slow
async def test_a_cap_holds_while_there_is_noise_and_no_turn_and_the_caller_is_warned(tmp_path: Path) -> None:
    budgets = tmp_path / "budgets.toml"
    text = DEFAULT_FILE.read_text().replace("session_usd = 0.15", "session_usd = 0.007", 1)
    budgets.write_text(text.replace("turn_usd = 0.006", "turn_usd = 0.0065", 1))
    noise = clip("noise_keyboard").pcm
    async with attacked(budgets_file=budgets) as (stack, _):
        async with dial(stack, await token_of(stack)) as socket:
            await socket.send(START)
            await until(socket, "session.ready")
            heard = asyncio.create_task(ending_with(socket))
            for _ in range(60):
                if heard.done():
                    break
                await socket.send((noise * 4)[:6_400])
                await asyncio.sleep(0.2)
            kinds, code = await heard
        await stack.quiet()
        metrics = await stack.metrics()
    assert code == 1000
    assert sample(metrics, "voice_agent_sessions_total", outcome="cost_cap") == 1
    assert sample(metrics, "voice_agent_cost_usd_total", tier="free") < 0.007
    assert "session.end" in kinds


@pytest.mark.slow
async def test_sonnet_by_a_phrase_is_counted_and_charged_and_ends_at_the_ceiling(tmp_path: Path) -> None:
    budgets = tmp_path / "budgets.toml"
    text = DEFAULT_FILE.read_text().replace("session_usd = 0.15", "session_usd = 0.03", 1)
    budgets.write_text(text.replace("turn_usd = 0.006", "turn_usd = 0.002", 1))
    async with attacked(budgets_file=budgets) as (stack, _), escalating_call(stack) as socket:
        heard = asyncio.create_task(ending_with(socket))
        for _ in range(60):
            if heard.done():
                break
            await say(socket, {"type": "text", "text": "use Sonnet: API"})
            await asyncio.sleep(0.7)  # hardly over the pace: it is the limit on money that holds
        _, code = await heard
        await stack.quiet()
        metrics = await stack.metrics()
    by_term = sample(metrics, "voice_agent_routed_turns_total", model="sonnet", rule="term", tier="free")
    paid = sample(metrics, "voice_agent_cost_usd_total", service="llm", model="claude-sonnet-5-5", tier="free")
    assert by_term >= 2
    assert paid > 0.0003 * by_term, "each of them was charged to the caller"
    assert code == 1000 and sample(metrics, "voice_agent_sessions_total", outcome="cost_cap") == 1
    after = sample(metrics, "voice_agent_routed_turns_total", model="haiku", rule="policy", tier="free")
    assert after >= 1, "near the ceiling the phrase brings nothing any more"
    assert sample(metrics, "voice_agent_cost_usd_total", tier="free") <= 0.03


@asynccontextmanager
async def escalating_call(stack: Stack) -> AsyncGenerator[ClientConnection]:
    """A stranger's call under the policy that asks Haiku first; the holdout's asks Sonnet whatever is said."""
    for _ in range(20):
        async with dial(stack, await token_of(stack)) as socket:
            await socket.send(START)
            if (await until(socket, "session.ready"))["policy"] == "haiku_first":
                yield socket
                return
    raise AssertionError("every session was given to the holdout")


@pytest.mark.slow
async def test_the_tokens_of_one_api_key_have_one_ceiling_together(tmp_path: Path) -> None:
    budgets = tmp_path / "budgets.toml"
    budgets.write_text(DEFAULT_FILE.read_text().replace("key_day_usd = 100.00", "key_day_usd = 0.05", 1))
    keys = ("leaked-key-0123456789", "other-key-0123456789")
    async with attacked(budgets_file=budgets, api_keys=keys) as (stack, _), httpx.AsyncClient() as client:
        leaked, other = ({"authorization": f"Bearer {key}"} for key in keys)
        answer = await client.post(f"{stack.url}/v1/sessions", headers=leaked)
        for _ in range(30):
            if answer.status_code != 201:
                break
            async with dial(stack, answer.json()["token"]) as socket:
                await socket.send(START)
                await until(socket, "session.ready")
                await say(socket, {"type": "text", "text": "an API error? " * 140})
                await until(socket, "reply.text")
            answer = await client.post(f"{stack.url}/v1/sessions", headers=leaked)
        assert answer.status_code == 429 and "key_day" in answer.json()["detail"]
        assert (await client.post(f"{stack.url}/v1/sessions", headers=other)).status_code == 201
        metrics = await stack.metrics()
    assert sample(metrics, "voice_agent_cost_usd_total", tier="premium") <= 0.05


async def ending_with(socket: Any) -> tuple[list[str], int]:
    """The types of all messages until the end, and the close code."""
    kinds: list[str] = []
    try:
        async with asyncio.timeout(30):
            while True:
                frame = await socket.recv()
                if isinstance(frame, str):
                    kinds.append(json.loads(frame)["type"])
    except ConnectionClosed as closed:
        return kinds, closed.rcvd.code if closed.rcvd else 1006


async def test_what_a_call_may_cost_is_said_before_it_and_429_says_when_to_come_back() -> None:
    async with attacked(tokens_per_minute=2) as (stack, _), httpx.AsyncClient() as client:
        answers = [await client.post(f"{stack.url}/v1/sessions") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert answers[0].json()["limit_usd"] == 0.15
        assert int(answers[2].headers["retry-after"]) >= 1
        assert answers[2].headers["content-type"].startswith("application/problem+json")
        key = {"authorization": "Bearer test-key-0123456789"}
        assert (await client.post(f"{stack.url}/v1/sessions", headers=key)).status_code == 201


async def test_the_tokens_of_one_api_key_have_a_pace_whatever_address_asks_for_them() -> None:
    keys = ("leaked-key-0123456789", "other-key-0123456789")
    paced = attacked(tokens_per_minute_of_key=3, trusted_proxies=("127.0.0.1",), api_keys=keys)
    async with paced as (stack, _), httpx.AsyncClient() as client:

        async def ask(key: str, caller: int) -> httpx.Response:
            headers = {"authorization": f"Bearer {key}", "x-forwarded-for": f"192.0.2.{caller}"}
            return await client.post(f"{stack.url}/v1/sessions", headers=headers)

        answers = [await ask(keys[0], caller) for caller in range(5)]
        assert [answer.status_code for answer in answers] == [201, 201, 201, 429, 429]
        assert 1 <= int(answers[3].headers["retry-after"]) <= 20
        assert answers[3].headers["content-type"].startswith("application/problem+json")
        assert (await ask(keys[1], 6)).status_code == 201, "one key's callers are not another's"
        assert (await client.post(f"{stack.url}/v1/sessions")).status_code == 201
        metrics = await stack.metrics()
    assert sample(metrics, "voice_agent_sessions_refused_total", tier="premium", reason="key_rate") == 2


async def test_a_caller_behind_a_trusted_proxy_has_an_address_of_its_own() -> None:
    proxied = attacked(tokens_per_minute=1, trusted_proxies=("127.0.0.1",))
    async with proxied as (stack, _), httpx.AsyncClient() as client:
        asked = (
            ["192.0.2.1"],
            ["192.0.2.1"],
            ["192.0.2.2"],
            ["10.0.0.1, 192.0.2.2"],
            ["192.0.2.3", "192.0.2.2"],  # a line of the client's own, and the proxy's below it
        )
        codes: list[int] = []
        for names in asked:
            lines = [("x-forwarded-for", name) for name in names]
            codes.append((await client.post(f"{stack.url}/v1/sessions", headers=lines)).status_code)
    assert codes == [201, 429, 201, 429, 429]


async def test_one_who_types_at_a_human_pace_hears_of_no_limit() -> None:
    async with attacked() as (stack, _), dial(stack, await token_of(stack)) as socket:
        await socket.send(START)
        assert (await until(socket, "session.ready"))["limit_usd"] == 0.15
        for _ in range(3):
            await say(socket, {"type": "text", "text": "hello"})
            await until(socket, "turn.metrics")
        for _ in range(40):  # eight seconds of audio at once: a phone that wakes up
            await socket.send(bytes(6_400))
        await say(socket, {"type": "hangup"})
        error, code = await ending(socket)
    assert (error, code) == ({}, 1000)
