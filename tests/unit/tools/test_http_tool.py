"""HTTP endpoints as tools, over real sockets on loopback."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from agent.definitions.definition import DefinitionError, read_definition
from agent.providers.fallback.breaker import Breakers
from agent.session.call_actions import SessionActions
from agent.tools.arguments import ArgumentError
from agent.tools.egress import Egress
from agent.tools.http_tool import HttpEndpoint, http_tool
from agent.tools.python_tool import ToolDeclarationError
from agent.tools.runner import TOOL_BREAKER, Returned, ToolOutcome, run_tool
from agent.tools.tool import Tool, ToolContext, ToolRules
from tests.support.http_endpoint import Answer, Asked, Endpoint, endpoint
from tests.support.providers import RecordingRecorder

SECRET = "s3cret-of-the-rooms"
INPUT = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "day": {"type": "string"}, "guests": {"type": "integer", "default": 1}},
    "required": ["place"],
}
OUTPUT = {
    "type": "object",
    "properties": {"free": {"type": "array", "items": {"type": "string"}}},
    "required": ["free"],
}
Scenario = Callable[[Endpoint, Egress], Coroutine[Any, Any, None]]


async def loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


def play(scenario: Scenario) -> None:
    async def all_of_it() -> None:
        async with endpoint() as server:
            private = ["rooms.test", "other.test"]
            egress = Egress(["public.test"], private, {"TOOL_SECRET_ROOMS": SECRET}, resolve=loopback)
            try:
                await scenario(server, egress)
            finally:
                await egress.close()

    asyncio.run(all_of_it())


def tool(server: Endpoint, egress: Egress, method: str = "GET", path: str = "/v1/{place}/free", **more: Any) -> Tool:
    rules = more.pop("rules", ToolRules(read_only=method == "GET"))
    host = more.pop("host", "rooms.test")
    given = {"method": method, "url": f"http://{host}:{server.port}{path}", "input": INPUT, **more}
    return http_tool("free_rooms", "Which rooms are free.", HttpEndpoint.model_validate(given), rules, egress)


async def used(made: Tool, **arguments: Any) -> Returned:
    breaker = Breakers(RecordingRecorder(), lambda _: None).of("tool", made.name, TOOL_BREAKER)
    call = ToolContext("session", "key-1", SessionActions(lambda _: None))
    return await run_tool(made, made.read(json.dumps(arguments)), call, breaker)


def test_arguments_are_path_and_query_and_the_secret_is_a_header() -> None:
    async def scenario(server: Endpoint, egress: Egress) -> None:
        server.answer = lambda _: Answer(body={"free": ["garden"]})
        made = tool(server, egress, auth={"secret": "ROOMS"}, output=OUTPUT)
        returned = await used(made, place="a/b ?ü", day="Friday & Monday")
        assert returned == Returned(ToolOutcome.OK, '{"free": ["garden"]}', 1)
        (asked,) = server.asked
        assert asked.target == "/v1/a%2Fb%20%3F%C3%BC/free?guests=1&day=Friday+%26+Monday"
        assert asked.headers["authorization"] == f"Bearer {SECRET}"
        assert asked.headers["host"] == f"rooms.test:{server.port}"
        assert "idempotency-key" not in asked.headers
        assert SECRET not in json.dumps(dict(made.spec.schema))
        await used(tool(server, egress, path="/v1?q={place}&all=1", output=OUTPUT), place="a&b=c")
        assert server.asked[1].target == "/v1?q=a%26b%3Dc&all=1&guests=1"

    play(scenario)


def test_what_changes_something_has_a_body_and_an_idempotency_key_and_is_not_tried_again() -> None:
    async def scenario(server: Endpoint, egress: Egress) -> None:
        server.answer = lambda _: Answer(status=503)
        auth = {"secret": "ROOMS", "header": "X-Api-Key"}
        returned = await used(tool(server, egress, "POST", "/v1/{place}", auth=auth), place="garden", guests=3)
        assert returned.outcome is ToolOutcome.FAILED
        assert "not known whether it happened" in returned.content
        (asked,) = server.asked
        assert (json.loads(asked.body), asked.target) == ({"guests": 3}, "/v1/garden")
        assert asked.headers["idempotency-key"] == "key-1"
        assert asked.headers["x-api-key"] == SECRET

        await used(tool(server, egress, "POST", "/v1/{place}", rules=ToolRules(idempotent=True)), place="garden")
        assert [one.headers["idempotency-key"] for one in server.asked[1:]] == ["key-1", "key-1"]

    play(scenario)


@pytest.mark.parametrize("place", [".", "..", "...", ""])
def test_no_argument_makes_another_path(place: str) -> None:
    async def scenario(server: Endpoint, egress: Egress) -> None:
        assert (await used(tool(server, egress), place=place)).outcome is ToolOutcome.REFUSED
        assert server.asked == []

    play(scenario)


@pytest.mark.parametrize(
    "given", ['{"place": 3}', "{}", '{"place": "a", "more": 1}', "[]", "{", json.dumps({"place": "a" * 9_000})]
)
def test_arguments_that_do_not_fit_are_not_sent(given: str) -> None:
    async def scenario(server: Endpoint, egress: Egress) -> None:
        with pytest.raises(ArgumentError):
            tool(server, egress).read(given)

    play(scenario)


@pytest.mark.parametrize(
    ("answer", "outcome", "reason"),
    [
        (Answer(status=500, body={"why": "trouble"}), ToolOutcome.FAILED, "status_5xx"),
        (Answer(status=401, body={"why": "trouble"}), ToolOutcome.FAILED, "status_4xx"),
        (Answer(status=204, body=b""), ToolOutcome.FAILED, "malformed"),
        (Answer(body={"free": "trouble"}), ToolOutcome.FAILED, "malformed"),
        (Answer(body=b'{"free": ["trouble"'), ToolOutcome.FAILED, "malformed"),
        (Answer(body=b"[" * 5_000), ToolOutcome.FAILED, "malformed"),
        (Answer(body={"free": ["trouble" * 20_000]}), ToolOutcome.FAILED, "too_large"),
        (
            Answer(body=gzip.compress(b'{"free": []}'), headers={"content-encoding": "gzip"}),
            ToolOutcome.FAILED,
            "encod",
        ),
        (Answer(status=302, headers={"location": "http://unlisted.test/"}), ToolOutcome.FAILED, "redirect"),
        (Answer(status=409, body={"why": "closed on Friday"}), ToolOutcome.REFUSED, ""),
    ],
)
def test_an_answer_that_is_no_result_is_none(
    answer: Answer, outcome: ToolOutcome, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = LogCapture()
    every = structlog.make_filtering_bound_logger(0)  # whatever level a test before this one has configured
    log = structlog.wrap_logger(None, processors=[logs], wrapper_class=every)
    monkeypatch.setattr("agent.tools.runner.log", log)

    async def scenario(server: Endpoint, egress: Egress) -> None:
        server.answer = lambda _: answer
        returned = await used(tool(server, egress, output=OUTPUT), place="garden")
        assert returned.outcome is outcome
        assert "trouble" not in returned.content
        assert reason in str(logs.entries)
        if outcome is ToolOutcome.REFUSED:
            assert "closed on Friday" in returned.content

    play(scenario)
    assert "garden" not in str(logs.entries)


def test_a_slow_endpoint_is_given_up_at_its_time() -> None:
    async def scenario(server: Endpoint, egress: Egress) -> None:
        server.answer = lambda _: Answer(after_s=5.0)
        made = tool(server, egress, "POST", rules=ToolRules(timeout_s=0.05))
        assert (await used(made, place="garden")).outcome is ToolOutcome.TIMEOUT

    play(scenario)


def test_an_endpoint_that_echoes_the_secret_tells_it_to_no_model() -> None:
    async def scenario(server: Endpoint, egress: Egress) -> None:
        def echo(asked: Asked) -> Answer:
            encoded = base64.b64encode(SECRET.encode()).decode()
            status = 409 if "no" in asked.target else 200
            return Answer(status, {"headers": dict(asked.headers), "more": encoded, "set": "x" * 300})

        server.answer = echo
        for place in ("yes", "no"):
            returned = await used(tool(server, egress, auth={"secret": "ROOMS"}), place=place)
            assert SECRET not in returned.content
            assert "[secret]" in returned.content

    play(scenario)


def test_a_redirect_is_followed_by_get_alone_and_the_secret_stays_behind() -> None:
    async def scenario(server: Endpoint, egress: Egress) -> None:
        def moved(asked: Asked) -> Answer:
            if asked.target.startswith("/new"):
                return Answer(body={"free": []})
            return Answer(307, headers={"location": f"http://other.test:{server.port}/new"})

        server.answer = moved
        auth = {"secret": "ROOMS"}
        assert (await used(tool(server, egress, auth=auth), place="garden")).outcome is ToolOutcome.OK
        assert ["authorization" in one.headers for one in server.asked] == [True, False]
        server.asked.clear()
        posted = await used(tool(server, egress, "POST", auth=auth), place="garden")
        assert (posted.outcome, len(server.asked)) == (ToolOutcome.FAILED, 1)

    play(scenario)


def test_a_redirect_into_ones_own_network_or_in_a_circle_is_not_followed() -> None:
    async def scenario(server: Endpoint, egress: Egress) -> None:
        assert egress.redirect_problem("https://public.test/", "http://rooms.test/") == "rooms.test is private"
        assert egress.redirect_problem("https://public.test/", "https://public.test/b") is None
        server.answer = lambda asked: Answer(302, headers={"location": asked.target})
        assert (await used(tool(server, egress, rules=ToolRules()), place="a")).outcome is ToolOutcome.FAILED
        assert len(server.asked) == 4

    play(scenario)


def test_no_cookie_goes_from_one_caller_to_the_next() -> None:
    async def scenario(server: Endpoint, egress: Egress) -> None:
        server.answer = lambda _: Answer(headers={"set-cookie": "who=ada; Path=/"})
        made = tool(server, egress)
        for _ in range(2):
            await used(made, place="garden")
        assert all("cookie" not in one.headers for one in server.asked)

    play(scenario)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"host": "[::1"}, "Invalid IPv6 URL"),
        ({"host": "unlisted.test"}, "not in VOICE_AGENT_TOOL_HOSTS"),
        ({"host": "{place}"}, "places stand in the path"),
        ({"path": "/{unknown}"}, "no required argument"),
        ({"path": "/{day}"}, "no required argument"),
        ({"path": "/{place!r}"}, "takes {argument} places"),
        ({"path": "/{place"}, "http:"),
        ({"auth": {"secret": "NONE"}}, "TOOL_SECRET_NONE is not set"),
        ({"auth": {"secret": "ROOMS", "header": "Host"}}, "not for secrets"),
        ({"input": {"type": "string"}}, "not of type object"),
        ({"input": {"type": "object", "properties": {"place": {"type": "wrong"}}}}, "properties.place.type"),
        ({"output": {"type": 3}}, "type"),
        ({"method": "DELETE", "rules": ToolRules(read_only=True)}, "takes GET or POST"),
    ],
)
def test_an_endpoint_that_is_declared_wrongly_is_refused(more: dict[str, Any], words: str) -> None:
    async def scenario(server: Endpoint, egress: Egress) -> None:
        with pytest.raises(ToolDeclarationError, match=words.replace("{", r"\{")):
            tool(server, egress, **more)

    play(scenario)


FILE = """\
name = "hotel"
version = 1
prompt = "You answer."

