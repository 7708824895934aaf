"""Attacks by use: what the protocols allow, done too often, too slowly, twice, or with a twist."""

from __future__ import annotations

import asyncio
import gzip
import json

from tools.attack.attacker import START, Attacker, AttackResult, close_code, frame


async def tiny_chunks(by: Attacker) -> AttackResult:
    """a body of 60,000 chunks of one byte, written at once"""
    head = b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = await by.answer(head + b"1\r\nx\r\n" * 60_000, 25.0)
    line = str(answer.split(b"\r\n")[0], "latin-1")
    return AttackResult(line, answer != b"still open" and b" 500 " not in answer)


async def pipelined(by: Attacker) -> AttackResult:
    """1,000 requests in one write"""
    answer = await by.answer(b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 1_000, 8.0)
    given, later = answer.count(b"HTTP/1.1 201"), answer.count(b"HTTP/1.1 429")
    return AttackResult(f"{given} tokens, {later} × 429", given <= 40)


async def never_reads(by: Attacker) -> AttackResult:
    """a caller who asks for long replies and reads nothing"""
    reader, writer = await by.upgraded(await by.token())
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    for _ in range(20):
        if writer.is_closing():
            break
        writer.write(frame(1, json.dumps({"type": "text", "text": "tell me everything about the rooms"}).encode()))
        await asyncio.sleep(0.5)
    writer.transport.abort()
    return AttackResult("what waits for it is bounded, and it is cut", True)


async def pings_unread(by: Attacker) -> AttackResult:
    """a long reply that is not read, and 100,000 pings behind it"""
    reader, writer = await by.upgraded(await by.token())
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(frame(1, json.dumps({"type": "text", "text": "tell me everything"}).encode()))
    await asyncio.sleep(1.0)
    sent = 0
    try:
        async with asyncio.timeout(10):
            while sent < 100_000 and not writer.is_closing():
                writer.write(frame(9, b"x" * 100) * 1_000)
                await writer.drain()
                sent += 1_000
    except (TimeoutError, OSError):
        pass
    gone = writer.is_closing() or sent < 100_000
    writer.transport.abort()
    return AttackResult(f"cut after {sent:,}" if gone else f"{sent:,} taken", gone)


async def same_token_twice(by: Attacker) -> AttackResult:
    """one token on five connections at once"""
    token = await by.token()
    codes: list[int] = []

    async def hold() -> None:
        async with by.call(token) as socket:
            codes.append(await close_code(socket, 3.0))

    await asyncio.gather(*(hold() for _ in range(5)))
    return AttackResult(f"{codes.count(0)} stays, {codes.count(4409)} closed with 4409", codes.count(0) <= 1)


async def lone_surrogate(by: Attacker) -> AttackResult:
    r"""what the caller says as `\ud800` and `\u0000`: text that no database takes"""
    async with by.call(await by.token()) as socket:
        for said in ("\\ud800", "\\u0000 hello", "\\udfff\\ud800 x"):
            await socket.send('{"type":"text","text":"' + said + '"}')
        code = await close_code(socket, 2.0)
    return AttackResult(f"closed with {code}" if code else "answered, and the call goes on", code in (0, 4400))


