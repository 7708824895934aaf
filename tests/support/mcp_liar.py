"""An MCP server without an SDK that breaks every rule: a program that speaks JSON lines, or what an HTTP server says.

The tool that is called says what goes wrong. `ok` works, also beside all others.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

FAULTS = (
    "too_long", "endless", "not_json", "half_utf8", "half_character", "nan", "infinite", "wrong_type", "no_result",
    "other_id", "twice", "error", "says_no", "silent", "dies", "closes", "talks", "asks_back", "deep", "pictures",
    "spawns",
)  # fmt: skip
LONG = 1_100_000
TERRIBLE = {"type": "object", "properties": {"word": {"type": "string", "pattern": "^(a+)+$"}}}


def answer(request: dict[str, Any], offered: tuple[str, ...] = ("ok", *FAULTS)) -> dict[str, Any] | None:
    """What a rightful server says to a request; None for a notification."""
    if "id" not in request:
        return None
    method = request.get("method")
    if method == "initialize":
        asked = request["params"]["protocolVersion"]
        info = {"name": "liar", "version": "1"}
        return _result(request, {"protocolVersion": asked, "capabilities": {"tools": {}}, "serverInfo": info})
    if method == "tools/list":
        schema = {"type": "object", "properties": {}}
        tools: list[dict[str, Any]] = [{"name": name, "inputSchema": schema} for name in offered]
        for tool in tools:
            if tool["name"] == "pictures":
                tool["outputSchema"] = TERRIBLE
        return _result(request, {"tools": tools})
    if method == "tools/call":
        return _result(request, {"content": [{"type": "text", "text": "all is well"}]})
    return {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "no such method"}}


def _result(request: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request["id"], "result": result}


def wrong(name: str, request: dict[str, Any]) -> bytes:
    """The line of an answer that is none, or not to this request."""
    head = json.dumps({"jsonrpc": "2.0", "id": request["id"]})[:-1]
    said = '"content": [{"type": "text", "text": "%s"}]'
    structured = head + ', "result": {"content": [], "structuredContent": {"price": %s}}}'
    lines: dict[str, str | bytes] = {
        "too_long": head + ', "result": {' + said % ("x" * LONG) + "}}",
        "not_json": head + ', "result": {"content": [',
        "half_utf8": (head + ', "result": {').encode() + b'"content": [{"type": "text", "text": "\xc3"}]}}',
        "half_character": head + ', "result": {' + said % "\\ud83d" + "}}",
        "nan": structured % "NaN",
        "infinite": structured % "1e999",
        "wrong_type": head + ', "result": {"content": "all of it"}}',
        "no_result": head + "}",
        "other_id": head.replace(f'"id": {request["id"]}', '"id": 987654') + ', "result": {' + said % "x" + "}}",
        "error": head + ', "error": {"code": -32000, "message": "words of a caller"}}',
        "says_no": head + ', "result": {"isError": true, ' + said % "closed on Friday" + "}}",
        "deep": head + ', "result": {"content": [], "structuredContent": {"a": ' + "[" * 900 + "]" * 900 + "}}}",
        "pictures": head + ', "result": {"content": [], "structuredContent": {"word": "' + "a" * 40 + '!"}}}',
    }
    line = lines[name]
    return line.encode() if isinstance(line, str) else line


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def _do(name: str, request: dict[str, Any]) -> None:
    right = json.dumps(answer(request)).encode()
    match name:
        case "silent":
            return
        case "endless":
            while True:
                sys.stdout.buffer.write(b"x" * 65_536)
        case "dies":
            os._exit(3)
        case "closes":
            os.close(1)
            time.sleep(60)
        case "spawns":
            if os.fork() == 0:
                time.sleep(60)
            os._exit(3)
        case "talks":  # beside the protocol, and more than anybody reads
            for number in range(200):
                _say(b"log line %d" % number)
                _say(b'{"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1}}')
            _say(b"y" * LONG)
            _say(right)
        case "asks_back":
            _say(b'{"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": {"messages": []}}')
            _say(right)
        case "twice":
            _say(right)
            _say(right)
        case "ok":
            _say(right)
        case _:
            _say(wrong(name, request))


def main() -> None:
    """Speaks on standard input and output. With `shrinks`, each list of tools lacks one more."""
    shrinks, lists = "shrinks" in sys.argv, 0
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("method") == "tools/call":
            _do(request["params"]["name"], request)
            continue
        lists += request.get("method") == "tools/list"
        offered = ("ok", *FAULTS)[: -lists if shrinks else None]
        if (said := answer(request, offered)) is not None:
            _say(json.dumps(said).encode())


if __name__ == "__main__":
    main()
