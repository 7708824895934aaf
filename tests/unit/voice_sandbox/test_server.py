from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from click.testing import CliRunner

from tests.support.paths import ROOT
from voice_sandbox.server import run_sandbox, sandbox
from voice_sandbox.state import SandboxOptions


async def test_two_sandboxes_side_by_side() -> None:
    options = SandboxOptions(port=0, profile="instant")
    async with run_sandbox(options) as one, run_sandbox(options) as other, httpx.AsyncClient() as client:
        assert one.url != other.url
        await client.put(f"{one.url}/control/profile", json={"profile": "degraded"})
        assert (one.world.latency.profile, other.world.latency.profile) == ("degraded", "instant")


async def test_a_taken_port_and_an_unknown_profile_are_errors() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError):
        async with run_sandbox(SandboxOptions(port=taken.getsockname()[1])):
            pass
    with pytest.raises(ValueError, match="unknown latency profile"):
        async with run_sandbox(SandboxOptions(port=0, profile="fast")):
            pass


def test_the_command_says_what_to_do_about_a_taken_port_and_nothing_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(sandbox, ["--port", str(port), "--profile", "instant", "--voice", "tones"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        f"Error: 127.0.0.1:{port} cannot be used: Address already in use. Is a sandbox running already? Otherwise"
        f" choose another port: --port {port + 10}\n"
    )


def test_the_command_prints_where_it_is_and_stops_on_a_signal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "COLUMNS": "120", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "voice_sandbox", "--port", str(port), "--profile", "instant", "--voice", "tones"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line)
                if "control" in line:
                    break
            banner = "".join(lines)
            assert f"http://127.0.0.1:{port}" in banner
            assert "plain tones" in banner
            assert re.search(r"clips +\d+ known", banner)
            with httpx.Client(transport=httpx.HTTPTransport(retries=5)) as client:
                assert client.get(f"http://127.0.0.1:{port}/control/state").json()["profile"] == "instant"
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) in (0, -signal.SIGTERM)
