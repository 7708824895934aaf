"""What `voice-agent run` says before it serves."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from agent.cli import serve as serving
from agent.cli.console import program
from agent.core.errors import ConfigurationError
from agent.ledger.database import only_process
from agent.settings import Settings

KEYS = {name: f"a-key-of-{name.partition('_')[0].lower()}" for name in serving.KEYS}


class FakeSandbox:
    """Stands where the sandbox's process would."""

    started: list[list[str]]
    state: dict[str, Any]
    looked_after: bool

    def __init__(self, command: list[str], _url: str, _say: Callable[[str], None]) -> None:
        FakeSandbox.started.append(command)

    def wait(self) -> dict[str, Any]:
        return FakeSandbox.state

    def look_after(self) -> None:
        FakeSandbox.looked_after = True

    def end(self) -> None:
        """There is nothing to end."""


class AtOnce:
    """A thread whose work is done when it is started."""

    def __init__(self, target: Callable[..., None], args: tuple[Any, ...] = (), **_options: Any) -> None:
        self._target, self._args = target, args

    def start(self) -> None:
        self._target(*self._args)


def nothing(*_arguments: object) -> None:
    """Stands for what is not tried here."""


def installed(_name: str) -> str:
    return "/usr/local/bin/voice-agent"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder without settings; nothing is served and no process is started."""
    monkeypatch.chdir(tmp_path)
    for name in (*serving.KEYS, "VOICE_AGENT_SANDBOX_URL"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("VOICE_AGENT_PORT", "0")
    monkeypatch.setenv("VOICE_AGENT_OPS_PORT", "0")
    FakeSandbox.started, FakeSandbox.looked_after = [], False
    FakeSandbox.state = {"local": []}
    monkeypatch.setattr("agent.cli.serve.SandboxProcess", FakeSandbox)
    monkeypatch.setattr("agent.cli.serve.installed", list)
    monkeypatch.setattr("agent.cli.serve.signal.signal", nothing)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that something was served with."""
    found: list[Settings] = []

    def serve(settings: Settings, opened: Callable[[], None]) -> None:
        found.append(settings)
        opened()

    monkeypatch.setattr("agent.cli.serve.run_server", serve)
    monkeypatch.setattr("agent.cli.serve._import_service", nothing)
    return found


def run(*arguments: str) -> Result:
    return CliRunner().invoke(serving.run, ["--sandbox-port", "0", *arguments], catch_exceptions=False)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.usefixtures("served")
def test_without_keys_everything_is_simulated() -> None:
    said = run().stderr
    assert "simulated" in said
    assert all(name in said for name in KEYS)


def test_nothing_is_announced_before_the_port_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_settings: Settings, _opened: Callable[[], None]) -> None:
        raise ConfigurationError("VOICE_AGENT_DATABASE_URL: a second service uses it")

    monkeypatch.setattr("agent.cli.serve.run_server", fails)
    with pytest.raises(ConfigurationError):
        run()
    monkeypatch.setattr("agent.cli.serve.run_server", nothing)  # it never opens
    assert "talk to it" not in run().stderr


def both_installed() -> list[str]:
    return ["stt", "tts"]


def test_what_runs_here_is_announced_and_nobody_waits_until_it_is_loaded(
    monkeypatch: pytest.MonkeyPatch, served: list[Settings]
) -> None:
    monkeypatch.setattr("agent.cli.serve.installed", both_installed)
    said = run().stderr
    assert "any English sentence, on this machine's processor" in said
    assert "the other providers without a key" in said
    assert "DEEPGRAM_API_KEY" not in said
    assert served[0].sandbox_local == ("stt", "tts")
    assert FakeSandbox.looked_after, "it is started again when it dies"


def test_nothing_runs_here_where_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch, served: list[Settings]) -> None:
    monkeypatch.setattr("agent.cli.serve.installed", both_installed)
    said = run("--no-local").stderr
    assert "every provider without a key" in said
    assert "the sample callers only: speech recognition is left out by --no-local" in said
    assert "make local" not in said
    assert served[0].sandbox_local == ()


@pytest.mark.usefixtures("served")
def test_local_speech_that_could_not_be_loaded_is_said_loudly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.cli.serve.installed", both_installed)
    monkeypatch.setattr("agent.cli.serve.threading.Thread", AtOnce)
    FakeSandbox.state = {"local": ["tts"], "failed": {"stt": "OSError: [libonnx] is broken"}}
    said = run().stderr
    assert "NOT LOADED   speech recognition of this machine: it is simulated instead" in said
    assert "OSError: [libonnx] is broken" in said


