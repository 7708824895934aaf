"""What a broken or hostile neighbour sends, answers or withholds: it changes nothing, and it costs nothing for long."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from agent.budgets import Tier
from agent.policy.decisions import Outcome
from agent.policy.watcher import AssignmentWatcher
from agent.rollback import notify, prometheus
from agent.rollback.notify import ChatNotifier
from agent.rollback.prometheus import PrometheusError, PrometheusEvidence
from agent.telemetry.exposition import Metrics
from agent.telemetry.recorded_metrics import ROLL_BACK
from tests.support.operations import HAIKU, notification, running_ops
from tests.support.policies import ALERT, decided
from tests.support.stack import running_service, running_stack


def odd(**change: Any) -> Any:
    sent = notification()
    sent["alerts"][0] |= change
    return sent


async def test_an_alert_that_no_database_could_hold_is_not_sent_again_for_ever() -> None:
    changes: list[dict[str, str]] = [
        {"startsAt": "9999-12-31T23:59:59-14:00"},
        {"startsAt": "0001-01-01T00:00:00+14:00"},
        {"startsAt": "2026-11-26T13:00:00"},
        {"fingerprint": "a\0b"},
        {"fingerprint": ""},
        {"fingerprint": "f" * 201},
    ]
    async with running_ops() as ops:
        for change in changes:
            assert await ops.result(odd(**change)) == "malformed", change
        assert await ops.counted("alert_notifications_total", result="malformed") == len(changes)
        assert (await ops.ask("decisions"), ops.weights) == ([], HAIKU)


async def test_brackets_without_end_are_no_notification() -> None:
    async with running_ops() as ops:
        answer = await ops.send(b'{"version": "4", "alerts": [], "x": ' + b"[" * 500_000)
        assert answer.status_code == 400
        assert await ops.counted("alert_notifications_total", result="malformed") == 1


async def test_what_an_operator_sends_wrongly_is_said_and_is_no_fault_of_ours() -> None:
    """A fault would be a line of the log with its traceback, and a 500 says nothing of what to do."""
    revisions = ("²", "١", "1.0", "-1", "1e3", "0x1", "*", '"', "9" * 400)
    bodies = (b'{"reason":"\xff"}', b"\xff\xfe", b'{"reason":"a\\u0000b"}', b'{"reason":"\\ud800"}', b"[" * 5_000)
    async with running_ops() as ops:
        for path in ("policies/free/rollback", "policies/free/assign", "decisions/x/undo"):
            url = f"{ops.stack.ops_url}/v1/ops/{path}"
            weights = b"" if "assign" not in path else b'{"weights":{"haiku_first":100}}'
            for given in revisions if "undo" not in path else ():
                headers = [
                    *ops.operator.items(),
                    ("if-match", given.encode("utf-8" if ord(given[0]) > 255 else "latin-1")),
                ]
                answer = await ops.client.post(url, headers=headers, content=weights)  # type: ignore[arg-type]
                assert answer.status_code in (400, 412, 428), (path, given, answer.text)
            for body in bodies:
                answer = await ops.client.post(url, headers={**ops.operator, "if-match": "1"}, content=body)
                assert answer.status_code == 400, (path, body[:20], answer.text)
        assert ops.weights == HAIKU


async def test_an_alert_of_the_future_is_decided_once() -> None:
    async with running_ops() as ops:
        assert await ops.result(odd(startsAt="2099-01-01T00:00:00Z")) == "decided"
        assert await ops.result(odd(startsAt="2099-01-01T01:00:00+01:00")) == "repeated"
        [decision] = await ops.ask("decisions")
        assert decision["delay_s"] == 0


async def test_a_change_that_was_made_is_answered_as_made(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: AssignmentWatcher) -> None:
        raise OSError("the database went down right after")

    async with running_ops() as ops:
        with monkeypatch.context() as patched:
            patched.setattr(AssignmentWatcher, "refresh", broken)
            rolled = await ops.do("policies/free/rollback")
            assert (rolled.status_code, rolled.json()["revision"]) == (200, 2)


async def test_a_restart_keeps_what_was_rolled_back() -> None:
    async with running_ops() as ops:
        await ops.result(notification())
        settings = ops.stack.wiring.settings
        again = {"sandbox_url": ops.stack.sandbox.url, "database_url": settings.database_url, "log_level": "error"}
        async with running_service(again) as (_, _, wiring, _):
            assert dict(wiring.watch.book.assignments[Tier(ALERT.tier)].weights) == {"sonnet_first": 100}


async def test_every_operators_route_is_shut_without_its_token() -> None:
    routes = [
        ("GET", "policies"),
        ("POST", "policies/free/assign"),
        ("POST", "policies/free/rollback"),
        ("GET", "policies/history"),
        ("GET", "decisions"),
        ("POST", "decisions/x/undo"),
        ("POST", "alerts"),
    ]
    async with running_stack() as stack, httpx.AsyncClient(base_url=f"{stack.ops_url}/v1/ops/") as client:
        for method, path in routes:
            for header in ({}, {"authorization": "Bearer"}, {"authorization": "Bearer None"}):
                answer = await client.request(method, path, headers=header)
                assert answer.status_code == 403, (method, path, answer.text)


class Drip(httpx.AsyncByteStream):
    """An answer that never ends."""

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.001)


def asking(answer: Any) -> PrometheusEvidence:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, **answer))
    return PrometheusEvidence(httpx.AsyncClient(transport=transport), "http://prometheus.example")


def answered(*samples: tuple[dict[str, str], str]) -> Any:
    return {"json": {"data": {"result": [{"metric": metric, "value": [0, value]} for metric, value in samples]}}}


ALL = {"tier": "free", "policy": "haiku_first", "signal": "slow_turns", "window": "1h", "provider": "p", "service": "s"}


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"stream": Drip()}, "takes longer than 0.05 s"),
        ({"content": b"[" * 500_000}, "cannot be read"),
        (answered((ALL, str(ROLL_BACK)), (ALL | {"replica": "b"}, "0")), "has a number twice"),
        (answered(({"tier": "free"}, str(ROLL_BACK))), "lacks a label"),
    ],
)
async def test_an_answer_that_cannot_be_trusted_is_none(answer: Any, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "FACTS_S", 0.05 if "takes longer" in why else 5.0)
    with pytest.raises(PrometheusError, match=why):
        await asking(answer).facts(ALERT)


@pytest.mark.parametrize("number", ["NaN", "+Inf", "-Inf"])
async def test_a_number_that_is_none_speaks_for_nothing(number: str) -> None:
    facts = await asking(answered((ALL, number))).facts(ALERT)
    assert (facts.verdict, facts.baseline_enough, facts.breaching, facts.outages) == (None, False, frozenset(), ())


async def test_a_chat_that_hangs_or_breaks_costs_its_message_and_never_its_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        said.append(json.loads(request.content)["text"])
        if len(said) == 1:
            return httpx.Response(200, stream=Drip())
        if len(said) == 2:
            raise RuntimeError(str(request.url))
        return httpx.Response(200)

    monkeypatch.setattr(notify, "TIMEOUT_S", 0.05)
    metrics = Metrics()
    url = SecretStr("https://notify.example/hooks/very-secret")
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        talker = ChatNotifier(client, url, metrics, None)
        async with talker.running(), asyncio.timeout(10):
            for _ in range(3):
                talker.tell(decided("haiku_first", ALERT.starts_at - ALERT.starts_at, Outcome.RECOMMENDED))
            while sent(metrics, "sent") < 1:  # noqa: ASYNC110  (there is no event for it)
                await asyncio.sleep(0.01)
    assert (len(said), sent(metrics, "failed")) == (3, 2)
    assert "secret" not in "".join(capsys.readouterr()) + repr(url)


def sent(metrics: Metrics, result: str) -> float:
    return metrics.registry.get_sample_value("voice_agent_chat_messages_total", {"result": result}) or 0.0
