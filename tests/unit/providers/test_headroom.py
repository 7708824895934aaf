"""What answers say of rate limits, in each vendor's words."""

from __future__ import annotations

from agent.providers.headroom import LIMITS, headroom_of


def test_the_share_that_is_left_is_read_from_each_vendors_headers() -> None:
    anthropic = {
        "anthropic-ratelimit-requests-limit": "4000",
        "anthropic-ratelimit-requests-remaining": "3000",
        "anthropic-ratelimit-input-tokens-limit": "2000000",
        "anthropic-ratelimit-input-tokens-remaining": "0",
    }
    assert headroom_of(anthropic) == {"requests": 0.75, "input_tokens": 0.0}
    openai = {"x-ratelimit-limit-requests": "500", "x-ratelimit-remaining-requests": "499"}
    assert headroom_of(openai) == {"requests": 499 / 500}
    elevenlabs = {"current-concurrent-requests": "12", "maximum-concurrent-requests": "10"}
    assert headroom_of(elevenlabs) == {"concurrency": 0.0}


def test_what_cannot_be_read_is_passed_over() -> None:
    assert headroom_of(None) == headroom_of({}) == {}
    assert headroom_of({"x-ratelimit-limit-requests": "0", "x-ratelimit-remaining-requests": "0"}) == {}
    assert headroom_of({"x-ratelimit-limit-requests": "many", "x-ratelimit-remaining-requests": "1"}) == {}


def test_more_than_all_is_all() -> None:
    told = {"x-ratelimit-limit-tokens": "10", "x-ratelimit-remaining-tokens": "11"}
    assert headroom_of(told) == {"tokens": 1.0}
    assert set(headroom_of(told)) <= set(LIMITS)
