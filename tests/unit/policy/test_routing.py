"""Which turns go to Sonnet: length, technical terms, the operator's word; and the list of terms."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.policy.policies import Policy, load_policies
from agent.policy.routing import FILE_LIMIT, TERM_LIMIT, Route, TermFileError, TermList, load_terms, route
from tests.support.paths import DATA

POLICIES = load_policies().policies
TERMS = load_terms()


def routed(text: str, *recent: str, policy: Policy = POLICIES["haiku_first"], system_escalates: bool = False) -> Route:
    return route(policy, text=text, recent_turns=recent, system_escalates=system_escalates, terms=TERMS)


def test_haiku_answers_by_default() -> None:
    assert routed("I'd like a room for two, please.", "Hello", "Do you have rooms?") == Route("haiku", "default")


def test_more_than_eighty_characters_escalate() -> None:
    assert routed("x" * 80) == Route("haiku", "default")
    assert routed("  " + "x" * 80 + "\n") == Route("haiku", "default")
    assert routed("x" * 81) == Route("sonnet", "length")


def test_a_technical_term_escalates_for_three_turns() -> None:
    term = "My webhook fails"
    assert routed(term) == Route("sonnet", "term")
    assert routed("And now?", term) == Route("sonnet", "term")
    assert routed("And now?", term, "Really") == Route("sonnet", "term")
    assert routed("And now?", term, "Really", "Well") == Route("haiku", "default")


def test_the_number_of_turns_is_the_policys() -> None:
    haiku = POLICIES["haiku_first"]
    one = replace(haiku, escalation=replace(haiku.escalation, term_turns=1))
    none = replace(haiku, escalation=replace(haiku.escalation, term_turns=0))
    assert routed("my webhook", policy=one).rule == "term"
    assert routed("And now?", "my webhook", policy=one).rule == "default"
    assert routed("my webhook", policy=none).rule == "default"


def test_the_system_prompt_escalates() -> None:
    assert routed("Hello", system_escalates=True) == Route("sonnet", "system")


def test_the_rules_are_asked_in_order() -> None:
    assert routed("my webhook " * 20, system_escalates=True).rule == "length"
    assert routed("my webhook", system_escalates=True).rule == "term"


def test_a_policy_that_leaves_no_choice() -> None:
    assert routed("Hello", policy=POLICIES["sonnet_first"]) == Route("sonnet", "policy")
    assert routed("my webhook " * 20, policy=POLICIES["economy"], system_escalates=True) == Route("haiku", "policy")


@pytest.mark.parametrize(
    "text",
    [
        "the API is down", "your APIs", "A.P.I. no, the api", "two-factor authentication", "Two Factor", "SSO?",
        "Node.js", "node JS", "C++", "in C#", "Databases!", "DNS records", "our queries: query optimizations",
        "CI/CD", "a pull-request", "error   messages",
    ],
)  # fmt: skip
def test_terms_are_found_in_any_case_and_number(text: str) -> None:
    assert TERMS.found_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "capital", "a table for two", "our server was rude", "the airport", "it reacts", "C", "a plus",
        "exceptional", "pull the request", "rapid", "single", "sign on the line",
    ],
)  # fmt: skip
def test_parts_of_words_and_everyday_words_are_no_terms(text: str) -> None:
    assert not TERMS.found_in(text)


def test_plural_and_singular() -> None:
    terms = TermList(["query", "indexes", "class", "batch job", "policies"])
    for text in ("queries", "index", "indexes", "classes", "batch jobs", "policy", "QUERY"):
        assert terms.found_in(text), text
    for text in ("quer", "clas", "batches", "job"):
        assert not terms.found_in(text), text


@given(st.lists(st.text(st.characters(categories=("Ll", "Lu", "Nd")), min_size=1, max_size=8), min_size=1, max_size=4))
@example(["0", "İ0", "İ0", "İ0"])
def test_every_term_finds_itself(words: list[str]) -> None:
    term = " ".join(words)
    terms = TermList([term])
    assert terms.found_in(f"so, {term.upper()}!") == terms.found_in(term.upper())
    assert terms.found_in(f"so, {term}!")


def test_an_operators_file_adds_terms(tmp_path: Path) -> None:
    file = tmp_path / "terms.txt"
    file.write_text("\ufeff# ours\n\n flux capacitor \nWidget 3000\n", encoding="utf-8")
    terms = load_terms(file)
    assert len(terms) == len(TERMS) + 2
    assert terms.found_in("two flux capacitors")
    assert terms.found_in("the widget-3000")
    assert terms.found_in("webhook")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"caf\xe9", r"is not UTF-8 text \(byte 3\)"),
        (b"x" * (FILE_LIMIT + 1), f"takes at most {FILE_LIMIT} bytes"),
        (b"x\n" * (TERM_LIMIT + 1), f"takes at most {TERM_LIMIT} terms, has {TERM_LIMIT + 1}"),
        (b"good\n---\n", "line 2: takes a term of 1 to 6 words"),
        (b"one two three four five six seven", "line 1: takes a term of 1 to 6 words"),
    ],
)
def test_a_wrong_file_is_refused_with_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "terms.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TermFileError, match=rf"terms\.txt: {message}$"):
        load_terms(file)


@pytest.mark.timing
@pytest.mark.parametrize("unit", ["a", "rate ", "+", "rate rate limi ", "é", "\n", "error_"])
def test_the_time_grows_with_the_text_and_no_faster(unit: str) -> None:
    """Ten times the text takes about ten times as long; a search that backtracks would take a hundred times."""

    def fastest(text: str) -> float:
        times: list[float] = []
        for _ in range(7):
            start = time.perf_counter()
            TERMS.found_in(text)
            times.append(time.perf_counter() - start)
        return min(times)

    short, long = unit * 4_000, unit * 40_000
    assert fastest(long) < 40 * fastest(short)


def caller_turns() -> Iterator[str]:
    for line in (DATA / "multiwoz21" / "val.jsonl").read_text(encoding="utf-8").splitlines():
        yield from (turn["text"] for turn in json.loads(line)["turns"] if turn["role"] == "user")


def test_everyday_callers_hardly_ever_use_a_term() -> None:
    if not DATA.exists():
        pytest.skip(f"the outside data set is not here: {DATA}")
    turns = list(caller_turns())
    found = sum(TERMS.found_in(turn) for turn in turns)
    assert len(turns) > 1000
    assert found / len(turns) < 0.001
