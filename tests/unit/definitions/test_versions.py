"""Versions of an agent: which files they are, who gets them, and who keeps them."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import cast

import pytest
from litestar.plugins.problem_details import ProblemDetailsException

from agent.api.session_request import asked_for, check_allowed
from agent.budgets import Tier
from agent.definitions.book import AgentBook, files_in, read_versions
from agent.definitions.toml import DefinitionError
from agent.definitions.version_watch import FAILED_POLLS, VersionWatcher
from agent.definitions.versions import AgentVersions, VersionError, canary_weights, promoted
from agent.policy.assignments import AssignmentError, Revision, assign, rollback
from agent.policy.service import PolicyService
from agent.policy.store import PolicyStore
from agent.tools.egress import Egress
from agent.tools.tool import Tool
from tests.support.agent_versions import PLAIN, write_versions
from tests.support.policies import BOOK
from tests.support.policy_store import agents_stored
from tests.support.virtual_time import run_virtual

IDS = [f"session-{number}" for number in range(2_000)]


@pytest.fixture
def hotel(tmp_path: Path) -> AgentVersions:
    return read_versions(files_in(write_versions(tmp_path, 1, 2, 3)))["hotel"]


def problems(folder: Path) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        read_versions(files_in(folder))
    return [line.removeprefix(f"{folder}/") for line in caught.value.problems]


def test_versions_lie_beside_each_other_and_the_file_without_a_number_is_the_usual_one(hotel: AgentVersions) -> None:
    assert (hotel.baseline, sorted(hotel.by_number)) == ("1", [1, 2, 3])
    assert [(one.version, one.role, one.percent) for one in hotel.live(None)] == [(1, "stable", 100)]


def test_what_is_wrong_with_files_of_versions_is_told(tmp_path: Path) -> None:
    write_versions(tmp_path, 1)
    file = tmp_path / "hotel-2.toml"
    file.write_text(PLAIN.format(name="hotel", version=3), encoding="utf-8")
    assert problems(tmp_path) == ["hotel-2.toml:1: name: is 'hotel', so the file is hotel-3.toml"]
    file.unlink()
    (tmp_path / "hotel-1.toml").write_text(PLAIN.format(name="hotel", version=1), encoding="utf-8")
    assert problems(tmp_path) == ["hotel-1.toml:2: version: 1 is that of hotel.toml, too"]
    (tmp_path / "hotel.toml").unlink()
    assert problems(tmp_path) == ["hotel-1.toml:1: there is no hotel.toml, which answers until a version is assigned"]
    write_versions(tmp_path, 9, 2, 3, 4)
    assert problems(tmp_path) == [f"{file.name.replace('-2', '')}:1: hotel has more than 4 versions"]


def test_a_share_of_new_sessions_gets_the_version_that_is_tried_and_the_same_id_always_the_same(
    hotel: AgentVersions,
) -> None:
    weights = {"1": 90, "2": 10}
    drawn = {one: hotel.pick(weights, one) for one in IDS}
    assert drawn == {one: hotel.pick(weights, one) for one in reversed(IDS)}
    counts = Counter((agent.version, role) for agent, role in drawn.values())
    assert set(counts) == {(1, "stable"), (2, "canary")}
    assert 150 < counts[2, "canary"] < 250
    more = {one for one in IDS if hotel.pick({"1": 50, "2": 50}, one)[0].version == 2}
    assert {one for one in IDS if drawn[one][0].version == 2} <= more, "who had it keeps it when it gets more"


def test_versions_and_policies_are_drawn_apart(hotel: AgentVersions) -> None:
    book = BOOK.assigned(Tier.FREE, {"haiku_first": 50, "sonnet_first": 50})
    both = Counter((book.assign(Tier.FREE, one).name, hotel.pick({"1": 50, "2": 50}, one)[0].version) for one in IDS)
    assert len(both) == 4
    assert all(400 < count < 600 for count in both.values())


def test_the_stable_version_is_the_usual_one_else_the_older_whatever_the_shares(hotel: AgentVersions) -> None:
    assert [one.role for one in hotel.live({"1": 10, "2": 90})] == ["stable", "canary"]
    assert [(one.version, one.role) for one in hotel.live({"2": 40, "3": 60})] == [(2, "stable"), (3, "canary")]


def test_weights_that_name_what_is_not_there_are_none(hotel: AgentVersions) -> None:
    assert [one.version for one in hotel.live({"1": 50, "7": 50})] == [1]
    for weights, words in (
        ({"7": 100}, "hotel: there is no version 7: there are 1, 2, 3"),
        ({"1": 90}, "these sum to 90"),
        ({"1": 40, "2": 30, "3": 30}, "takes 2 versions at once"),
        ({"1": 150, "2": -50}, "takes a whole number"),
    ):
        with pytest.raises(ValueError, match=words):
            hotel.assigned("hotel", weights)


def test_a_canary_grows_is_promoted_and_another_one_begins(hotel: AgentVersions) -> None:
    first = canary_weights(hotel, None, 2, 10)
    assert first == {"1": 90, "2": 10}
    assert canary_weights(hotel, first, 2, 60) == {"1": 40, "2": 60}
    with pytest.raises(VersionError, match="version 2 is tried already"):
        canary_weights(hotel, first, 3, 10)
    everybody = promoted(hotel, first, None)
    assert everybody == {"2": 100}
    assert canary_weights(hotel, everybody, 3, 5) == {"2": 95, "3": 5}
    with pytest.raises(VersionError, match="version 1 is what others are compared with"):
        canary_weights(hotel, everybody, 1, 5)
    with pytest.raises(VersionError, match="there is no version 8"):
        canary_weights(hotel, None, 8, 5)
    with pytest.raises(VersionError, match="no version is tried"):
        promoted(hotel, everybody, None)
    assert promoted(hotel, None, 3) == {"3": 100}


def test_the_rollback_of_policies_brings_versions_back(hotel: AgentVersions) -> None:
    from agent.policy.assignments import Revision
    from tests.support.policies import BEGAN

    tried = assign(hotel, [], "hotel", {"1": 90, "2": 10}, "me", "")
    history = [Revision(1, BEGAN, tried)]
    assert rollback(hotel, history, "hotel", "me", "").weights == {"1": 100}
    history.append(Revision(2, BEGAN, assign(hotel, history, "hotel", {"2": 100}, "me", "")))
    assert rollback(hotel, history, "hotel", "me", "").weights == {"1": 90, "2": 10}
    with pytest.raises(AssignmentError, match="already in force"):
        assign(hotel, history, "hotel", {"2": 100}, "me", "")


def test_a_session_keeps_its_version_to_the_end(tmp_path: Path) -> None:
    book = AgentBook(write_versions(tmp_path, 1, 2), "hotel")
    book.assign({"hotel": {"1": 1, "2": 99}})
    who = next(one for one in IDS if book.chosen("hotel", one, None) is not None and _version(book, one) == 2)
    book.assign({"hotel": {"1": 100}})
    assert _version(book, who) == 1
    kept = book.chosen("hotel", who, 2)
    assert kept is not None
    assert (kept[0].version, kept[1]) == (2, "canary"), "its turns are no figure of the stable version"
    (tmp_path / "hotel-2.toml").unlink()
    gone = AgentBook(tmp_path, "hotel").chosen(None, who, 2)
    assert gone is not None
    assert gone[0].version == 1


def test_a_rehearsal_gets_its_version_whatever_is_assigned(tmp_path: Path) -> None:
    book = AgentBook(write_versions(tmp_path, 1, 2), "hotel", pinned={"hotel": 2})
    book.assign({"hotel": {"1": 100}})
    assert {_version(book, one) for one in IDS[:50]} == {2}


def _version(book: AgentBook, session_id: str) -> int:
    found = book.chosen("hotel", session_id, None)
    assert found is not None
    return found[0].version


def test_a_request_has_to_fit_every_version_that_may_answer(tmp_path: Path) -> None:
    more = 'tiers = ["premium"]\n[variables.guest]\ndefault = "you"\n'
    book = AgentBook(write_versions(tmp_path, 1, 2, more=more), "hotel")
    named = b'{"agent": "hotel", "variables": {"guest": "Ada"}}'
    with pytest.raises(ProblemDetailsException, match="not a variable of hotel"):
        asked_for(named, book, Tier.FREE)
    check_allowed(asked_for(b"", book, Tier.FREE), Tier.FREE, has_key=False)
    book.assign({"hotel": {"1": 90, "2": 10}})
    with pytest.raises(ProblemDetailsException, match="answers no callers of the tier free"):
        check_allowed(asked_for(b"", book, Tier.FREE), Tier.FREE, has_key=False)
    book.assign({"hotel": {"2": 100}})
    assert asked_for(named, book, Tier.PREMIUM).variables == {"guest": "Ada"}


async def test_what_an_operator_assigns_is_followed_by_every_process(tmp_path: Path, database_url: str) -> None:
    write_versions(tmp_path, 1, 2)
    async with agents_stored(database_url) as store:
        watches = [VersionWatcher(AgentBook(tmp_path, "hotel"), store) for _ in range(2)]
        service = PolicyService(watches[0].book.versions["hotel"], store)
        await service.assign("hotel", {"1": 75, "2": 25}, "me", "a canary", 0)
        for watch in watches:
            await watch.refresh()
            assert [(one.version, one.percent) for one in watch.book.live() if one.agent == "hotel"] == [
                (1, 75), (2, 25)
            ]  # fmt: skip
        await service.rollback("hotel", "me", "worse", 1)
        await watches[1].catch_up()
        assert [one.version for one in watches[1].book.live() if one.agent == "hotel"] == [1]
        assert [one.change.reason for one in await watches[1].history("hotel")] == ["a canary", "worse"]


async def test_a_version_that_cannot_be_put_in_force_is_told(tmp_path: Path, database_url: str) -> None:
    write_versions(tmp_path, 1, 2)
    told: list[None] = []
    async with agents_stored(database_url) as store:
        book = AgentBook(tmp_path, "hotel")
        service = PolicyService(book.versions["hotel"], store)
        await service.assign("hotel", {"1": 75, "2": 25}, "me", "a canary", 0)
        (tmp_path / "hotel-2.toml").unlink()  # as on a replica that does not have the file
        watch = VersionWatcher(AgentBook(tmp_path, "hotel"), store, lambda: told.append(None))
        await watch.refresh()
        assert len(told) == 1
        assert [one.version for one in watch.book.live() if one.agent == "hotel"] == [1]


def test_versions_that_cannot_be_followed_for_a_minute_are_told_once(tmp_path: Path) -> None:
    write_versions(tmp_path, 1, 2)
    told: list[None] = []

    class Away:
        async def current(self) -> list[Revision]:
            raise OSError

    async def scenario() -> None:
        watch = VersionWatcher(AgentBook(tmp_path, "hotel"), cast("PolicyStore", Away()), lambda: told.append(None))
        async with watch.running():
            await asyncio.sleep(FAILED_POLLS - 2)
            assert not told
            await asyncio.sleep(200)
            assert len(told) == 1

    run_virtual(scenario())


async def test_a_version_whose_file_goes_while_calls_run_is_told_and_comes_back_by_itself(
    tmp_path: Path, database_url: str
) -> None:
    write_versions(tmp_path, 1, 2)
    told: list[None] = []
    async with agents_stored(database_url) as store:
        book = AgentBook(tmp_path, "hotel")
        watch = VersionWatcher(book, store, lambda: told.append(None))
        await PolicyService(book.versions["hotel"], store).assign("hotel", {"1": 75, "2": 25}, "me", "a canary", 0)
        await watch.refresh()
        assert told == []
        (tmp_path / "hotel-2.toml").unlink()
        assert await book.refresh()
        for _ in range(3):
            await watch.refresh()
        assert len(told) == 1
        write_versions(tmp_path, 1, 2)
        assert await book.refresh()
        await watch.refresh()
        assert len(told) == 1
        assert [(one.version, one.percent) for one in book.live() if one.agent == "hotel"] == [(1, 75), (2, 25)]


def test_a_tool_that_is_out_in_one_version_is_not_taken_from_another(tmp_path: Path) -> None:
    tool = '[[tools]]\nname = "rooms"\ndescription = "Rooms."\nhttp = "GET https://a.example/{path}"\n'
    write_versions(tmp_path, 1, 2, 3, 4)
    for stem, path in {"hotel": "rooms", "hotel-2": "roms", "hotel-3": "rooms", "hotel-4": "rooms"}.items():
        file = tmp_path / f"{stem}.toml"
        told = "Free rooms." if stem == "hotel-3" else "Rooms."
        text = file.read_text(encoding="utf-8") + tool.replace("{path}", path).replace("Rooms.", told)
        file.write_text(text + ('auth = { secret = "NEW" }\n' if stem == "hotel-4" else ""), encoding="utf-8")
    egress = Egress(("a.example",), environment={"TOOL_SECRET_NEW": "0123456789"})
    found = read_versions(tmp_path.glob("*.toml"), egress)["hotel"].by_number
    first, misspelt, told_otherwise, other_secret = (found[number].tools["rooms"] for number in (1, 2, 3, 4))
    assert isinstance(first, Tool)
    assert isinstance(told_otherwise, Tool)
    assert first.behind == told_otherwise.behind
    assert len({one.behind for one in (first, misspelt, other_secret) if isinstance(one, Tool)}) == 3
