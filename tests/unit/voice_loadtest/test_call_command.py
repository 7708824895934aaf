from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

from tests.support.scripted_service import Behaviour, Talk, clip, service
from voice_loadtest.audio import load_wav, save_wav
from voice_loadtest.call_command import _Interruption, call  # pyright: ignore[reportPrivateUsage]
from voice_loadtest.pacing import now


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "hello.wav"
    save_wav(path, [clip(voice_s=0.2).pcm])
    return path


async def run(
    behaviour: Behaviour,
    *arguments: str,
    status: int = 201,
    key: str = "",
    started: list[asyncio.subprocess.Process] | None = None,
) -> tuple[int, str, str]:
    """The command in a process of its own: exit status, standard output, standard error."""
    async with service(behaviour, status=status, body=None if status == 201 else {"title": "Refused"}) as running:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "from voice_loadtest.call_command import call; call()",
            running.url,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "VOICE_AGENT_API_KEY": key, "COLUMNS": "140"},
        )
        if started is not None:
            started.append(process)
        async with asyncio.timeout(60):
            out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


async def answers_once(talk: Talk) -> None:
    await talk.ready()
    await talk.answer(1, "book a room")
    await talk.goodbye()


async def test_json_is_one_object_and_nothing_else(wav: Path) -> None:
    status, out, err = await run(answers_once, "--wav", str(wav), "--json", "--gap", "0.05")
    assert (status, err) == (0, "")
    printed = json.loads(out)
    (turn,) = printed["turns"]
    assert (turn["transcript"], turn["reply"], turn["outcome"]) == ("book a room", "Of course.", "replied")
    assert (turn["model"], turn["rule"], turn["clip"]) == ("haiku", "short", "hello.wav")
    assert turn["voice_to_voice_ms"] >= turn["server_voice_to_voice_ms"] - 1
    assert list(turn["stages"]) == ["stt", "llm", "tts", "send", "network"]
    assert turn["barge_in_ms"] is None
    assert printed["session"]["policy"] == "haiku-first"
    assert printed["errors"] == []


async def test_a_terminal_sees_the_words_the_waterfall_and_the_summary(wav: Path, tmp_path: Path) -> None:
    out_wav = tmp_path / "reply.wav"
    status, out, err = await run(answers_once, "--wav", str(wav), "--out", str(out_wav), "--gap", "0.05")
    assert (status, err) == (0, "")
    assert "“book a room” → “Of course.”" in out
    assert "stt  200/600" in out
    assert "1 of 1 answered by a real reply" in out
    assert load_wav(out_wav).seconds == pytest.approx(0.2, abs=0.001)


async def test_an_unanswered_call_exits_with_1(wav: Path) -> None:
    async def apologises(talk: Talk) -> None:
        await talk.ready()
        await talk.hear()
        await talk.send("transcript.final", turn=1, text="hello", spoken=True)
        await talk.reply(1, "Sorry, could you say that again?")
        await talk.metrics(1, outcome="apology")
        await talk.goodbye()

    status, out, _ = await run(apologises, "--wav", str(wav), "--gap", "0.05")
    assert status == 1
    assert "no real reply to: hello.wav" in out
    assert "apology" in out


@pytest.mark.parametrize(("times", "summary"), [(1, True), (2, False)])
async def test_ctrl_c_hangs_up_and_shows_the_summary_and_a_second_one_does_not_wait(
    wav: Path, times: int, summary: bool
) -> None:
    processes: list[asyncio.subprocess.Process] = []

    async def answers_and_is_interrupted(talk: Talk) -> None:
        await talk.ready()
        await talk.answer(1, "book a room")
        await talk.voice()
        processes[0].send_signal(signal.SIGINT)
        await talk.get("hangup")
        if times == 1:
            await talk.goodbye()
        else:
            processes[0].send_signal(signal.SIGINT)
            await talk.until(lambda: talk.closed)

    save_wav(speech := wav.parent / "speech.wav", [clip(voice_s=20).pcm])
    said = ("--wav", str(wav), "--wav", str(speech), "--gap", "0.05")
    status, out, err = await run(answers_and_is_interrupted, *said, started=processes)
    assert status == 130
    assert err == "hanging up; Ctrl+C again does not wait\n"
    assert ("1 of 1 answered by a real reply" in out) is summary
    assert ("you hung up while speech.wav was being said" in out) is summary
    assert "was not heard" not in out and "no real reply" not in out


