"""Attacks by form: forged credentials, broken protocols, slow requests, paths and headers."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import httpx
import jwt

from tools.attack.attacker import Attacker, AttackResult, Target, close_code, frame, raw_code

LATER = 4_000_000_000


async def _refused(by: Attacker, token: str | None, code: int = 4401, *, start: bool = False) -> AttackResult:
    async with by.call(token, start=start) as socket:
        found = await close_code(socket)
    return AttackResult(f"closed with {found}", found == code)


def _signed(secret: str = "another-secret-of-somebody-else-0123456789", **changes: Any) -> str:
    claims = {"sub": "x", "scope": "voice-session", "tier": "premium", "exp": LATER} | changes
    return jwt.encode(claims, secret, "HS256")


async def no_token(by: Attacker) -> AttackResult:
    """a WebSocket without a token"""
    return await _refused(by, None)


async def unsigned_token(by: Attacker) -> AttackResult:
    """a token with `alg: none` and tier premium"""
    parts = [{"alg": "none", "typ": "JWT"}, {"sub": "x", "scope": "voice-session", "tier": "premium", "exp": LATER}]
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return await _refused(by, f"{head}.{body}.")


async def foreign_token(by: Attacker) -> AttackResult:
    """a premium token signed with another secret"""
    return await _refused(by, _signed())


async def empty_secret(by: Attacker) -> AttackResult:
    """a token signed with a secret of one character"""
    return await _refused(by, _signed("a"))


async def long_token(by: Attacker) -> AttackResult:
    """a token of 5,000 characters"""
    return await _refused(by, "a" * 5_000)


async def changed_tier(by: Attacker) -> AttackResult:
    """the own free token with its tier changed to premium"""
    head, body, signature = (await by.token()).split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "==")) | {"tier": "premium"}
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return await _refused(by, f"{head}.{forged}.{signature}")


async def token_in_address(by: Attacker) -> AttackResult:
    """the token in the address instead of the subprotocol"""
    token = await by.token()
    data = by.upgrade("none").replace(b"/v1/voice ", f"/v1/voice?token={token}&access_token={token} ".encode())
    reader, writer = await by.raw(data)
    await reader.readuntil(b"\r\n\r\n")
    code = await raw_code(reader)
    writer.close()
    return AttackResult(f"closed with {code}", code == 4401)


async def session_as_membership(by: Attacker) -> AttackResult:
    """a session token as premium_token cookie"""
    token = await by.token()
    async with by.client() as client:
        answer = await client.post("/v1/sessions", headers={"cookie": f"premium_token={token}"})
    return AttackResult(f"{answer.status_code}", answer.status_code == 401)


async def forged_membership(by: Attacker) -> AttackResult:
    """a premium_token cookie signed with a guessed secret"""
    async with by.client() as client:
        answer = await client.post("/v1/sessions", headers={"cookie": f"premium_token={_signed('secret' * 8)}"})
    return AttackResult(f"{answer.status_code}", answer.status_code == 401)


async def resume_after_hang_up(by: Attacker) -> AttackResult:
    """a resume token after the caller has hung up"""
    async with by.call(await by.token()) as socket:
        ready = await by.ready(socket)
        await socket.send(json.dumps({"type": "hangup"}))
        await close_code(socket)
    await asyncio.sleep(1.0)
    return await _refused(by, ready["resume_token"], start=True)


async def operators_paths(by: Attacker) -> AttackResult:
    """/metrics, /v1/ops and health with details on the public port"""
    async with by.client() as client:
        codes = {
            path: (await client.get(path)).status_code for path in ("/metrics", "/v1/ops/policies", "/v1/ops/decisions")
        }
        codes["alerts"] = (await client.post("/v1/ops/alerts", content=b"{}")).status_code
        ready = (await client.get("/health/ready")).json()
    held = set(codes.values()) == {404} and list(ready) == ["status"]
    return AttackResult(f"{', '.join(map(str, codes.values()))}; health says {ready}", held)


async def hosts(by: Attacker) -> AttackResult:
    """`Host: x:99999999`, and the Host of another site"""
    names = ("x:99999999", "evil.example", "127.0.0.1:80@evil.example", "127.0.0.1/evil", "[::1", "a" * 5_000, "")
    async with by.client() as client:
        codes = [(await client.post("/v1/sessions", headers={"host": name})).status_code for name in names]
    return AttackResult(", ".join(map(str, codes)), set(codes) <= {400, 421})


async def odd_methods(by: Attacker) -> AttackResult:
    """TRACE, PUT, DELETE and a method that does not exist"""
    async with by.client() as client:
        codes = [
            (await client.request(name, "/v1/sessions")).status_code for name in ("TRACE", "PUT", "DELETE", "HACK")
        ]
    return AttackResult(", ".join(map(str, codes)), set(codes) <= {400, 404, 405, 501})


async def traversal(by: Attacker) -> AttackResult:
    """../ in paths, plain and encoded"""
    paths = (
        "/talk/../../etc/passwd",
        "/talk/..%2f..%2fetc%2fpasswd",
        "/sample-calls/%2e%2e%2fsettings.py",
        "//etc/passwd",
    )
    answers = [
        await by.answer(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        for path in paths
    ]
    codes = [int(answer.split(b" ", 2)[1]) for answer in answers]
    leaked = any(b"root:" in answer or b"import " in answer for answer in answers)
    return AttackResult(", ".join(map(str, codes)), not leaked and 200 not in codes and 500 not in codes)


async def smuggling(by: Attacker) -> AttackResult:
    """Content-Length beside Transfer-Encoding: a request within a request"""
    data = (
        b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    )
    answer = await by.answer(data)
    return AttackResult(str(answer[:12], "latin-1"), b"voice_agent_" not in answer)


async def nosniff(by: Attacker) -> AttackResult:
    """answers without `nosniff`, errors and pages included"""
    async with by.client() as client:
        answers = [
            await client.get(path) for path in ("/", "/health/live", "/nothing", "/v1/sessions", "/talk/none.js")
        ]
        answers.append(await client.post("/v1/sessions", headers={"authorization": "Bearer x"}))
    missing = [answer.url.path for answer in answers if answer.headers.get("x-content-type-options") != "nosniff"]
    return AttackResult(f"missing on {missing or 'none'}", not missing)


async def other_origin(by: Attacker) -> AttackResult:
    """an upgrade from a page of another site, without a token"""
    async with by.call(
        None, start=False, additional_headers={"origin": "https://evil.example", "cookie": "premium_token=x"}
    ) as socket:
        code = await close_code(socket)
    return AttackResult(f"closed with {code}: cookies open no WebSocket", code == 4401)


async def slow_requests(by: Attacker) -> AttackResult:
    """idle TCP, half a request line, half headers, a body that never comes"""
    began = time.monotonic()
    post = b"POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n"
    parts = (b"", b"GET /he", b"GET / HTTP/1.1\r\nHost: x\r\nX-", post)
    answers = await asyncio.gather(*(by.answer(part) for part in parts))
    held = b"still open" not in answers
    return AttackResult(f"all closed after {time.monotonic() - began:.0f} s (408)" if held else "still open", held)


async def drip(by: Attacker) -> AttackResult:
    """headers at one byte a second"""
    reader, writer = await by.raw(b"GET / HTTP/1.1\r\n")
    began = time.monotonic()
    answer = asyncio.create_task(reader.read())
    while not answer.done() and time.monotonic() - began < 15:
        writer.write(b"x")
        await asyncio.sleep(1.0)
    writer.close()
    answer.cancel()
    return AttackResult(f"closed after {time.monotonic() - began:.0f} s", time.monotonic() - began < 13)


async def long_header(by: Attacker) -> AttackResult:
    """an upgrade with a header line of 9,000 bytes"""
    answer = await by.answer(by.upgrade(await by.token(), f"X-Long: {'x' * 9_000}"))
    return AttackResult(str(answer.split(b"\r\n")[0], "latin-1"), answer.startswith(b"HTTP/1.1 4"))


async def _raw_frames(by: Attacker, data: bytes, codes: set[int]) -> AttackResult:
    reader, writer = await by.upgraded(await by.token())
    writer.write(data)
    code = await raw_code(reader)
    writer.close()
    return AttackResult(f"closed with {code}", code in codes)


async def unmasked(by: Attacker) -> AttackResult:
    """a frame without a mask"""
    return await _raw_frames(by, frame(1, b"{}", masked=False), {1002})


async def reserved_opcode(by: Attacker) -> AttackResult:
    """a frame with a reserved opcode"""
    return await _raw_frames(by, frame(5, b"x"), {1002})


async def bad_utf8(by: Attacker) -> AttackResult:
    """a text frame that is not UTF-8"""
    return await _raw_frames(by, frame(1, b'{"type": "\xff\xfe"}'), {1007, 4400})


async def lone_continuation(by: Attacker) -> AttackResult:
    """a continuation of a message that never began"""
    return await _raw_frames(by, frame(0, b"x"), {1002})


async def compressed(by: Attacker) -> AttackResult:
    """a compressed frame (a bomb), though compression was not agreed on"""
    return await _raw_frames(by, b"\xc1\x85" + bytes(4) + b"bomb!", {1002})


async def _text(by: Attacker, message: str, codes: set[int]) -> AttackResult:
    async with by.call(await by.token()) as socket:
        await socket.send(message)
        code = await close_code(socket, 2.0)
    return AttackResult(f"closed with {code}" if code else "answered, and the call goes on", code in codes)


async def deep_json(by: Attacker) -> AttackResult:
    """JSON nested 8,000 deep"""
    return await _text(by, "[" * 8_000 + "]" * 8_000, {4400})


async def odd_numbers(by: Attacker) -> AttackResult:
    """numbers that are none: NaN, 1e999, integers of 4,000 digits"""
    bodies = ('{"type":"pong","id":NaN}', '{"type":"playback","turn":1,"event":"started","played_ms":1e999}',
              '{"type":"pong","id":' + "9" * 4_000 + "}")  # fmt: skip
    found = [await _text(by, body, {0, 4400}) for body in bodies]
    return AttackResult("; ".join(one.happened for one in found), all(one.held for one in found))


async def markup(by: Attacker) -> AttackResult:
    """SSML, HTML and SQL as what the caller says"""
    said = "<speak><break time='1h'/></speak> <img src=x onerror=alert(1)> '); DROP TABLE sessions;--"
    return await _text(by, json.dumps({"type": "text", "text": said}), {0})


async def foreign_session(by: Attacker) -> AttackResult:
    """another caller's session id in the own token's place"""
    async with by.call(await by.token()) as victim:
        session = json.loads(await victim.recv())["session_id"]
        forged = await _refused(by, _signed(scope="voice-resume", sid=session, sub="x"))
        open_still = await close_code(victim, 0.5) == 0
    return AttackResult(f"{forged.happened}; the other call goes on", forged.held and open_still)


async def two_rollbacks(by: Attacker) -> AttackResult:
    """two operators roll back the same revision at the same moment"""
    target: Target = by.target
    auth: Mapping[str, str] = {"authorization": f"Bearer {target.operator_token}"}
    async with httpx.AsyncClient(base_url=target.ops_url, headers=auth) as client:
        before = (await client.get("/v1/ops/policies")).json()["assignments"]["free"]["revision"]
        headers = {"if-match": str(before)}
        answers = await asyncio.gather(
            *(client.post("/v1/ops/policies/free/rollback", headers=headers) for _ in range(2)), return_exceptions=True
        )
        codes = sorted(one.status_code for one in answers if isinstance(one, httpx.Response))
    return AttackResult(f"{codes[0]} and {codes[-1]}", codes == [200, 412])


async def ops_without_token(by: Attacker) -> AttackResult:
    """the operators' listener without a token, or with a wrong one"""
    async with httpx.AsyncClient(base_url=by.target.ops_url) as client:
        codes = [
            (await client.get("/v1/ops/policies", headers=headers)).status_code
            for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic eDp4"})
        ]
    return AttackResult(", ".join(map(str, codes)), set(codes) == {401})


async def plain_upgrade_elsewhere(by: Attacker) -> AttackResult:
    """a WebSocket on a path that has none"""
    data = by.upgrade("x").replace(b"/v1/voice", b"/metrics")
    answer = await by.answer(data, 3.0)
    return AttackResult(str(answer.split(b"\r\n")[0], "latin-1"), b" 101 " not in answer)


FORGERIES = (
    no_token, unsigned_token, foreign_token, empty_secret, long_token, changed_tier, token_in_address,
    session_as_membership, forged_membership, resume_after_hang_up, operators_paths, hosts, odd_methods, traversal,
    smuggling, nosniff, other_origin, slow_requests, drip, long_header, unmasked, reserved_opcode, bad_utf8,
    lone_continuation, compressed, deep_json, odd_numbers, markup, foreign_session, two_rollbacks, ops_without_token,
    plain_upgrade_elsewhere,
)  # fmt: skip
