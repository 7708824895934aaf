"""Prompt caching as the Messages API does it: prefixes, breakpoints, a minimum length, and a life that reads prolong.

Rules, as the vendor documents them: a prompt is its tools, then its system blocks, then its messages. A `cache_control`
marker on a block (or at the top level, which marks the last block) is a breakpoint, four at most. What is stored is the
whole prefix up to a breakpoint, exactly as it stands, per model. A request reads the longest stored prefix that ends at
one of its breakpoints or up to 20 blocks before one, and writes the rest up to its last breakpoint. Entries live 5
minutes (1 hour with `ttl: "1h"`) from their last use. A prefix shorter than the model's minimum is not cached, without
any error.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

Ttl = Literal["5m", "1h"]
MAX_BREAKPOINTS: Final = 4
_LOOKBACK_BLOCKS: Final = 20
_LIFE_S: Final[dict[Ttl, float]] = {"5m": 300.0, "1h": 3600.0}
_MAX_ENTRIES: Final = 10_000


def estimate_tokens(text: str) -> int:
    """One token per four characters, rounded up: a rule of thumb for English, not the vendor's tokeniser."""
    return -(-len(text) // 4)


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a prompt. `text` is all that makes it what it is; `ttl` is None where no breakpoint stands."""

    text: str
    tokens: int
    ttl: Ttl | None


@dataclass(frozen=True, slots=True)
class InputUsage:
    """Input tokens of one request, as billed: `uncached` + `read` + `written_5m` + `written_1h` is the whole prompt."""

    uncached: int
    read: int = 0
    written_5m: int = 0
    written_1h: int = 0


def blocks_of(body: dict[str, Any]) -> list[Block]:
    """The prompt of a Messages request in the order in which it is cached. Assumes a validated body."""
    blocks = [_block("tool", tool) for tool in body.get("tools") or []]
    blocks += [_block("system", part) for part in _parts(body.get("system"))]
    for message in body["messages"]:
        blocks += [_block(message["role"], part) for part in _parts(message["content"])]
    marker = body.get("cache_control")
    if marker and blocks:
        last = blocks[-1]
        blocks[-1] = Block(last.text, last.tokens, marker.get("ttl", "5m"))
    return blocks


def _parts(content: Any) -> list[dict[str, Any]]:
    if content is None:
        return []
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def _block(place: str, part: dict[str, Any]) -> Block:
    marker = part.get("cache_control")
    bare = {key: value for key, value in part.items() if key != "cache_control"}
    encoded = msgspec.json.encode(bare, order="deterministic").decode()
    tokens = estimate_tokens(part["text"] if part.get("type") == "text" else encoded)
    return Block(f"{place}:{encoded}", tokens, marker.get("ttl", "5m") if marker else None)


@dataclass(slots=True)
class PromptCache:
    """Stored prefixes of all models, 10,000 at most; the least recently used goes first."""

    clock: Callable[[], float] = time.monotonic
    _expires: OrderedDict[tuple[str, bytes], float] = field(default_factory=OrderedDict[tuple[str, bytes], float])

    def charge(self, model: str, minimum: int, blocks: Sequence[Block]) -> InputUsage:
        """What this prompt costs now; stores its prefixes. `minimum` is the model's shortest cacheable prefix, in
        tokens.
        """
        digests, sums = _prefixes(blocks)
        total = sums[-1] if sums else 0
        points = [i for i, block in enumerate(blocks) if block.ttl is not None and sums[i] >= minimum]
        if not points:
            return InputUsage(total)
        hit = self._longest_hit(model, digests, points)
        read = 0 if hit is None else sums[hit]
        written: dict[Ttl, int] = {"5m": 0, "1h": 0}
        reached = read
        for i in points:
            ttl = blocks[i].ttl or "5m"
            written[ttl] += max(0, sums[i] - reached)
            reached = max(reached, sums[i])
            self._store((model, digests[i]), _LIFE_S[ttl])
        return InputUsage(total - reached, read, written["5m"], written["1h"])

    def _longest_hit(self, model: str, digests: Sequence[bytes], points: Sequence[int]) -> int | None:
        now = self.clock()
        for point in reversed(points):
            for i in range(point, max(-1, point - _LOOKBACK_BLOCKS - 1), -1):
                key = (model, digests[i])
                expiry = self._expires.get(key)
                if expiry is None:
                    continue
                if expiry <= now:
                    del self._expires[key]
                    continue
                self._store(key, _LIFE_S["5m"])
                return i
        return None

    def _store(self, key: tuple[str, bytes], life_s: float) -> None:
        # using an entry never shortens its life
        self._expires[key] = max(self._expires.get(key, 0.0), self.clock() + life_s)
        self._expires.move_to_end(key)
        if len(self._expires) > _MAX_ENTRIES:
            self._expires.popitem(last=False)


def _prefixes(blocks: Sequence[Block]) -> tuple[list[bytes], list[int]]:
    """Per block: the digest of everything up to its end, and the tokens up to there."""
    running, total = hashlib.sha256(), 0
    digests: list[bytes] = []
    sums: list[int] = []
    for block in blocks:
        encoded = block.text.encode()
        running.update(len(encoded).to_bytes(8, "big") + encoded)
        total += block.tokens
        digests.append(running.digest())
        sums.append(total)
    return digests, sums
