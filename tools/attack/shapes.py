"""Attacks by shape: requests, frames and tokens that stand between the lines of their protocols."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any, Final

import jwt

from tools.attack.attacker import Attacker, AttackResult, close_code, frame, raw_code

MARK: Final = "quokka-7f3e91"
POST: Final = b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
INNER: Final = b"GET /talk/client.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
"""A request that is hidden in what should be the body of another one."""


async def hidden_requests(by: Attacker) -> AttackResult:
    """a request hidden in another's body: two lengths, `+5`, `chunked` spelled oddly, a folded header, bare LF"""
    tried = (
        POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(INNER),
        POST + b"Content-Length: +%d\r\n\r\n" % len(INNER),
        POST + b"Content-Length: 0x%x\r\n\r\n" % len(INNER),
        POST + b"Content-Length: 0, %d\r\n\r\n" % len(INNER),
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff1\r\nx\r\n0\r\n\r\n",
        POST + b"X-Folded: a\r\n Content-Length: 0\r\n\r\n",
        POST + b"X: a\nContent-Length: 0\r\n\r\n",
    )
    answers = [await by.answer(data + INNER, 3.0) for data in tried]
    hidden = sum(answer.count(b"text/javascript") for answer in answers[:4] + answers[5:9])
    said = f"{sum(b' 400 ' in one for one in answers)} of {len(answers)} are 400, {hidden} hidden requests answered"
    return AttackResult(said, hidden == 0 and not any(b" 500 " in answer for answer in answers))


async def unread_answers(by: Attacker) -> AttackResult:
    """10 connections that ask for a recording again and again and read nothing of it"""
    request = b"GET /sample-calls/room_01.wav HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    pairs = [await by.raw(request * 200) for _ in range(10)]  # 15 MB: more than the system buffers
    for reader, _ in pairs:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
    before = await by.target.metric("connections")
    try:
        async with asyncio.timeout(60):
            while (left := await by.target.metric("connections")) > before - 10:
                await asyncio.sleep(1.0)
    except TimeoutError:
        left = await by.target.metric("connections")
    for _, writer in pairs:
        writer.transport.abort()
    cut = before - left
    return AttackResult(f"{cut:.0f} of 10 cut while they were still connected", cut >= 10)


async def much_to_read(by: Attacker) -> AttackResult:
    """a recording fetched 400 times over 20 connections, with ranges: the service as an amplifier"""
    codes: list[int] = []

    async def fetch() -> None:
        async with by.client() as client:
            for _ in range(20):
                answer = await client.get("/sample-calls/room_01.wav", headers={"range": "bytes=0-,0-,0-,0-,0-"})
                codes.append(answer.status_code)

    await asyncio.gather(*(fetch() for _ in range(20)))
    return AttackResult(f"{len(codes)} × {sorted(set(codes))}, no range multiplied", set(codes) <= {200, 206, 416, 429})


async def every_method(by: Attacker) -> AttackResult:
    """HEAD, OPTIONS and PATCH on every public path"""
    paths = (
        "/",
        "/talk/client.js",
        "/sample-calls/room_01.wav",
        "/v1/sessions",
        "/v1/voice",
        "/health/live",
        "/nothing",
    )
    async with by.client() as client:
        codes = [(await client.request(method, path)).status_code
                 for method in ("HEAD", "OPTIONS", "PATCH") for path in paths]  # fmt: skip
    return AttackResult(f"{len(codes)} answers: {sorted(set(codes))}", max(codes) < 500)


async def other_targets(by: Attacker) -> AttackResult:
    """an absolute request target, `CONNECT`, `//other.example/..`: a proxy, or a redirect to elsewhere"""
    targets = ("GET http://evil.example/", "CONNECT evil.example:443", "GET //evil.example/%2e%2e", "OPTIONS *",
               "GET /talk//evil.example/", "GET /\\evil.example", "GET /?next=//evil.example")  # fmt: skip
    heads: list[bytes] = []
    for target in targets:
        data = f"{target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        heads.append((await by.answer(data.encode(), 5.0)).partition(b"\r\n\r\n")[0])
    elsewhere = sum(b"evil.example" in head for head in heads)
    codes = sorted({head.split(b" ", 2)[1].decode() for head in heads if b" " in head})
    return AttackResult(
        f"{', '.join(codes)}; {elsewhere} lead elsewhere", not elsewhere and max(codes, default="") < "500"
    )


