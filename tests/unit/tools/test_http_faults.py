"""HTTP back ends that answer as none should: each call fails honestly, in time, for a reason that is counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from agent.budgets import load_budgets
from agent.providers.fallback.breaker import Breakers
from agent.session.call_actions import SessionActions
from agent.telemetry import catalog
from agent.telemetry.events import ToolFinished
from agent.telemetry.exposition import Metrics
from agent.telemetry.metrics import Configured, MetricsSink
from agent.telemetry.timeline import ToolCall
from agent.tools.arguments import ArgumentError, SchemaArguments
from agent.tools.egress import Egress
from agent.tools.http_tool import HttpEndpoint, http_tool
from agent.tools.outside import REASONS
from agent.tools.runner import TOOL_BREAKER, Returned, ToolOutcome, run_tool
from agent.tools.tool import ToolContext, ToolRules
from tests.support.factories import session
from tests.support.http_endpoint import Answer, endpoint
from tests.support.providers import RecordingRecorder

JSON = "content-type: application/json\r\n"
WELL = b'{"price": 3}'


async def loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def asked(answer: Answer, *, timeout_s: float = 5.0, method: str = "GET", **more: Any) -> Returned:
    """What becomes of one call that changes something (so it is made once), to a back end that answers this."""
    async with endpoint() as server:
        server.answer = lambda _: answer
        egress = Egress([], ["rooms.test"], resolve=loopback)
        given = {"method": method, "url": f"http://rooms.test:{server.port}/v1/price", **more}
        made = http_tool("price", "-", HttpEndpoint.model_validate(given), ToolRules(timeout_s=timeout_s), egress)
        breaker = Breakers(RecordingRecorder(), lambda _: None).of("tool", "price", TOOL_BREAKER)
        try:
            return await run_tool(made, {}, ToolContext("s", "k", SessionActions(lambda _: None)), breaker)
        finally:
            await egress.close()


def raw(head: str, body: bytes = WELL, *, stays: bool = False) -> Answer:
    return Answer(raw=f"HTTP/1.1 {head}\r\n\r\n".encode() + body, stays=stays)


FAULTS: list[tuple[str, Answer, str]] = [
    ("closes at once", Answer(raw=b""), "connection"),
    ("speaks something else", Answer(raw=b"\x16\x03\x01\x02\x00\x01"), "connection"),
    ("ends in the head", Answer(raw=b"HTTP/1.1 200 OK\r\nconte"), "connection"),
    ("ends in the body", raw(f"200 OK\r\n{JSON}content-length: 99"), "connection"),
    ("ends in a chunk", raw(f"200 OK\r\n{JSON}transfer-encoding: chunked", b"ff\r\n{"), "connection"),
    ("two lengths", raw(f"200 OK\r\n{JSON}content-length: 12\r\ncontent-length: 3"), "connection"),
    ("a length that is none", raw(f"200 OK\r\n{JSON}content-length: -4"), "connection"),
    ("a head without end", Answer(raw=b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 60_000), "connection"),
    ("a status that is none", raw("99999 OK"), "connection"),
    ("status 700", raw(f"700 OK\r\n{JSON}content-length: 12"), "status_7xx"),
    ("says server error", Answer(status=503, body=WELL), "status_5xx"),
    ("wants to be paid", Answer(status=402, body=WELL), "status_4xx"),
    ("says the same as before", Answer(status=304, body=b"", headers={}), "status_3xx"),
    ("sends elsewhere", Answer(status=302, headers={"location": "http://169.254.169.254/latest"}), "redirect"),
    ("sends to a file", Answer(status=302, headers={"location": "file:///etc/passwd"}), "redirect"),
    ("sends nowhere", Answer(status=302, headers={}), "redirect"),
    ("sends in a circle", Answer(status=302, headers={"location": "/v1/price"}), "redirect"),
    ("sends to what is no address", Answer(status=302, headers={"location": "http://[:::1/x"}), "redirect"),
    ("packs it", Answer(body=WELL, headers={"content-encoding": "br", "content-type": "application/json"}), "encoding"),
    ("is too long", Answer(body=b" " * 70_000), "too_large"),
    ("is too long, without a length", raw(f"200 OK\r\n{JSON}connection: close", b"[" * 70_000), "too_large"),
    ("is no JSON", Answer(body=b"<html>"), "malformed"),
    ("is half", Answer(body=WELL[:-1]), "malformed"),
    ("is two", Answer(body=WELL * 2), "malformed"),
    ("NaN", Answer(body=b'{"price": NaN}'), "malformed"),
    ("-Infinity", Answer(body=b'{"price": -Infinity}'), "malformed"),
    ("a number without end", Answer(body=b'{"price": 1e999}'), "malformed"),
    ("a number of 5,000 digits", Answer(body=b'{"price": ' + b"9" * 5_000 + b"}"), "malformed"),
    ("half a character", Answer(body=b'{"name": "Z\xc3"}'), "malformed"),
    ("half a surrogate", Answer(body=b'{"name": "\\ud83d"}'), "malformed"),
    ("in UTF-16", Answer(body='{"price": 3}'.encode("utf-16")), "malformed"),
    ("nested without end", Answer(body=b"[" * 60_000), "malformed"),
]


@pytest.mark.parametrize(("answer", "reason"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
async def test_a_back_end_that_answers_wrongly_fails_the_call_for_a_reason(answer: Answer, reason: str) -> None:
    returned = await asked(answer)
    assert (returned.outcome, returned.reason) == (ToolOutcome.FAILED, reason)
    assert "not known whether it happened" in returned.content
    assert reason in REASONS


LATE: list[tuple[str, Answer]] = [
    ("says nothing", Answer(raw=b"", stays=True)),
    ("stays in the head", Answer(raw=b"HTTP/1.1 200 OK\r\n", stays=True)),
    ("only says to go on", Answer(raw=b"HTTP/1.1 100 Continue\r\n\r\n" * 3, stays=True)),
    ("stays in the body", raw(f"200 OK\r\n{JSON}content-length: 99", b"{", stays=True)),
    ("an event stream", raw("200 OK\r\ncontent-type: text/event-stream", b"data: 1\n\n", stays=True)),
]


@pytest.mark.parametrize("answer", [row[1] for row in LATE], ids=[row[0] for row in LATE])
async def test_a_back_end_that_never_ends_is_given_up_at_its_time(answer: Answer) -> None:
    returned = await asked(answer, timeout_s=0.3)
    assert (returned.outcome, returned.reason) == (ToolOutcome.TIMEOUT, "")


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ({"type": "object"}, b"[]"),
        ({"type": "object", "required": ["price"]}, b"{}"),
        ({"type": "object", "properties": {"price": {"type": "number"}}}, b'{"price": "3"}'),
        ({"type": "object", "properties": {"price": {"type": "number", "maximum": 9}}}, b'{"price": 1e300}'),
        ({"type": "object"}, b"null"),
        ({"type": "object"}, b""),
    ],
)
async def test_an_answer_of_another_type_is_none(schema: dict[str, Any], body: bytes) -> None:
    returned = await asked(Answer(body=body), output=schema)
    assert (returned.outcome, returned.reason) == (ToolOutcome.FAILED, "malformed")


@pytest.mark.parametrize(
    ("body", "kind", "content"),
    [
        (b"\xef\xbb\xbf" + WELL, "application/json", '{"price": 3}'),  # a mark that some put before UTF-8
        (b"half \xc3 of it", "text/plain", "half \ufffd of it"),
        (b"NaN", "text/plain", "NaN"),
        (b'{"name": "Z\xc3\xbcrich"}', "application/json; charset=utf-8", '{"name": "Zürich"}'),
    ],
)
async def test_what_can_be_read_is_read(body: bytes, kind: str, content: str) -> None:
    returned = await asked(Answer(body=body, headers={"content-type": kind}))
    assert (returned.outcome, returned.content) == (ToolOutcome.OK, content)


SCHEMA = SchemaArguments({"type": "object", "properties": {"price": {}, "name": {"type": "string"}}})


@pytest.mark.parametrize(
    "written",
    ['{"price": NaN}', '{"price": 1e999}', '{"price": ' + "[" * 7_000, '{"name": "\\ud83d"}', '{"name": "\ud83d"}',
     '{"price": ' + "9" * 5_000 + "}"],
)  # fmt: skip
def test_a_model_that_writes_what_is_no_json_is_told_so(written: str) -> None:
    with pytest.raises(ArgumentError, match="arguments: not JSON"):
        SCHEMA.read(written)


def test_the_reason_is_counted() -> None:
    metrics = Metrics()
    sink = MetricsSink(metrics, load_budgets(), Configured((), (), ()), "1")
    for call in (ToolCall("price", "failed", 0.0, 1.0, 1, "status_5xx"), ToolCall("price", "ok", 0.0, 1.0, 1)):
        sink.handle(ToolFinished(session(), 1, call))
    counted = metrics.registry.get_sample_value
    assert counted(catalog.TOOL_FAULTS.name, {"tool": "price", "reason": "status_5xx"}) == 1
    assert counted(catalog.TOOL_CALLS.name, {"tool": "price", "outcome": "failed"}) == 1