async def test_on_a_terminal_the_words_stand_below_its_own_sign_of_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Hanging:
        def interrupt(self) -> None:
            hung_up.set()

    hung_up = asyncio.Event()
    interruption = _Interruption()
    interruption.of(cast("Any", Hanging()))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with interruption.watched():
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(hung_up.wait(), 10)
    assert capsys.readouterr().err == "\nhanging up; Ctrl+C again does not wait\n"


async def test_a_service_that_stops_ends_the_call_at_once_and_says_what_was_not_said(wav: Path) -> None:
    async def stops(talk: Talk) -> None:
        await talk.ready(resume_token="a-resume-token")
        await talk.answer(1, "book a room")
        await talk.voice()
        talk.stop_listening()
        await talk.send("session.end", reason="drained", turns=1)
        await talk.socket.close(1001)

    save_wav(second := wav.parent / "second.wav", [clip(voice_s=0.2).pcm])
    said = ("--wav", str(wav), "--wav", str(second), "--text", "thank you", "--gap", "0.05")
    began = now()
    status, out, _ = await run(stops, *said)
    assert now() - began < 12  # 60 s are those of a line that was lost
    assert status == 1
    assert "the service was stopped; second.wav, typed were not said" in out
    assert "was not heard" not in out and "no real reply" not in out
    assert "1 of 1 answered by a real reply" in out


@pytest.mark.parametrize(("http_status", "exit_status"), [(401, 2), (429, 1), (503, 1)])
async def test_a_refusal_is_one_line_and_never_shows_the_key(wav: Path, http_status: int, exit_status: int) -> None:
    status, out, err = await run(answers_once, "--wav", str(wav), "--json", status=http_status, key="s3cret")
    assert (status, out) == (exit_status, "")
    assert err == f"voice-agent call: the service refused the session ({http_status}): Refused\n"


def test_nothing_there_says_what_to_start(wav: Path) -> None:
    result = CliRunner().invoke(call, ["http://127.0.0.1:9", "--wav", str(wav), "--tier", "free"])
    assert result.exit_code == 2
    assert "cannot connect to http://127.0.0.1:9" in result.stderr
    assert "make run" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Nothing to say"),
        (["--text", ""], "1 to 2,000 characters"),
        (["--text", "hello", "--tier", "premium"], "needs an API key"),
        (["--text", "hello", "--tier", "gold"], "gold"),
        (["--wav", "{wav}", "--interrupt-after", "1"], "needs two --wav"),
        (["--wav", "{dir}/missing.wav"], "does not exist"),
        (["--wav", "{dir}/text.wav"], "not a WAV file"),
        (["--wav", "{dir}/silence.wav"], "louder than -50 dBFS"),
        (["--text", "hello", "--network-ms", "-5"], "--network-ms"),
    ],
)
def test_wrong_use_is_a_clear_line_and_status_2(wav: Path, arguments: list[str], reason: str) -> None:
    (wav.parent / "text.wav").write_text("words")
    save_wav(wav.parent / "silence.wav", [bytes(32_000)])
    filled = [argument.format(wav=wav, dir=wav.parent) for argument in arguments]
    result = CliRunner().invoke(call, ["http://127.0.0.1:9", *filled], env={"VOICE_AGENT_API_KEY": ""})
    assert result.exit_code == 2
    assert reason in result.stderr
