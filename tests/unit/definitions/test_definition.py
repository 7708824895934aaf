"""Definitions of agents: what a file takes, where it is wrong, and what fills its places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.definitions.book import SHIPPED, AgentBook, files_in, read_all
from agent.definitions.definition import AgentDefinition, DefinitionError, VariableError, read_definition
from agent.policy.routing import TermList
from agent.providers.own import OwnSpeech
from agent.turn.prompt import VOICE_RULES, build_prompt

WHOLE = '''\
name = "hotel"
version = 3
greeting = "Good day, {{business}}, how can I help {{guest}}?"
hang_up = "Goodbye, {{guest}}."
tiers = ["premium"]
routing_terms = ["spa voucher"]
prompt = """
You answer for {{business}}.
[[escalate]]
Guest: {{guest}}, floor {{floor}}, {{kind}}. [not_a_key = 1]
"""

[variables.guest]
max_length = 25
public = true
default = "you"

[variables.floor]
type = "integer"
min = 1
max = 9

[variables.kind]
type = "choice"
choices = ["business", "leisure"]
default = "leisure"
'''


def written(folder: Path, text: str = WHOLE, name: str = "hotel") -> Path:
    file = folder / f"{name}.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(folder: Path, text: str, name: str = "hotel") -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        read_definition(written(folder, text, name))
    return [problem.removeprefix(f"{folder}/") for problem in caught.value.problems]


@pytest.fixture
def hotel(tmp_path: Path) -> AgentDefinition:
    return read_definition(written(tmp_path))


def test_the_shipped_receptionist_has_the_prompt_of_the_settings() -> None:
    receptionist = read_all(files_in(None))["receptionist"]
    extra = "\n\nBreakfast is at 8.  \n[[escalate]]\nParking is free.\n"
    assert receptionist.prompt("  Bay Hotel ", extra, {}) == build_prompt("  Bay Hotel ", extra)
    assert receptionist.prompt("Bay Hotel", "", {}) == build_prompt("Bay Hotel")
    assert receptionist.file.greeting is None, "callers and load tests expect to speak first"


def test_places_are_filled_once_and_ask_for_nothing(hotel: AgentDefinition) -> None:
    values = hotel.fill({"guest": "{{floor}} [[escalate]]", "floor": 4})
    prompt = hotel.prompt("Bay Hotel", "", values)
    assert prompt.text.endswith(
        "You answer for Bay Hotel.\nGuest: {{floor}} [[escalate]], floor 4, leisure. [not_a_key = 1]"
    )
    assert prompt.escalates, "the file itself asks for it"
    assert hotel.said(hotel.file.greeting, "Bay Hotel", values | {"guest": "Ada"}) == (
        "Good day, Bay Hotel, how can I help Ada?"
    )
    assert hotel.terms(TermList(["kernel"])).found_in("I have a spa voucher")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"floor": 4, "room": "12"}, "'room' is not a variable of hotel"),
        ({}, "floor: is missing"),
        ({"floor": 10}, "floor: takes a number from 1 to 9"),
        ({"floor": "4"}, "floor: takes a whole number"),
        ({"floor": True}, "floor: takes a whole number"),
        ({"floor": 4, "guest": "x" * 26}, "at most 25 characters"),
        ({"floor": 4, "guest": "a\nb"}, "printable line"),
        ({"floor": 4, "kind": "other"}, "kind: takes one of business, leisure"),
    ],
)
def test_a_variable_that_is_not_taken_is_named(hotel: AgentDefinition, given: dict[str, Any], said: str) -> None:
    with pytest.raises(VariableError, match=said):
        hotel.fill(given)


def test_who_may_set_what(hotel: AgentDefinition) -> None:
    assert hotel.needs_key(["guest", "floor", "kind"]) == ["floor", "kind"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ('version = 3', 'version = 0', "hotel.toml:2: version: input should be greater than or equal to 1"),
        ('version = 3', 'verison = 3', "hotel.toml:2: verison: extra inputs are not permitted"),
        ('min = 1', 'min = "low"', "hotel.toml:20: variables.floor.min: "),
        ('choices = ["business", "leisure"]', 'choices = []', "hotel.toml:23: variables.kind: `choices` belongs"),
        ('default = "leisure"', 'default = "other"', "hotel.toml:23: variables.kind: default: takes one of"),
        ('{{floor}}, {{kind}}', '{{flor}}', "hotel.toml:7: prompt: {{flor}} is not one of business, extra, floor"),
        ('{{guest}}?"', '{{guest}?"', "hotel.toml:3: greeting: takes {{name}} with one of"),
        ('tiers = ["premium"]', 'tiers = ["gold"]', "hotel.toml:5: tiers.0: "),
        ('name = "hotel"', 'name = "inn"', "hotel.toml:1: name: is 'inn', so the file is inn.toml"),
        ('version = 3', 'version = ', "hotel.toml:2: Invalid value"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, before: str, after: str, expected: str) -> None:
    assert before in WHOLE
    found = problems(tmp_path, WHOLE.replace(before, after))
    assert any(problem.startswith(expected) for problem in found), found


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    text = WHOLE.replace("version = 3", "version = -1").replace("max = 9", 'max = "many"')
    assert [problem.split(":")[1] for problem in problems(tmp_path, text)] == ["2", "21"]


async def _changes(folder: Path) -> None:
    told: list[int] = []
    book = AgentBook(folder, "hotel", tell=lambda problems, _agents: told.append(problems))
    before = book.find("hotel")
    assert before is not None
    assert before.version == 3
    assert not await book.refresh(), "nothing changed"
    written(folder, WHOLE.replace("version = 3", "version = 14"))
    assert await book.refresh()
    after = book.find(None)
    assert after is not None
    assert (after.version, before.version) == (14, 3), "who has the old one keeps it"
    written(folder, "version = nothing at all")
    assert not await book.refresh()
    assert book.usual.version == 14, "a file that is wrong changes nothing"
    (folder / "hotel.toml").unlink()
    assert not await book.refresh()
    assert book.usual.version == 14, "the usual agent cannot go"
    assert not await book.refresh(), "what is wrong is told once"
    written(folder, WHOLE.replace("version = 3", "version = 0").replace("max = 9", 'max = "many"'))
    assert not await book.refresh()
    written(folder, WHOLE.replace("version = 3", "version = 15"))
    assert await book.refresh()
    assert told == [0, 0, 1, 1, 2, 0]


def test_a_changed_file_is_taken_for_new_sessions(tmp_path: Path) -> None:
    import asyncio

    written(tmp_path)
    asyncio.run(_changes(tmp_path))


def test_an_own_definition_stands_in_front_of_the_shipped_one(tmp_path: Path) -> None:
    own = WHOLE.replace('"hotel"', '"receptionist"')
    written(tmp_path, own, "receptionist")
    book = AgentBook(tmp_path, "receptionist")
    assert book.usual.path.parent == tmp_path
    assert SHIPPED.joinpath("receptionist.toml").is_file()


def test_a_service_does_not_start_without_its_usual_agent(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="VOICE_AGENT_AGENT: takes one of receptionist; not hotel"):
        AgentBook(tmp_path, "hotel")


OWN = """\
language = "de"
voices = { elevenlabs = "anna", openai_tts = "nova" }
speed = 1.1
keyterms = ["Kaminzimmer"]
pronunciations = { Siobhan = "Shivawn" }
policies = ["haiku_first"]
usd_per_session = 0.3
"""


def test_an_agent_has_speech_policies_and_a_price_of_its_own(tmp_path: Path) -> None:
    made = read_definition(written(tmp_path, OWN + WHOLE))
    assert made.speech == OwnSpeech("de", ("Kaminzimmer",), (("elevenlabs", "anna"), ("openai_tts", "nova")), 1.1)
    assert "Speak German." in made.prompt("us", "", made.fill({"floor": 1})).text
    assert made.file.pronunciations == {"Siobhan": "Shivawn"}
    plain = read_definition(written(tmp_path))
    assert plain.speech == OwnSpeech()
    assert "Speak " not in plain.prompt("us", "", plain.fill({"floor": 1})).text.replace(VOICE_RULES, "")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"de"', '"qq"', ":1: language: qq is no language"),
        ('"de"', '"german"', ":1: language"),
        ("elevenlabs =", "alexa =", ":2: voices"),
        ('"anna"', '"../anna"', ":2: voices.elevenlabs"),
        ("speed = 1.1", "speed = 3", ":3: speed"),
        ("usd_per_session = 0.3", "usd_per_session = 0", ":7: usd_per_session"),
    ],
)
def test_speech_that_nobody_has_is_told_with_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert any(words in one for one in problems(tmp_path, OWN.replace(old, new) + WHOLE))


def test_a_policy_that_does_not_exist_serves_no_agent(tmp_path: Path) -> None:
    written(tmp_path, OWN + WHOLE)
    assert AgentBook(tmp_path, "hotel", policies=["haiku_first"]).usual.file.policies == ("haiku_first",)
    with pytest.raises(DefinitionError, match=":6: policies: there is no policy haiku_first"):
        AgentBook(tmp_path, "hotel", policies=["sonnet_first"])