@pytest.mark.usefixtures("served")
def test_a_key_in_the_file_counts_as_one_in_the_environment() -> None:
    Path(".env").write_text(f"VOICE_AGENT_TOKEN_SECRET={os.urandom(16).hex()}\nANTHROPIC_API_KEY=sk-real\n")
    simulated = run().stderr.partition("to make them real set")[2]
    assert "DEEPGRAM_API_KEY" in simulated
    assert "ELEVENLABS_API_KEY" in simulated
    assert "ANTHROPIC_API_KEY" not in simulated


@pytest.mark.usefixtures("served")
def test_what_is_real_is_said_with_the_variable_that_makes_it_so() -> None:
    Path(".env").write_text(f"VOICE_AGENT_TOKEN_SECRET={os.urandom(16).hex()}\nANTHROPIC_API_KEY=sk-real\n")
    said = run().stderr
    assert "real         anthropic (ANTHROPIC_API_KEY): `" in said
    assert " check` tells whether it answers" in said
    assert "sk-real" not in said
    Path(".env").write_text("")
    assert "real  " not in run().stderr


def test_with_every_key_in_the_file_there_is_no_sandbox(served: list[Settings]) -> None:
    secret = f"VOICE_AGENT_TOKEN_SECRET={os.urandom(16).hex()}\n"
    Path(".env").write_text(secret + "".join(f"{name}={key}\n" for name, key in KEYS.items()))
    assert "simulated" not in run().stderr
    assert FakeSandbox.started == []
    assert not served[0].provider("deepgram").simulated


def test_a_sandbox_that_the_file_names_is_the_one_that_is_used(served: list[Settings]) -> None:
    Path(".env").write_text("VOICE_AGENT_SANDBOX_URL=http://127.0.0.1:8199\n")
    said = run().stderr
    assert FakeSandbox.started == []
    assert served[0].sandbox_url == "http://127.0.0.1:8199"
    assert "simulated" in said


OLLAMA = (
    f"VOICE_AGENT_TOKEN_SECRET={os.urandom(16).hex()}\nANTHROPIC_API_KEY=none\n"
    "ANTHROPIC_BASE_URL=http://127.0.0.1:11434\nVOICE_AGENT_HAIKU_MODEL=qwen3:8b\nVOICE_AGENT_SONNET_MODEL=LARGE\n"
)


@pytest.mark.parametrize(("large", "models"), [("qwen3:8b", "qwen3:8b"), ("qwen3:32b", "qwen3:8b and qwen3:32b")])
@pytest.mark.usefixtures("served")
def test_a_model_of_one_s_own_is_named_and_called_local(large: str, models: str) -> None:
    Path(".env").write_text(OLLAMA.replace("LARGE", large))
    said = run().stderr
    assert f"thinks       with {models} at http://127.0.0.1:11434, a machine of your own: local, $0" in said
    assert "ANTHROPIC_API_KEY" not in said.partition("to make them real set")[2]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("OPENAI_API_KEY=none\nOPENAI_BASE_URL=http://10.0.0.7:8900/v1\n",
         "later places a recogniser and a voice at http://10.0.0.7:8900/v1, a machine of your own: local, $0"),
        ("DEEPGRAM_API_KEY=none\nDEEPGRAM_BASE_URL=http://127.0.0.1:8901\n",
         "hears        with a recogniser at http://127.0.0.1:8901, a machine of your own: local, $0"),
        ("ELEVENLABS_API_KEY=none\nELEVENLABS_BASE_URL=http://127.0.0.1:8902\n",
         "speaks       with a voice at http://127.0.0.1:8902, a machine of your own: local, $0"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("served")
def test_every_provider_at_an_address_of_one_s_own_is_called_local(file: str, said: str) -> None:
    Path(".env").write_text(f"VOICE_AGENT_TOKEN_SECRET={os.urandom(16).hex()}\n{file}")
    assert said in run().stderr


@pytest.mark.parametrize("more", ["VOICE_AGENT_BILLED_HOSTS=127.0.0.1", "ANTHROPIC_BASE_URL=https://gateway.example"])
@pytest.mark.usefixtures("served")
def test_a_gateway_that_pays_a_vendor_is_not_called_local(more: str) -> None:
    Path(".env").write_text(OLLAMA.replace("LARGE", "qwen3:8b") + more + "\n")
    assert "local, $0" not in run().stderr


@pytest.mark.parametrize("name", ["PORT", "OPS_PORT"])
def test_a_port_that_is_taken_is_said_first_and_names_its_setting(
    name: str, taken: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], served: list[Settings]
) -> None:
    monkeypatch.setenv(f"VOICE_AGENT_{name}", str(taken))
    with pytest.raises(
        ConfigurationError, match=rf"VOICE_AGENT_{name}: 127\.0\.0\.1:{taken} cannot be used: .* in use"
    ):
        run()
    assert (served, FakeSandbox.started, capsys.readouterr().err) == ([], [], "")


