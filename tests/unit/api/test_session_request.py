"""What a request for a session may ask for, and what it is told when it may not."""

from __future__ import annotations

from pathlib import Path

import pytest
from litestar.plugins.problem_details import ProblemDetailsException

from agent.api.session_request import asked_for, check_allowed
from agent.auth.tokens import TokenBook
from agent.budgets import Tier
from agent.definitions.book import AgentBook

HOTEL = """
name = "hotel"
version = 1
tiers = ["premium"]
prompt = "Guest: {{guest}}, {{desk}}."
[variables.guest]
public = true
[variables.desk]
default = "front"
"""


@pytest.fixture
def book(tmp_path: Path) -> AgentBook:
    (tmp_path / "hotel.toml").write_text(HOTEL, encoding="utf-8")
    return AgentBook(tmp_path, "receptionist")


@pytest.mark.parametrize("body", [b"", b"  ", b"{}", b'{"unknown": 1}'])
def test_without_a_word_the_usual_agent_answers(book: AgentBook, body: bytes) -> None:
    asked = asked_for(body, book, Tier.PREMIUM)
    assert (asked.name, asked.versions[0].name, asked.variables) == (None, "receptionist", {})
    check_allowed(asked, Tier.FREE, has_key=False)


def test_an_agent_and_its_variables_travel_in_the_token(book: AgentBook) -> None:
    asked = asked_for(b'{"agent": "hotel", "variables": {"guest": "Ada"}}', book, Tier.PREMIUM)
    check_allowed(asked, Tier.PREMIUM, has_key=False)
    tokens = TokenBook("a secret of the tests, long enough", 15)
    token, session_id, _ = tokens.issue("ada", Tier.PREMIUM, agent=asked.name, variables=asked.variables)
    claims = tokens.verify(token)
    again = tokens.verify(tokens.issue_resume(claims, session_id, 60))
    for read in (claims, again):
        assert (read.agent, read.variables) == ("hotel", (("guest", "Ada"),))


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"[1]", 400, "object"),
        (b"{", 400, "JSON object"),
        (b"\xff", 400, "JSON object"),
        (b'{"x": ' + b"[" * 5_000, 400, "JSON object"),  # brackets without end, in a field that nobody reads
        (b'{"agent": 3}', 400, "agent"),
        (b'{"variables": {"guest": {}}}', 400, "variables"),
        (b'{"agent": "secret-name"}', 404, "takes one of hotel, receptionist"),
        (b'{"agent": "hotel"}', 400, "guest: is missing"),
        (b'{"variables": {"a secret": 1}}', 400, "takes none"),
    ],
)
def test_what_is_not_taken_is_said(book: AgentBook, body: bytes, status: int, said: str) -> None:
    with pytest.raises(ProblemDetailsException) as caught:
        asked_for(body, book, Tier.PREMIUM)
    assert caught.value.status_code == status
    assert said in caught.value.detail


def test_what_a_prompt_says_is_the_operators_word(book: AgentBook) -> None:
    public = asked_for(b'{"agent": "hotel", "variables": {"guest": "Ada"}}', book, Tier.PREMIUM)
    with pytest.raises(ProblemDetailsException, match="tier free"):
        check_allowed(public, Tier.FREE, has_key=False)
    kept = asked_for(b'{"agent": "hotel", "variables": {"guest": "Ada", "desk": "back"}}', book, Tier.PREMIUM)
    check_allowed(kept, Tier.PREMIUM, has_key=True)
    with pytest.raises(ProblemDetailsException, match="desk can be set with an API key only"):
        check_allowed(kept, Tier.PREMIUM, has_key=False)


def test_a_policy_is_chosen_where_it_may_be_and_assigned_elsewhere(book: AgentBook) -> None:
    asked = asked_for(b'{"policy": "fast"}', book, Tier.FREE)
    assert asked.policy == "fast"
    check_allowed(asked, Tier.FREE, has_key=False, policies=["haiku_first", "fast"])
    with pytest.raises(ProblemDetailsException, match="policy takes one of haiku_first") as caught:
        check_allowed(asked, Tier.FREE, has_key=False, policies=["haiku_first"])
    assert caught.value.status_code == 403
    with pytest.raises(ProblemDetailsException, match="policy is assigned, unless every provider is simulated"):
        check_allowed(asked, Tier.PREMIUM, has_key=True)


def test_a_policy_that_may_not_serve_the_agent_is_refused_and_no_other_given_for_it(tmp_path: Path) -> None:
    thrifty = 'name = "thrifty"\nversion = 1\nprompt = "You answer."\npolicies = ["economy"]\n'
    (tmp_path / "thrifty.toml").write_text(thrifty, encoding="utf-8")
    book = AgentBook(tmp_path, "receptionist")
    for policy in ("economy", "fast"):
        asked = asked_for(f'{{"agent": "thrifty", "policy": "{policy}"}}'.encode(), book, Tier.FREE)
        if policy == "economy":
            check_allowed(asked, Tier.FREE, has_key=False, policies=["economy", "fast"])
            continue
        with pytest.raises(ProblemDetailsException, match="policy fast may not serve thrifty") as caught:
            check_allowed(asked, Tier.FREE, has_key=False, policies=["economy", "fast"])
        assert caught.value.status_code == 403


def test_a_caller_is_told_of_no_agent_that_does_not_answer_him(book: AgentBook) -> None:
    with pytest.raises(ProblemDetailsException) as caught:
        asked_for(b'{"agent": "nobody"}', book, Tier.FREE)
    assert caught.value.detail.endswith("agent takes one of receptionist")
