"""Model servers of one's own, as their programs answer (docs/local-models.md)."""

from __future__ import annotations

from contextlib import aclosing

import pytest
import structlog
from pydantic import ValidationError
from structlog.testing import LogCapture

from agent.core.calls import Unit
from agent.providers.anthropic.claude import Claude
from agent.providers.anthropic.models import ThinkingChoice, read_choices
from agent.providers.base import Message, Prompt
from agent.settings import Settings
from tests.support.local_models import SERVERS, TEXT, LocalServer, local_model
from tests.support.providers import RecordingRecorder

PROMPT = Prompt(system="You are a receptionist.", memory="", messages=(Message("user", "A room, please."),))


async def _said(claude: Claude, recorder: RecordingRecorder) -> str:
    async with aclosing(claude.reply("s1", PROMPT, recorder)) as reply:
        return "".join([delta.text async for delta in reply])


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
async def test_it_is_heard_and_counted_whatever_it_leaves_out(server: LocalServer, recorder: RecordingRecorder) -> None:
    async with local_model(server) as asked:
        claude = Claude(api_key="none", base_url=asked.url, model=server.model)
        assert await _said(claude, recorder) == "".join(TEXT)
        await claude.close()
    call = recorder.only
    assert (call.outcome, call.model) == ("ok", server.model)
    assert call.usage.quantities[Unit.INPUT_TOKENS] > 0
    assert call.usage.quantities[Unit.OUTPUT_TOKENS] > 0
    told = [usage for usage in (server.usage_at_start, server.usage_at_end) if usage]
    counted = any(usage.get("input_tokens") for usage in told) and any(usage.get("output_tokens") for usage in told)
    assert call.usage.estimated is not counted
    assert asked.bodies[0]["model"] == server.model
    assert "thinking" not in asked.bodies[0], "a model that is not known is sent nothing special"


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.name)
async def test_a_model_that_thinks_first_is_named_in_the_log_once(
    server: LocalServer, recorder: RecordingRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = LogCapture()
    log = structlog.wrap_logger(None, processors=[logs], wrapper_class=structlog.make_filtering_bound_logger(0))
    monkeypatch.setattr("agent.providers.anthropic.thoughts.log", log)
    async with local_model(server) as asked:
        claude = Claude(api_key="none", base_url=asked.url, model=server.model)
        for _ in range(2):
            await _said(claude, recorder)
        await claude.close()
    late = [line for line in logs.entries if line["event"] == "first text late: the model thinks first"]
    assert len(late) == server.thinks
    if late:
        assert late[0]["model"] == server.model
        assert f"VOICE_AGENT_MODEL_THINKING={server.model}=disabled" in late[0]["set"]
        assert "room" not in str(late[0]), "no words of a thought in a log"


@pytest.mark.parametrize(
    ("choice", "thinking", "template"),
    [
        ("disabled", {"type": "disabled"}, None),
        ("between_tools", {"type": "between_tools"}, None),
        ("template", None, {"enable_thinking": False}),
        ("unsent", None, None),
        (None, None, None),
    ],
)
async def test_thinking_is_switched_off_as_the_operator_says(
    choice: ThinkingChoice | None, thinking: object, template: object, recorder: RecordingRecorder
) -> None:
    async with local_model(SERVERS[0]) as asked:
        claude = Claude(api_key="none", base_url=asked.url, model="qwen3:8b", thinking=choice)
        await _said(claude, recorder)
        await claude.close()
    [body] = asked.bodies
    assert (body.get("thinking"), body.get("chat_template_kwargs")) == (thinking, template)


def test_choices_are_read_by_model_and_wrong_ones_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICE_AGENT_MODEL_THINKING", "qwen3:8b=disabled, a=b/c=template")
    assert read_choices(_settings().model_thinking) == {"qwen3:8b": "disabled", "a=b/c": "template"}
    monkeypatch.setenv("VOICE_AGENT_MODEL_THINKING", "qwen3:8b=off")
    with pytest.raises(ValidationError):
        _settings()
    with pytest.raises(ValueError, match="takes model=choice"):
        read_choices(["disabled"])


def _settings() -> Settings:
    return Settings(_env_file=None)  # pyright: ignore[reportCallIssue]  pydantic-settings' own parameter