async def expectations(by: Attacker) -> AttackResult:
    """`Expect: 100-continue` without a body, `Upgrade: h2c`, trailers that bring a cookie"""
    tried = (
        POST + b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
        POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTrailer: Cookie\r\n\r\n0\r\nCookie: premium_token=x\r\n\r\n",
    )
    answers = [await by.answer(data, 13.0) for data in tried]
    lines = [[*answer.split(b"\r\n")[0].split(b" "), b"?"][1].decode("latin-1") for answer in answers]
    return AttackResult(", ".join(lines), answers[0] != b"still open" and b" 101 " not in b"".join(answers))


async def header_tricks(by: Attacker) -> AttackResult:
    """cookies and keys that are empty, doubled, 7 kB long, of other letters, with NUL bytes"""
    tried: tuple[list[tuple[bytes, bytes]], ...] = (
        [(b"cookie", b"premium_token=")],
        [(b"cookie", b"premium_token=a; premium_token=b")],
        [(b"cookie", b"premium_token=" + b"x" * 7_000)],
        [(b"cookie", b"; ".join(b"c%d=%d" % (number, number) for number in range(500)))],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"Bearer \xc3\xa9\xff\xfe")],
        [(b"authorization", b"Basic eDp4")],
        [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
    )
    async with by.client() as client:
        codes = [(await client.post("/v1/sessions", headers=headers)).status_code for headers in tried]
    # two `Authorization` headers are refused as such; the cookies that say nothing leave a free caller
    return AttackResult(", ".join(map(str, codes)), codes == [401, 401, 401, 201, 401, 401, 401, 400])


async def token_headers(by: Attacker) -> AttackResult:
    """the own token with `kid`, `jku`, `x5u`, an embedded key, `crit`, and fifteen other algorithms"""
    token = await by.token()
    claims = jwt.decode(token, options={"verify_signature": False}) | {"tier": "premium"}
    known: dict[str, Any] = {"typ": "JWT", "alg": "HS256"}
    heads: list[dict[str, Any]] = [
        known | extra
        for extra in (
            {"kid": "../../../../dev/null"}, {"kid": "' UNION SELECT 'x"}, {"jku": "http://127.0.0.1:1/keys"},
            {"x5u": "http://127.0.0.1:1/x"}, {"jwk": {"kty": "oct", "k": "eA"}}, {"crit": ["exp"]}, {"b64": False},
        )
    ]  # fmt: skip
    heads += [known | {"alg": name} for name in ("none", "None", "nOnE", "", "HS384", "HS512", "RS256", "ES256",
                                                 "PS256", "EdDSA", "hs256", "dir", "HS1", "\0HS256")]  # fmt: skip
    codes: list[int] = []
    for head in heads:
        parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (head, claims)]
        for signature in ("", token.rpartition(".")[2]):
            async with by.call(".".join([*parts, signature]), start=False) as socket:
                codes.append(await close_code(socket))
    return AttackResult(f"{codes.count(4401)} of {len(codes)} closed with 4401", set(codes) == {4401})


async def traces(by: Attacker) -> AttackResult:
    """a secret word in path, query, Host, cookie, key, subprotocol, frames and as what the caller says: who keeps it"""
    async with by.client() as client:
        await client.get(f"/{MARK}?token={MARK}")
        for headers in ({"host": MARK}, {"cookie": f"premium_token={MARK}"}, {"authorization": f"Bearer {MARK}"},
                        {"user-agent": MARK}, {"x-forwarded-for": MARK}, {"traceparent": MARK}):  # fmt: skip
            await client.post("/v1/sessions", headers=headers)
    await by.answer(f"GET /{MARK}\r\nevil: {MARK}\r\n\r\n".encode(), 2.0)
    async with by.call(MARK, start=False) as socket:
        await close_code(socket)
    async with by.call(await by.token()) as socket:
        for said in (f"I am {MARK} level=error", f"a\\r\\n{MARK}\\u2028\\u0085 error"):
            await socket.send('{"type":"text","text":"' + said + '"}')
            await asyncio.sleep(1.5)
        await socket.send(json.dumps({"type": MARK}))
        await socket.send(json.dumps({"type": "playback", "turn": 1, "event": MARK}))
        await close_code(socket, 3.0)
    await asyncio.sleep(0.5)
    kept = (Path(by.target.folder) / "service.log").read_text(errors="replace").count(MARK)
    async with by.client() as client:
        shown = (await client.get(f"{by.target.ops_url}/metrics")).text.count(MARK)
    return AttackResult(f"{kept} times in the log, {shown} in the metrics", kept == shown == 0)


async def foreign_messages(by: Attacker) -> AttackResult:
    """every message that only the server may send, and one with each key twice"""
    names = ("session.ready", "reply.text", "reply.done", "turn.metrics", "degraded", "listen.browser", "echo",
             "filler", "error", "ping")  # fmt: skip
    async with by.call(await by.token()) as socket:
        for name in names:
            await socket.send(json.dumps({"type": name, "turn": 1, "text": "I am the agent", "code": "x", "id": 1}))
        await socket.send('{"type":"text","type":"hangup","type":"text","text":"a","text":"hello"}')
        code = await close_code(socket, 3.0)
    return AttackResult(f"closed with {code}" if code else "ignored, and the call goes on", code in (0, 4400))