@pytest.mark.usefixtures("served")
def test_a_port_that_is_taken_says_what_to_do(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_PORT", str(taken))
    with pytest.raises(ConfigurationError, match=r"Is it running already\? Otherwise .* VOICE_AGENT_PORT=\d+ make run"):
        run()


def test_a_port_of_the_sandbox_that_was_asked_for_is_taken_or_refused(taken: int, served: list[Settings]) -> None:
    with pytest.raises(ConfigurationError, match=rf"^--sandbox-port: 127\.0\.0\.1:{taken} cannot be used: .* in use"):
        run("--sandbox-port", str(taken))
    assert (served, FakeSandbox.started) == ([], [])


@pytest.mark.usefixtures("served")
def test_without_a_wish_the_sandbox_takes_another_port_where_the_usual_one_is_taken(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.cli.serve._SANDBOX_PORT", taken)
    assert CliRunner().invoke(serving.run, [], catch_exceptions=False).exit_code == 0
    (command,) = FakeSandbox.started
    assert int(command[command.index("--port") + 1]) != taken


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("ANTHROPIC_API_KEY=sk-real\n", "VOICE_AGENT_TOKEN_SECRET is not set"),
        ("VOICE_AGENT_ROLLBACK_MODE=auto\n", "VOICE_AGENT_ROLLBACK_MODE=auto needs it"),
    ],
)
def test_what_is_missing_is_said_before_anything_starts(file: str, why: str, served: list[Settings]) -> None:
    Path(".env").write_text(file)
    with pytest.raises(ConfigurationError, match=why):
        run()
    assert (served, FakeSandbox.started) == ([], [])


def test_a_database_in_use_is_said_before_anything_starts(served: list[Settings]) -> None:
    with (
        only_process("sqlite+aiosqlite:///var/voice-agent.db"),
        pytest.raises(ConfigurationError, match="another process of the service uses"),
    ):
        run()
    assert (served, FakeSandbox.started) == ([], [])


def test_serve_names_the_setting_of_a_taken_port_too(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_PORT", str(taken))
    monkeypatch.setenv("VOICE_AGENT_SANDBOX_URL", "http://127.0.0.1:8199")
    with pytest.raises(ConfigurationError, match="VOICE_AGENT_PORT"):
        CliRunner().invoke(serving.serve, [], catch_exceptions=False)


def test_two_listeners_on_one_port_are_refused(monkeypatch: pytest.MonkeyPatch, served: list[Settings]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = str(listener.getsockname()[1])
    monkeypatch.setenv("VOICE_AGENT_PORT", free)
    monkeypatch.setenv("VOICE_AGENT_OPS_PORT", free)
    with pytest.raises(ConfigurationError, match="VOICE_AGENT_OPS_PORT"):
        run()
    assert served == []


@pytest.mark.usefixtures("served")
def test_the_command_that_is_printed_is_one_that_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", nothing)
    monkeypatch.setattr(sys, "argv", [".venv/bin/voice-agent", "run"])
    assert "  .venv/bin/voice-agent call http://127.0.0.1:0 " in run().stderr
    monkeypatch.setattr(sys, "argv", [str(tmp_path / ".venv/bin/voice-agent"), "run"])
    assert program() == ".venv/bin/voice-agent"
    monkeypatch.setattr(sys, "argv", ["/opt/own place/voice-agent", "run"])
    assert program() == "'/opt/own place/voice-agent'"
    monkeypatch.setattr(sys, "argv", ["/somewhere/agent/__main__.py", "run"])
    assert program() == f"{sys.executable} -m agent"


def test_a_command_on_the_path_is_named_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", installed)
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/voice-agent", "run"])
    assert program() == "voice-agent"
    monkeypatch.setattr(sys, "argv", ["/other/bin/voice-agent", "run"])  # another one is on the path
    assert program() == "/other/bin/voice-agent"
