"""One stray or forged request wakes nobody: the service's own counters, before and after it, through the real rules."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import jwt
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed

from agent.auth.tokens import ALGORITHM
from agent.budgets import load_budgets
from alerts.__main__ import files
from alerts.groups import all_alerts
from alerts.model import RuleContext
from alerts.platform import JOB
from tests.support.operations import ALERTS, OPERATOR
from tests.support.promtool import needs_promtool, run_promtool
from tests.support.stack import Stack, running_stack
from tests.support.websocket_client import START, dial, token_of
from tools.attack.attacker import Attacker, Target, close_code

Samples = dict[str, float]
STRAY_MINUTE: Final = 20
LOOK: Final = (21, 23, 26, 30, 36)
"""Minutes at which the alerts are asked: each `for`, and each window of a page, has passed by then."""
MEMBERS: Final = "a-secret-of-memberships-0123456789"
PAGES: Final = tuple(
    alert.name
    for group in all_alerts(RuleContext(load_budgets())).values()
    for alert in group
    if alert.severity == "page"
)


async def wrong_operator_token(by: Attacker) -> int:
    async with httpx.AsyncClient(base_url=by.target.ops_url) as client:
        return (await client.get("/v1/ops/policies", headers={"authorization": "Bearer wrong"})).status_code


async def forged_webhook(by: Attacker) -> int:
    body = {"version": "4", "alerts": [{"status": "firing", "labels": {"action": "rollback", "tier": "free"}}]}
    async with httpx.AsyncClient(base_url=by.target.ops_url) as client:
        headers = {"authorization": "Bearer a-token-that-was-guessed"}
        return (await client.post("/v1/ops/alerts", json=body, headers=headers)).status_code


async def webhook_of_noise(by: Attacker) -> int:
    async with httpx.AsyncClient(base_url=by.target.ops_url) as client:
        return (await client.post("/v1/ops/alerts", content=b"\xff{" * 600_000)).status_code


async def forged_membership(by: Attacker) -> int:
    cookie = jwt.encode({"sub": "eve", "exp": _in(3600)}, "another-secret-0123456789-0123456789", ALGORITHM)
    return await _ask(by, cookie=f"premium_token={cookie}")


async def expired_membership(by: Attacker) -> int:
    cookie = jwt.encode({"sub": "eve", "exp": _in(-3600)}, MEMBERS, ALGORITHM)
    return await _ask(by, cookie=f"premium_token={cookie}")


async def guessed_key(by: Attacker) -> int:
    return await _ask(by, authorization="Bearer a-key-that-was-guessed")


async def other_host(by: Attacker) -> int:
    return await _ask(by, host="evil.example")


async def forged_token(by: Attacker) -> int:
    claims = {"scope": "voice-session", "sub": "eve", "sid": "x", "tier": "premium", "exp": _in(600)}
    return await _code(by, jwt.encode(claims, "another-secret-0123456789-0123456789", ALGORITHM))


async def expired_token(by: Attacker) -> int:
    claims = jwt.decode(await by.token(), options={"verify_signature": False}) | {"exp": _in(-5)}
    return await _code(by, jwt.encode(claims, "sandbox-only-secret-never-use-it-anywhere-else", ALGORITHM))


async def unsigned_token(by: Attacker) -> int:
    claims = {"scope": "voice-session", "sub": "eve", "sid": "x", "tier": "premium", "exp": _in(600)}
    return await _code(by, jwt.encode(claims, "", "none"))


async def too_large_text(by: Attacker) -> int:
    return await _code(by, await by.token(), "x" * 70_000)


async def too_large_audio(by: Attacker) -> int:
    return await _code(by, await by.token(), bytes(70_000))


async def too_large_frame(by: Attacker) -> int:
    return await _code(by, await by.token(), bytes(200_000))


async def no_json(by: Attacker) -> int:
    return await _code(by, await by.token(), "hello?")


async def long_header(by: Attacker) -> int:
    answer = await by.answer(by.upgrade("x", f"X-Long: {'x' * 9_000}"), 3.0)
    return int(answer.split(b" ", 2)[1])


async def no_http(by: Attacker) -> int:
    answer = await by.answer(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n", 3.0)
    return int(answer.split(b" ", 2)[1])


async def gone_at_once(by: Attacker) -> int:
    async with by.call(await by.token()) as socket:
        await socket.recv()
        socket.transport.abort()
    return 0


STRAYS: Final[tuple[tuple[Callable[[Attacker], Awaitable[int]], int, str], ...]] = (
    (wrong_operator_token, 401, ""),
    (forged_webhook, 401, 'alert_notifications_total{result="unauthorized"}'),
    (webhook_of_noise, 401, 'alert_notifications_total{result="unauthorized"}'),
    (forged_membership, 401, 'sessions_refused_total{reason="credential",tier="unknown"}'),
    (expired_membership, 401, 'sessions_refused_total{reason="credential",tier="unknown"}'),
    (guessed_key, 401, 'sessions_refused_total{reason="credential",tier="unknown"}'),
    (other_host, 421, 'sessions_refused_total{reason="host",tier="free"}'),
    (forged_token, 4401, 'sessions_refused_total{reason="credential",tier="unknown"}'),
    (expired_token, 4401, 'sessions_refused_total{reason="credential",tier="unknown"}'),
    (unsigned_token, 4401, 'sessions_refused_total{reason="credential",tier="unknown"}'),
    (too_large_text, 4413, ""),
    (too_large_audio, 4413, ""),
    (too_large_frame, 1009, ""),
    (no_json, 4400, ""),
    (long_header, 431, 'connections_cut_total{reason="handshake"}'),
    (no_http, 400, ""),
    (gone_at_once, 0, ""),
)


@needs_promtool
@pytest.mark.slow
async def test_one_stray_or_forged_request_pages_nobody(tmp_path: Path) -> None:
    """One of each, all within a minute; of those that look like an Alertmanager without our token, one at a time."""
    tests: list[dict[str, Any]] = []
    async with _attacked() as (stack, target):
        first = await _samples(stack)
        for number, (stray, code, counter) in enumerate(STRAYS):
            before = await _samples(stack)
            assert await stray(Attacker(target, f"127.0.6.{number + 1}")) == code, stray.__name__
            await stack.quiet()
            after = await _samples(stack)
            if counter:
                grown = after[f"voice_agent_{counter}"] - before.get(f"voice_agent_{counter}", 0.0)
                assert grown == 1, f"{stray.__name__} was counted once"
            if stray in (forged_webhook, webhook_of_noise):
                tests.append(_test(stray.__name__, before, after))
        last = await _samples(stack)
    last |= {name: first[name] for name in first if name.startswith("voice_agent_alert_notifications_total")}
    tests.append(_test("all others", first, last))
    run_promtool(tmp_path, files(), tests)


@needs_promtool
@pytest.mark.slow
async def test_premium_callers_who_are_turned_away_do_page_somebody(tmp_path: Path) -> None:
    """The same way of looking, on what must be seen."""
    async with _attacked(max_sessions=1) as (stack, _), dial(stack, await token_of(stack, premium=True)) as first:
        await first.send(START)
        await first.recv()
        before = await _samples(stack)
        for _ in range(3):
            async with dial(stack, await token_of(stack, premium=True)) as socket:
                await socket.send(START)
                assert await close_code(socket) == 4429
        after = await _samples(stack)
    with pytest.raises(AssertionError, match="VoiceAgentCallersRefused"):
        run_promtool(tmp_path, files(), [_test("refused", before, after)])


@asynccontextmanager
async def _attacked(**settings: Any) -> AsyncGenerator[tuple[Stack, Target]]:
    given: dict[str, Any] = {"unlimited_addresses": (), "operator_token": OPERATOR, "alerts_token": ALERTS}
    given |= {"membership_secret": MEMBERS, "resume_grace_s": 0.1} | settings
    async with running_stack(**given) as stack:
        yield stack, Target(stack.url, stack.ops_url, OPERATOR)


async def _samples(stack: Stack) -> Samples:
    """Every sample, under its selector."""
    found: Samples = {}
    for family in text_string_to_metric_families(await stack.metrics()):
        for one in family.samples:
            if one.name.startswith("voice_agent") and not one.name.endswith("_created"):
                labels = ",".join(f'{key}="{one.labels[key]}"' for key in sorted(one.labels))
                found[f"{one.name}{{{labels}}}" if labels else one.name] = one.value
    return found


def _test(name: str, before: Samples, after: Samples) -> dict[str, Any]:
    """The service as it was for twenty minutes, and then as the request has left it."""
    series = [
        {"series": _scraped(selector), "values": f"{before.get(selector, '_')}x{STRAY_MINUTE - 1} {value}x20"}
        for selector, value in after.items()
        if value or before.get(selector, 0.0) or "_bucket{" not in selector  # buckets that are empty take most of it
    ]
    asked = [
        {"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": list[Any]()} for minute in LOOK for alert in PAGES
    ]
    return {"name": name, "interval": "1m", "input_series": series, "alert_rule_test": asked}


def _scraped(selector: str) -> str:
    target = f'job="{JOB}",instance="agent:8001"'
    return f"{selector[:-1]},{target}}}" if selector.endswith("}") else f"{selector}{{{target}}}"


async def _ask(by: Attacker, **headers: str) -> int:
    async with by.client() as client:
        return (await client.post("/v1/sessions", headers=headers)).status_code


async def _code(by: Attacker, token: str, *frames: str | bytes) -> int:
    async with by.call(token, start=False) as socket:
        with suppress(ConnectionClosed):  # it may be refused before the frames have left
            for frame in (START, *frames):
                await socket.send(frame)
        return await close_code(socket)


def _in(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)