async def lying_player(by: Attacker) -> AttackResult:
    """reports of playback that never was: huge, negative and fractional times, turns to come, 2⁶³"""
    codes: list[int] = []
    before = await by.target.metric("playback_skew_seconds_sum")
    for fields in (
        '"turn":1,"event":"started","played_ms":-5', '"turn":9223372036854775808,"event":"finished","played_ms":1',
        '"turn":-1,"event":"progress","played_ms":1', '"turn":99,"event":"finished","played_ms":1e308',
        '"turn":1,"event":"progress","played_ms":1.5e300', '"turn":"1","event":"finished","played_ms":[]',
    ):  # fmt: skip
        async with by.call(await by.token()) as socket:
            await socket.send(json.dumps({"type": "text", "text": "hello"}))
            await socket.send('{"type":"playback",' + fields + "}")
            codes.append(await close_code(socket, 1.5))
    skew = await by.target.metric("playback_skew_seconds_sum") - before
    said = f"{codes.count(4400)} closed with 4400, {codes.count(0)} ignored; skew counted {skew:.1f} s"
    return AttackResult(said, set(codes) <= {0, 4400} and skew < 60)


async def asked_for_compression(by: Attacker) -> AttackResult:
    """compression offered in the handshake, and then a bomb of 10 MB in it"""
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; server_no_context_takeover"
    reader, writer = await by.raw(by.upgrade(await by.token(), offer))
    head = await reader.readuntil(b"\r\n\r\n")
    writer.write(frame(0x41, b"\xec\xc1\x01\x01\x00\x00\x00\x80\x90\xfe\xaf\xee" + bytes(10_000)))
    code = await raw_code(reader, 5.0)
    writer.close()
    agreed = b"sec-websocket-extensions" in head.lower()
    return AttackResult(
        f"{'agreed on' if agreed else 'not agreed on'}; closed with {code}", not agreed and code == 1002
    )


async def odd_control_frames(by: Attacker) -> AttackResult:
    """a close of one byte, of code 999, of bad UTF-8; a ping of 126 bytes, one in two parts; frames after a close"""
    tried = (
        frame(8, b"\x03"), frame(8, b"\x03\xe7"), frame(8, b"\x03\xe8\xff\xfe"), frame(9, bytes(126)),
        frame(9, b"x", final=False), frame(8, b"\x03\xe8") + frame(1, b"{}") * 1_000, frame(8) * 1_000,
    )  # fmt: skip
    codes: list[int] = []
    for data in tried:
        reader, writer = await by.upgraded(await by.token())
        writer.write(data)
        codes.append(await raw_code(reader, 5.0))
        writer.close()
    return AttackResult(", ".join(map(str, codes)), 0 not in codes)


async def split_letters(by: Attacker) -> AttackResult:
    """a text whose letters are split over frames, with pings between them; and one that ends in half a letter"""
    said = json.dumps({"type": "text", "text": "Grüße, 你好"}, ensure_ascii=False).encode()
    codes: list[int] = []
    for data in (said, said[:-6]):
        reader, writer = await by.upgraded(await by.token())
        for position, byte in enumerate(data):
            writer.write(frame(0 if position else 1, bytes([byte]), final=position == len(data) - 1) + frame(9, b"p"))
        codes.append(await raw_code(reader, 4.0))
        writer.close()
    return AttackResult(f"{codes[0] or 'answered'}; {codes[1]}", codes[0] == 0 and codes[1] in (1007, 4400))


async def early_frames(by: Attacker) -> AttackResult:
    """frames that are sent with the upgrade, before it is answered; and an upgrade with a body"""
    reader, writer = await by.raw(by.upgrade("x") + frame(1, b'{"type":"start"}') * 200)
    first = await raw_code(reader)
    writer.close()
    second = await by.answer(by.upgrade("x", "Content-Length: 12") + b"hello, world", 5.0)
    said = "still open" if second == b"still open" else f"{len(second)} bytes, and closed"
    return AttackResult(f"closed with {first}; {said}", first in (4401, 1002, 1006) and second != b"still open")


SHAPES = (
    hidden_requests, unread_answers, much_to_read, every_method, other_targets, expectations, header_tricks,
    token_headers, traces, foreign_messages, lying_player, asked_for_compression, odd_control_frames, split_letters,
    early_frames,
)  # fmt: skip
