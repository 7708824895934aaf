"""Attacks by amount: money, memory, processor time, connections."""

from __future__ import annotations

import asyncio
import json

from tools.attack.attacker import Attacker, AttackResult, close_code, flood, frame, raw_code

SPEECH = b"\x00\x20" * 16_000  # a second of something loud


def text(size: int) -> str:
    return json.dumps({"type": "text", "text": "an API error? " * (size // 14)})


async def long_texts(by: Attacker) -> AttackResult:
    """100 texts of 1,990 characters in 5 s on one connection"""
    before = await by.target.metric("cost_usd_total", tier="free")
    async with by.call(await by.token()) as socket:
        closing = asyncio.create_task(close_code(socket))
        for _ in range(100):
            if closing.done():
                break
            await socket.send(text(1_990))
            await asyncio.sleep(0.05)
        await asyncio.wait({closing}, timeout=1.0)
        code = closing.result() if closing.done() else 0
        closing.cancel()
    await asyncio.sleep(0.5)
    cost = await by.target.metric("cost_usd_total", tier="free") - before
    return AttackResult(f"what is over the pace was dropped, close {code or 'none'}; cost ${cost:.3f}", cost <= 0.15)


async def fast_audio(by: Attacker) -> AttackResult:
    """600 s of speech as fast as it is taken"""
    before = await by.target.metric("stt_audio_seconds_total")
    async with by.call(await by.token()) as socket:
        sent, code = await flood(socket, SPEECH, 600)
    await asyncio.sleep(0.5)
    charged = await by.target.metric("stt_audio_seconds_total") - before
    return AttackResult(
        f"closed with {code} after {sent} s; {charged:.0f} s forwarded and charged", code == 4420 and charged < 30
    )


async def many_tokens(by: Attacker) -> AttackResult:
    """1,607 POST /v1/sessions from one address"""
    async with by.client() as client:
        given, waits = 0, ""
        for _ in range(1_607):
            answer = await client.post("/v1/sessions")
            given += answer.status_code == 201
            waits = answer.headers.get("retry-after", waits)
    return AttackResult(f"{given} tokens, then 429 with Retry-After {waits}", given < 100 and bool(waits))


async def guessed_keys(by: Attacker) -> AttackResult:
    """500 guessed API keys from one address"""
    async with by.client() as client:
        codes = [
            (await client.post("/v1/sessions", headers={"authorization": f"Bearer guess-{n:012d}"})).status_code
            for n in range(500)
        ]
    return AttackResult(
        f"{codes.count(401)} × 401, {codes.count(429)} × 429", codes.count(401) < 100 and 201 not in codes
    )


async def guessed_at_agents(by: Attacker) -> AttackResult:
    """500 guessed API keys and membership cookies at GET /v1/agents, every tenth at POST /v1/sessions"""
    codes: list[int] = []
    async with by.client() as client:
        for n in range(500):
            guess = {"authorization": f"Bearer guess-{n:012d}"} if n % 2 else {"cookie": f"premium_token=e30.e30.{n}"}
            method, path = ("GET", "/v1/agents") if n % 10 else ("POST", "/v1/sessions")
            codes.append((await client.request(method, path, headers=guess)).status_code)
    said = f"{codes.count(401)} × 401, {codes.count(429)} × 429: one pace for both doors"
    return AttackResult(said, codes.count(401) < 100 and set(codes) == {401, 429})


async def forged_addresses(by: Attacker) -> AttackResult:
    """200 POST /v1/sessions, each with another X-Forwarded-For"""
    async with by.client() as client:
        codes = [
            (await client.post("/v1/sessions", headers={"x-forwarded-for": f"198.51.100.{n}"})).status_code
            for n in range(200)
        ]
    return AttackResult(f"{codes.count(201)} tokens: the header is not believed", codes.count(201) < 100)


async def _flood_of(by: Attacker, message: str | bytes, count: int) -> AttackResult:
    async with by.call(await by.token()) as socket:
        sent, code = await flood(socket, message, count)
    return AttackResult(f"closed with {code} after {sent:,} messages", code == 4420)


async def small_texts(by: Attacker) -> AttackResult:
    """17,000 small texts as fast as they are taken"""
    return await _flood_of(by, json.dumps({"type": "text", "text": "hi"}), 17_000)


async def pongs(by: Attacker) -> AttackResult:
    """20,000 `pong` messages nobody asked for"""
    return await _flood_of(by, json.dumps({"type": "pong", "id": 1}), 20_000)


async def tiny_audio(by: Attacker) -> AttackResult:
    """20,000 audio frames of one sample"""
    return await _flood_of(by, b"\0\0", 20_000)


async def unknown_types(by: Attacker) -> AttackResult:
    """20,000 messages of a type that nobody knows"""
    return await _flood_of(by, json.dumps({"type": "dance"}), 20_000)


async def reports(by: Attacker) -> AttackResult:
    """20,000 reports of playback"""
    return await _flood_of(by, json.dumps({"type": "playback", "turn": 1, "event": "progress", "played_ms": 1}), 20_000)


async def unfinished_frames(by: Attacker) -> AttackResult:
    """40 connections with one unfinished frame of 11.9 MB each"""
    token = await by.token()
    pairs = [await by.upgraded(token) for _ in range(40)]
    codes: list[int] = []
    for _, writer in pairs:
        writer.write(frame(2, b"x" * 100_000, claims=11_900_000))
    for reader, writer in pairs:
        codes.append(await raw_code(reader))
        writer.close()
    refused = sum(code in (1009, 1006, 4409) for code in codes)
    return AttackResult(f"{refused} of 40 closed at the frame's header (1009)", refused == 40)


async def fragments(by: Attacker) -> AttackResult:
    """one message of 100,000 empty fragments"""
    reader, writer = await by.upgraded(await by.token())
    writer.write(frame(2, b"x", final=False) + frame(0, final=False) * 100_000)
    code = await raw_code(reader)
    writer.close()
    return AttackResult(f"closed with {code}", code == 1009)


async def pings(by: Attacker) -> AttackResult:
    """50,000 pings of the WebSocket layer, answers unread"""
    reader, writer = await by.upgraded(await by.token())
    writer.write(frame(9, b"x" * 100) * 50_000)
    code = await raw_code(reader)
    writer.close()
    return AttackResult(f"closed with {code}", code in (1008, 1006))


async def idle_sockets(by: Attacker) -> AttackResult:
    """260 idle TCP connections from one address"""
    refused = 0
    writers: list[asyncio.StreamWriter] = []
    for _ in range(260):
        reader, writer = await by.raw()
        writers.append(writer)
        try:
            async with asyncio.timeout(0.02):
                refused += b" 503 " in await reader.read(200)
        except TimeoutError:
            pass
    for writer in writers:
        writer.close()
    return AttackResult(f"{260 - refused} taken, {refused} answered with 503", refused >= 190)


async def unstarted(by: Attacker) -> AttackResult:
    """40 upgrades that never send `start`"""
    token = await by.token()
    pairs = [await by.raw(by.upgrade(token)) for _ in range(40)]
    # a close frame is followed by the end of the connection 10 s later, where nobody answers it
    codes = await asyncio.gather(*(raw_code(reader, 25.0) for reader, _ in pairs))
    for _, writer in pairs:
        writer.close()
    others = sorted({code for code in codes if code != 4408})
    said = f"{codes.count(4408)} closed with 4408 after 10 s" + (f", the others with {others}" if others else "")
    return AttackResult(said, codes.count(4408) == 40)


async def many_sessions(by: Attacker) -> AttackResult:
    """25 sessions at once from one address"""
    codes: list[int] = []
    tokens = [await by.token() for _ in range(25)]

    async def hold(token: str) -> None:
        async with by.call(token) as socket:
            codes.append(await close_code(socket, 3.0))

    await asyncio.gather(*(hold(token) for token in tokens))
    return AttackResult(f"{codes.count(0)} opened, {codes.count(4429)} refused with 4429", codes.count(0) <= 20)


async def large_body(by: Attacker) -> AttackResult:
    """a body of 5 MB to POST /v1/sessions"""
    async with by.client() as client:
        answer = await client.post("/v1/sessions", content=bytes(5_000_000))
    return AttackResult(f"{answer.status_code}", answer.status_code in (201, 413, 429))


FLOODS = (
    long_texts, fast_audio, many_tokens, guessed_keys, guessed_at_agents, forged_addresses, small_texts, pongs,
    tiny_audio, unknown_types, reports, unfinished_frames, fragments, pings, idle_sockets, unstarted, many_sessions,
    large_body,
)  # fmt: skip
