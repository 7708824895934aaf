"""The sandbox of `voice-agent run`: started again where it dies, and left alone where it was ended."""

from __future__ import annotations

import os
import queue
import signal
import sys
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.cli.sandbox_process import SandboxProcess
from agent.core.errors import ConfigurationError
from voice_loadtest.stack.ports import free_port

PROGRAM = """
    import json, os, sys
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"process": os.getpid(), "local": ["stt"], "path": self.path}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_): pass

    HTTPServer(("127.0.0.1", int(sys.argv[1])), Answers).serve_forever()
"""


@contextmanager
def sandbox(folder: Path, said: queue.Queue[str]) -> Generator[SandboxProcess]:
    program, port = folder / "program.py", free_port()
    program.write_text(textwrap.dedent(PROGRAM))
    made = SandboxProcess([sys.executable, str(program), str(port)], f"http://127.0.0.1:{port}", said.put)
    try:
        yield made
    finally:
        made.end()


def test_one_that_is_killed_under_calls_is_said_and_started_again(tmp_path: Path) -> None:
    said: queue.Queue[str] = queue.Queue()
    with sandbox(tmp_path, said) as process:
        first = process.wait()
        assert first["path"] == "/control/state"
        process.look_after()
        os.kill(first["process"], signal.SIGKILL)
        assert said.get(timeout=20) == (
            "the sandbox has ended by itself (signal 9, as where memory is short): it is started again"
        )
        second = first
        while second["process"] == first["process"]:
            try:
                second = process.wait()
            except ConfigurationError:
                continue  # the one that was killed is still looked at
        assert second["local"] == ["stt"]
    assert said.empty(), "one that was ended stays away, and nobody complains"


def test_one_that_cannot_start_is_one_line(tmp_path: Path) -> None:
    made = SandboxProcess([sys.executable, "-c", "exit(3)"], "http://127.0.0.1:1", lambda _line: None)
    with pytest.raises(ConfigurationError, match="stopped at its start"):
        made.wait()
    made.end()