[[tools]]
name = "free_rooms"
description = "Which rooms are free."
http = "GET https://public.test/v1/{place}"
auth = { secret = "ROOMS" }
read_only = true
[tools.input]
type = "object"
required = ["place"]
[tools.input.properties]
place = { type = "string" }
note = { type = "string" }
"""


def definition(folder: Path, text: str) -> Any:
    path = folder / "hotel.toml"
    path.write_text(text, encoding="utf-8")
    return read_definition(path, Egress(["public.test"], environment={"TOOL_SECRET_ROOMS": SECRET}))


def test_a_file_declares_an_endpoint(tmp_path: Path) -> None:
    made = definition(tmp_path, FILE).tools["free_rooms"]
    assert made.spec.description == "Which rooms are free."
    assert made.rules.read_only


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('description = "Which rooms are free."\n', "", ":5: tools: an `http` tool takes `name` and `description`"),
        ("GET https", "FETCH https", ":8: tools.0.http"),
        ("public.test", "else.test", ":5: tools: free_rooms: else.test is not in VOICE_AGENT_TOOL_HOSTS"),
        ('"ROOMS"', '"MORE"', ":5: tools: free_rooms: TOOL_SECRET_MORE is not set"),
        ("read_only = true", 'confirm = "{place}, {note}?"', ":10: tools: confirm: {note} may be missing"),
        ('http = "GET https://public.test/v1/{place}"\n', 'use = "end_call"\n', "belongs to `http`"),
    ],
)
def test_a_wrong_endpoint_is_told_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in FILE
    with pytest.raises(DefinitionError) as caught:
        definition(tmp_path, FILE.replace(old, new))
    assert words in "\n".join(caught.value.problems)
    assert SECRET not in "\n".join(caught.value.problems)