async def header_injection(by: Attacker) -> AttackResult:
    """line breaks in the path, and in the offered subprotocol"""
    paths = ("/v1/sessions%0d%0aSet-Cookie:%20premium_token=x", "/talk/%0d%0aX-Evil:%201")
    answers = [
        await by.answer(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        for path in paths
    ]
    data = by.upgrade("x").replace(b"bearer.x", b"bearer.x%0d%0aX-Evil: 1")
    answers.append(await by.answer(data, 3.0))
    heads = [answer.partition(b"\r\n\r\n")[0].lower() for answer in answers]
    found = sum(b"\r\nset-cookie" in head or b"\r\nx-evil" in head for head in heads)
    return AttackResult(f"{found} headers of the attacker's own", found == 0)


async def other_site_reads(by: Attacker) -> AttackResult:
    """a page of another site asks for a token (CORS), with and without a preflight"""
    headers = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    async with by.client() as client:
        answers = [
            await client.options("/v1/sessions", headers=headers),
            await client.post("/v1/sessions", headers={"origin": "https://evil.example"}),
        ]
    allowed = [answer.headers.get("access-control-allow-origin") for answer in answers]
    return AttackResult(f"allowed origins: {allowed}", allowed == [None, None])


async def packed_body(by: Attacker) -> AttackResult:
    """a body that unpacks to 20 MB (`Content-Encoding: gzip`)"""
    packed = gzip.compress(bytes(20_000_000))[:16_000]
    async with by.client() as client:
        answer = await client.post("/v1/sessions", content=packed, headers={"content-encoding": "gzip"})
    return AttackResult(f"{answer.status_code}, nothing unpacked", answer.status_code in (201, 400, 413, 415, 429))


async def hidden_documents(by: Attacker) -> AttackResult:
    """/schema, /docs, /openapi.json, /.env, /.git/config, /debug, source maps"""
    paths = ("/schema", "/schema/openapi.json", "/docs", "/openapi.json", "/.env", "/.git/config", "/debug",
             "/talk/client.js.map", "/server-status")  # fmt: skip
    async with by.client() as client:
        codes = [(await client.get(path)).status_code for path in paths]
    return AttackResult(f"{codes.count(404)} of {len(codes)} are 404", set(codes) == {404})


async def telling_errors(by: Attacker) -> AttackResult:
    """errors of every kind: do they tell paths, versions or stack traces"""
    async with by.client() as client:
        answers = [
            await client.post("/v1/sessions", headers={"authorization": "Bearer x"}),
            await client.post("/v1/sessions", headers=[(b"cookie", b"premium_token=\xff")]),
            await client.get("/v1/voice"),
            await client.get("/%ff%fe"),
        ]
    raw = await by.answer(b"\x00\x01\x02\r\n\r\n", 3.0)
    text = " ".join([*(answer.text + str(answer.headers) for answer in answers), raw.decode("latin-1")]).lower()
    found = [word for word in ("traceback", "/agent/", ".py", "litestar", "uvicorn", "python") if word in text]
    return AttackResult(f"found {found or 'nothing'}", not found)


async def other_versions(by: Attacker) -> AttackResult:
    """HTTP/2 by prior knowledge, HTTP/0.9, a TLS hello on the plain port"""
    tried = (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    )
    answers = [await by.answer(data, 13.0) for data in tried]
    return AttackResult(
        f"{sum(b' 400 ' in answer for answer in answers)} × 400, none stays open", b"still open" not in answers
    )


async def wrong_upgrades(by: Attacker) -> AttackResult:
    """upgrades of another version, without a key, and as POST"""
    whole = by.upgrade("x")
    tried = (
        whole.replace(b"Version: 13", b"Version: 8"),
        b"\r\n".join(line for line in whole.split(b"\r\n") if not line.startswith(b"Sec-WebSocket-Key")),
        whole.replace(b"GET ", b"POST "),
    )
    lines = [str((await by.answer(data, 13.0)).split(b"\r\n")[0], "latin-1") for data in tried]
    codes = [line.split(" ")[1] if line.startswith("HTTP/1.1 ") else line for line in lines]
    return AttackResult(", ".join(codes), all(code.startswith("4") for code in codes))


async def start_twice(by: Attacker) -> AttackResult:
    """`start` a second time in the middle of a call"""
    async with by.call(await by.token()) as socket:
        await socket.send(START)
        code = await close_code(socket)
    return AttackResult(f"closed with {code}", code == 4400)


async def comes_and_goes(by: Attacker) -> AttackResult:
    """100 calls that are hung up at once, one after the other"""
    codes: list[str] = []
    for _ in range(100):
        async with by.client() as client:
            answer = await client.post("/v1/sessions")
        if answer.status_code != 201:
            codes.append(str(answer.status_code))
            continue
        async with by.call(answer.json()["token"]) as socket:
            await socket.recv()
        codes.append("call")
    return AttackResult(f"{codes.count('call')} calls, {codes.count('429')} × 429", codes.count("call") <= 40)


ABUSE = (
    tiny_chunks, pipelined, never_reads, pings_unread, same_token_twice, lone_surrogate, header_injection,
    other_site_reads, packed_body, hidden_documents, telling_errors, other_versions, wrong_upgrades, start_twice,
    comes_and_goes,
)  # fmt: skip
