"""What a provider's answer says of its rate limits: the share of each that is left, by the headers of the vendors.

    Anthropic    anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining}
    OpenAI       x-ratelimit-{limit,remaining}-{requests,tokens}
    ElevenLabs   current-concurrent-requests, maximum-concurrent-requests

Deepgram says nothing of the kind. A header that is missing or cannot be read is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LIMITS: Final = ("requests", "tokens", "input_tokens", "output_tokens", "concurrency")
"""A metric label: words of ours, few and fixed."""

_REMAINING: Final = (
    *(
        (name, f"anthropic-ratelimit-{header}-remaining", f"anthropic-ratelimit-{header}-limit")
        for name, header in ((limit, limit.replace("_", "-")) for limit in LIMITS[:4])
    ),
    *((name, f"x-ratelimit-remaining-{name}", f"x-ratelimit-limit-{name}") for name in LIMITS[:2]),
)


def headroom_of(headers: Mapping[str, str] | None) -> dict[str, float]:
    """Limit → the share of it that is left (0 to 1). Empty where the answer says nothing."""
    if headers is None:
        return {}
    left: dict[str, float] = {}
    for name, remaining, limit in _REMAINING:
        _put(left, name, _number(headers.get(remaining)), _number(headers.get(limit)))
    most, used = (_number(headers.get(f"{word}-concurrent-requests")) for word in ("maximum", "current"))
    if most is not None and used is not None:
        _put(left, "concurrency", max(0.0, most - used), most)
    return left


def _put(left: dict[str, float], name: str, remaining: float | None, limit: float | None) -> None:
    if remaining is not None and limit:
        left[name] = min(1.0, remaining / limit)


def _number(text: str | None) -> float | None:
    """A count; None where there is none, or no count."""
    return float(text) if text is not None and text.isascii() and text.isdecimal() else None
