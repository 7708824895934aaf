"""Attacks by patience: what is allowed once, done again and again to burn money, places or streams of providers."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path

from tools.attack.attacker import START, Attacker, AttackResult, close_code
from tools.attack.privileged import own_service


async def interrupts_itself(by: Attacker) -> AttackResult:
    """long replies asked for and interrupted at once, for 20 s: models and voices paid for nothing"""
    before = await by.target.metric("cost_usd_total", tier="free")
    async with by.call(await by.token()) as socket:
        closing = asyncio.create_task(close_code(socket, 40.0))
        for _ in range(40):
            if closing.done():
                break
            await socket.send(json.dumps({"type": "text", "text": "tell me everything about every room you have"}))
            await asyncio.sleep(0.5)
        await socket.send(json.dumps({"type": "hangup"}))
        code = await closing
    await asyncio.sleep(0.5)
    cost = await by.target.metric("cost_usd_total", tier="free") - before
    return AttackResult(f"closed with {code}; ${cost:.3f}", cost <= 0.15)


async def comes_back(by: Attacker) -> AttackResult:
    """one call that is cut off and resumed 25 times, each time with a little speech"""
    token, before = await by.token(), await by.target.metric("api_calls_total", service="stt")
    for _ in range(25):
        async with by.call(token) as socket:
            said = json.loads(await socket.recv())
            if said["type"] != "session.ready":
                break  # resumed too often: that door held
            token = said["resume_token"]
            await socket.send(b"\x00\x20" * 1_600)
            socket.transport.abort()
    async with by.call(token) as socket:
        await socket.send(json.dumps({"type": "hangup"}))
        await close_code(socket)
    await asyncio.sleep(1.0)  # a stream is counted when it has ended
    streams = await by.target.metric("api_calls_total", service="stt") - before
    return AttackResult(f"{streams:.0f} streams of the recogniser", 1 <= streams <= 5)


async def all_resume(by: Attacker) -> AttackResult:
    """ten connections that resume the same call at the same moment, with the token of before, too"""
    before = await by.target.metric("active_sessions", tier="free")
    async with by.call(token := await by.token()) as first:
        resume = (await by.ready(first))["resume_token"]
        first.transport.abort()
    codes: list[int] = []

    async def hold(credential: str) -> None:
        async with by.call(credential) as socket:
            codes.append(await close_code(socket, 3.0))

    holding = asyncio.gather(*(hold(credential) for credential in [resume, token] * 5))
    await asyncio.sleep(1.5)
    sessions = await by.target.metric("active_sessions", tier="free") - before
    await holding
    said = f"{sessions:.0f} session, {codes.count(0)} connection stays, {codes.count(4409)} closed with 4409"
    return AttackResult(said, sessions == 1 and codes.count(0) == 1)


async def says_nothing(by: Attacker) -> AttackResult:
    """45 s of digital silence in real time: does it keep a recogniser's stream, and what does it cost"""
    cost = await by.target.metric("cost_usd_total", tier="free")
    heard = await by.target.metric("stt_audio_seconds_total")
    async with by.call(await by.token()) as socket:
        closing = asyncio.create_task(close_code(socket, 60.0))
        for _ in range(225):
            if closing.done():
                break
            await socket.send(bytes(6_400))
            await asyncio.sleep(0.2)
        closing.cancel()
    await asyncio.sleep(0.5)
    cost = await by.target.metric("cost_usd_total", tier="free") - cost
    heard = await by.target.metric("stt_audio_seconds_total") - heard
    return AttackResult(f"{heard:.0f} s forwarded, ${cost:.4f}", heard <= 35)


async def one_network(by: Attacker) -> AttackResult:
    """100 addresses of one IPv6 /64 behind a trusted proxy, and forged hops before the true one"""
    with tempfile.TemporaryDirectory() as folder:
        async with own_service(Path(folder), by, TRUSTED_PROXIES="127.0.0.0/8") as there, there.client() as client:
            codes = [
                (await client.post("/v1/sessions", headers={"x-forwarded-for": hops})).status_code
                for number in range(50)
                for hops in (
                    f"2001:db8:1:2:{number:x}::1",
                    f"198.51.100.{number}, unknown, 10.0.0.1, {'1.2.3.4, ' * 300}[2001:db8:1:2::{number:x}]:4711",
                )
            ]
    return AttackResult(f"{codes.count(201)} tokens, {codes.count(429)} × 429", codes.count(201) <= 40)


async def knocks_at_operators(by: Attacker) -> AttackResult:
    """1,000 requests to the operators' listener, a quarter of them with 900 kB of body, without a token"""
    codes: list[int] = []
    target = Attacker(type(by.target)(by.target.ops_url, by.target.ops_url), by.address)
    async with target.client() as client:
        for number in range(1_000):
            if number % 4:
                codes.append((await client.get("/v1/ops/decisions?limit=99999999")).status_code)
            else:
                codes.append((await client.post("/v1/ops/alerts", content=bytes(900_000))).status_code)
    said = ", ".join(f"{codes.count(code)} × {code}" for code in sorted(set(codes)))
    return AttackResult(said, set(codes) <= {401, 403, 413})


async def starts_anew(by: Attacker) -> AttackResult:
    """one token, opened and hung up 30 times: a greeting each time"""
    token, before = await by.token(), await by.target.metric("cost_usd_total", tier="free")
    opened = 0
    for _ in range(30):
        async with by.call(token, start=False) as socket:
            await socket.send(START)
            opened += json.loads(await socket.recv())["type"] == "session.ready"
            await socket.send(json.dumps({"type": "hangup"}))
            await close_code(socket, 3.0)
    await asyncio.sleep(0.5)
    cost = await by.target.metric("cost_usd_total", tier="free") - before
    return AttackResult(f"opened {opened} times, ${cost:.4f}", cost <= 0.05)


REPEATS = (interrupts_itself, comes_back, all_resume, says_nothing, one_network, knocks_at_operators, starts_anew)
