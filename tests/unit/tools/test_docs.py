"""The generated references say what the declarations say, and every public thing has a sentence."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import click
import msgspec
import pytest

from agent.cli.main import COMMANDS, load_command
from agent.settings import OF_OTHER_PROGRAMS, PREFIX, Settings, load_settings
from agent.telemetry.catalog import all_metrics
from agent.transport.voice_agent_v1.asyncapi import asyncapi
from agent.transport.voice_agent_v1.messages import ClientMessage, ServerMessage, encode
from tests.support.paths import ROOT
from tools.docs import faults, markdown, settings
from tools.docs.__main__ import DOCUMENTS, main
from voice_sandbox.faults import FaultKind, FaultRule, kind_sentences


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_generated_document_is_up_to_date(name: str) -> None:
    path = ROOT / name
    assert path.is_file(), f"{name} is missing: run `make docs`"
    assert path.read_text(encoding="utf-8") == DOCUMENTS[name](), f"{name} is out of date: run `make docs`"


def test_no_reference_is_left_that_nothing_generates() -> None:
    found = {f"docs/reference/{path.name}" for path in (ROOT / "docs" / "reference").iterdir()}
    assert found <= DOCUMENTS.keys()


def test_writing_the_documents_again_changes_none(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_sentence(name: str) -> None:
    text = Settings.model_fields[name].description or ""
    assert len(text.split()) >= 3, f"{name} in agent/settings.py lacks a description"


def test_the_reference_names_every_setting_once_and_never_a_section_without_a_title() -> None:
    sections = settings.sections()
    variables = [setting.variable for group in sections.values() for setting in group]
    assert len(variables) == len(set(variables)) == len(Settings.model_fields)
    assert list(sections) == list(settings.SECTIONS.values())


def test_the_example_environment_is_read_as_the_defaults(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*Settings.model_fields, "sentry_dsn"]:
        monkeypatch.delenv(f"{PREFIX}{name.upper()}", raising=False)
    monkeypatch.delenv("VOICE_AGENT_DATA", raising=False)
    everything = re.sub(r"^#(?=[A-Z])", "", settings.env_example(), flags=re.MULTILINE)
    (tmp_path / ".env").write_text(everything)
    assert load_settings(str(tmp_path / ".env")) == load_settings(None)


@pytest.mark.parametrize("name", OF_OTHER_PROGRAMS)
def test_a_variable_of_another_program_does_not_stop_the_service(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "something")
    load_settings(None)


def test_every_metric_has_a_sentence() -> None:
    assert [metric.name for metric in all_metrics() if not re.fullmatch(r"\S+ .*\.", metric.help, re.DOTALL)] == []


def test_every_command_and_option_has_a_sentence() -> None:
    def lacking(command: click.Command, path: str) -> list[str]:
        own = [] if command.help else [path]
        options = [param for param in command.params if isinstance(param, click.Option)]
        own += [f"{path} {option.opts[0]}" for option in options if not option.help]
        below = command.commands if isinstance(command, click.Group) else {}
        return own + [name for child, it in below.items() for name in lacking(it, f"{path} {child}")]

    entries = [item for group in COMMANDS.values() for item in group.items()]
    assert [name for path, entry in entries for name in lacking(load_command(entry), path)] == []


def test_every_fault_stands_in_the_table_and_every_field_of_a_rule_has_a_sentence() -> None:
    told = [name for names in kind_sentences() for name in names]
    assert sorted(told) == sorted(kind.value for kind in FaultKind)
    page = faults.reference()
    lines = {name: re.search(rf"^- \*\*`{name}`\*\* \w", page, re.MULTILINE) for name in FaultRule.__dataclass_fields__}
    assert [name for name, line in lines.items() if line is None] == []


def test_asyncapi_names_every_message_and_where_it_goes() -> None:
    document = asyncapi()
    for operation, kinds in (("fromClient", get_args(ClientMessage)), ("fromServer", get_args(ServerMessage))):
        sent = [message["$ref"].rpartition("/")[2] for message in document["operations"][operation]["messages"]]
        assert sent == [*(kind.__struct_config__.tag for kind in kinds), "Audio"]
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        node: Any = document
        for step in reference.split("/"):
            node = node[step]


@pytest.mark.parametrize("kind", get_args(ServerMessage))
def test_asyncapi_describes_what_is_really_sent(kind: type[Any]) -> None:
    values: dict[Any, Any] = {str: "a", int: 1, float: 1.5, bool: True, msgspec.Raw: msgspec.Raw(b"{}")}
    required = [field for field in msgspec.structs.fields(kind) if field.required]
    message = kind(
        **{field.name: values.get(field.type, {} if "dict" in str(field.type) else ()) for field in required}
    )
    sent = json.loads(encode(message))
    schema = asyncapi()["components"]["schemas"][kind.__name__]
    assert sent.keys() <= schema["properties"].keys()
    assert set(schema["required"]) <= sent.keys()
    assert schema["properties"]["type"] == {"enum": [sent["type"]]}


@pytest.mark.parametrize("kind", [*get_args(ClientMessage), *get_args(ServerMessage)])
def test_every_message_has_a_sentence(kind: type[Any]) -> None:
    assert "__doc__" in vars(kind) and kind.__doc__, kind.__name__


def test_lines_are_wrapped_and_indented() -> None:
    lines = markdown.entry("name", "word " * 60).splitlines()
    assert len(lines) > 2
    assert max(map(len, lines)) <= markdown.WIDTH
    assert all(line.startswith("  ") for line in lines[1:])
    assert markdown.sentence("the end") == "The end."
    assert markdown.sentence("`code` first?") == "`code` first?"
