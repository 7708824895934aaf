"""What providers say when they refuse, as public reports quote them, and what it means here."""

from __future__ import annotations

from typing import Any

import pytest

from agent.core.calls import ErrorKind, Problem
from agent.providers.http import kind_of_status
from agent.providers.refusals import refusal_of, scrubbed

LASTING: list[tuple[int, Any, Problem]] = [
    (400, {"error": {"type": "invalid_request_error", "message": "Your credit balance is too low to access the API."}},
     Problem.CREDIT),
    (401, {"detail": {"status": "quota_exceeded", "message": "You have 3 credits remaining, while 54 are required."}},
     Problem.CREDIT),
    (402, {"err_code": "ASR_PAYMENT_REQUIRED", "err_msg": "Project does not have enough credits."}, Problem.CREDIT),
    (402, "", Problem.CREDIT),
    (429, {"message": "You exceeded your current quota, please check your plan.", "code": "insufficient_quota"},
     Problem.CREDIT),
    (401, {"detail": {"status": "payment_issue", "message": "Your last invoice failed."}}, Problem.CREDIT),
    (404, {"error": {"type": "not_found_error", "message": "model: claude-haiku-9"}}, Problem.MODEL),
    (400, {"detail": {"status": "model_not_found", "message": "A model with model ID x does not exist"}},
     Problem.MODEL),
    (410, {"error": {"message": "The model has been retired."}}, Problem.MODEL),
    (404, {"detail": {"status": "voice_not_found", "message": "A voice with voice_id x was not found."}},
     Problem.VOICE),
    (400, {"detail": {"status": "voice_not_found", "message": "was deleted"}}, Problem.VOICE),
    (401, {"error": {"type": "authentication_error", "message": "invalid x-api-key"}}, Problem.KEY),
    (401, {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."}, Problem.KEY),
    (401, {"detail": {"status": "missing_permissions", "message": "The API key is missing the permission x"}},
     Problem.PERMISSION),
    (403, {"error": {"type": "permission_error", "message": "This organization has been disabled."}},
     Problem.PERMISSION),
    (403, None, Problem.PERMISSION),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "problem"), LASTING)
def test_what_does_not_pass_by_itself_is_misconfigured(status: int, body: Any, problem: Problem) -> None:
    failure = refusal_of(status, body).failure(kind_of_status(status))
    assert failure.kind is ErrorKind.MISCONFIGURED
    assert failure.fault is not None
    assert failure.fault.problem is problem


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "messages: text content blocks must be non-empty", ErrorKind.BAD_REQUEST),
        (400, "This model does not support assistant message prefill.", ErrorKind.BAD_REQUEST),
        (400, "prompt is too long: 210000 tokens > 200000 maximum", ErrorKind.TOO_LONG),
        (413, "Request exceeds the maximum size", ErrorKind.TOO_LONG),
        (422, "text: Field required", ErrorKind.BAD_REQUEST),
        (429, "This request would exceed your organization's rate limit.", ErrorKind.RATE_LIMITED),
        (429, "Too many concurrent requests", ErrorKind.RATE_LIMITED),
        (500, "Internal server error: could not reach the billing service", ErrorKind.OVERLOADED),
        (529, "Overloaded", ErrorKind.OVERLOADED),
    ],
)
def test_what_passes_or_is_our_input_is_not(status: int, message: str, kind: ErrorKind) -> None:
    failure = refusal_of(status, {"error": {"message": message}}).failure(kind_of_status(status), 7.0)
    assert failure.kind is kind
    assert failure.fault is None


DECLINED: list[tuple[int, Any]] = [
    (400, {"error": {"type": "invalid_request_error", "message": "Output blocked by content filtering policy"}}),
    (400, {"error": {"code": "content_filter", "message": "The response was filtered due to the prompt triggering the"
                     " content management policy."}}),
    (400, {"error": {"code": "content_policy_violation", "message": "The request was rejected by our safety system"}}),
    (400, {"detail": {"status": "content_against_policy", "message": "The text may violate our Terms of Use."}}),
    (403, {"error": {"message": "The request was blocked by the guardrail's safety policy"}}),
    (422, {"error": {"message": "The input was flagged as violating our usage policies"}}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), DECLINED)
def test_what_is_filtered_for_its_content_is_declined_and_says_nothing_of_the_provider(status: int, body: Any) -> None:
    """Else some callers with such words would be "refused for every caller", and stop a model for all."""
    failure = refusal_of(status, body).failure(kind_of_status(status))
    assert (failure.kind, failure.fault) == (ErrorKind.DECLINED, None)


@pytest.mark.parametrize("whose", ["account", "organization", "project", "API key"])
def test_an_account_that_is_blocked_for_its_content_is_misconfigured(whose: str) -> None:
    words = f"Your {whose} has been disabled for violating our content policy."
    assert refusal_of(403, {"error": {"message": words}}).failure(ErrorKind.MISCONFIGURED).fault is not None


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("Incorrect API key provided: sk-proj-abcd1234efgh.", "Incorrect API key provided: [hidden]."),
        ("bad token 0123456789abcdef0123456789abcdef01234567", "bad token [hidden]"),
        ("owner jo@example.com has no plan", "owner [hidden] has no plan"),
        ('input "my card is four two four two, my name is Jo and I live in Leeds" refused', "input [text] refused"),
        ("two\n  lines", "two lines"),
    ],
)  # fmt: skip
def test_words_are_kept_without_keys_texts_and_people(words: str, kept: str) -> None:
    assert scrubbed(words) == kept


def test_words_have_an_end() -> None:
    assert len(scrubbed("word " * 500)) == 200
