"""Seeded faults: what goes wrong, for whom and how often; switched at run time over the control endpoints.

| kind | what the client sees |
| --- | --- |
| refuse | the connection closes without an answer |
| unauthorized, rate_limited | status 401, 429 with `retry-after`, in the provider's own error format |
| overloaded, server_error | status 529, 500, in the provider's own error format |
| no_credit, gone, forbidden | an empty wallet, a retired model or deleted voice, a key that may not: each provider |
|       | has a status of its own for it |
| stall | the stream opens and, after `after` useful outputs, nothing more comes |
| slow_drip | every output is `interval_s` late |
| empty | success without audio or text; `variant`: `silence` (audio of zeros), `whitespace` (blank tokens) or, for |
|       | anthropic, `drop_value` (notes that leave out one fact) |
| malformed | broken JSON, or a chunk of audio that ends inside a sample |
| cut | the connection drops after `after` useful outputs |
| quirk | deepgram: the stream works, but for its `variant`: `open_turn` (no turn ends before the client asks for |
|       | it), `never_ends` (nor then), `interim_only` (Nova: no result is final), `twice` (every end of a turn comes |
|       | twice), `word_order` (the last word comes first); openai_stt: `phantom` (words that nobody said) |
| stop | anthropic: the reply ends after `after` deltas with the stop reason of `variant`, such as `refusal` |
| no_usage | anthropic: `usage` is left out, as gateways do; `variant`: `zeros` fills it with zeros instead |
| tool_use | anthropic: what is asked of a tool is wrong: `variant` `bad_arguments` (one that nobody declared), |
|       | `broken_json`, `unknown_tool`, or `again` (a booking that it has asked for already) |
| lies | back_end: a well-formed answer that is false: `variant` `other_day` (about another day than was asked), |
|       | `wrong_type`, or `orders` (it tells the model what to do) |
| odd_answer | back_end: an answer that none should be: `variant` `nan` (a number that JSON has not), `half_utf8`, |
|       | `huge` (2 MB), `endless`, `packed` (gzip, unasked), `redirect` (in a circle), `elsewhere` (a redirect to an |
|       | address of cloud metadata), or, of the MCP server, `other_id` (it answers another request) |
| wrong_format | voices: `variant` instead of what was asked for: `wav`, `mp3`, `ogg`, `flac`, `ulaw`, `unknown`, |
|       | `json`, `html`, or a rate in Hz; with `silently_` before it the content type does not say so |
| odd_byte | voices: one byte too many at the end |
| half | voices: the stream ends cleanly after half of the text |
| slow_voice | voices: audio comes at 0.6 times its own speed |
| late_voice | voices: `interval_s` of silence before the first sound |
| babble | voices: four times the audio that the text takes |

A useful output is a text delta, a chunk of audio or a transcript. With `after` above 0 Anthropic sends the status
faults as an `error` event inside the stream; protocols without such an event answer with the status at once.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PROVIDERS: Final = ("deepgram", "anthropic", "elevenlabs", "openai_tts", "openai_stt", "deepgram_tts", "back_end")
_MAX_RULES: Final = 100


class FaultKind(StrEnum):
    REFUSE = "refuse"
    UNAUTHORIZED = "unauthorized"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    NO_CREDIT = "no_credit"
    GONE = "gone"
    FORBIDDEN = "forbidden"
    STALL = "stall"
    SLOW_DRIP = "slow_drip"
    EMPTY = "empty"
    MALFORMED = "malformed"
    CUT = "cut"
    QUIRK = "quirk"
    STOP = "stop"
    NO_USAGE = "no_usage"
    TOOL_USE = "tool_use"
    LIES = "lies"
    ODD_ANSWER = "odd_answer"
    WRONG_FORMAT = "wrong_format"
    ODD_BYTE = "odd_byte"
    HALF = "half"
    SLOW_VOICE = "slow_voice"
    LATE_VOICE = "late_voice"
    BABBLE = "babble"


def kind_sentences() -> dict[tuple[str, ...], str]:
    """Kinds of faults → what a client sees, from the table at the head of this file."""
    found: dict[tuple[str, ...], str] = {}
    names: tuple[str, ...] = ()
    for line in (__doc__ or "").splitlines():
        if not line.startswith("| ") or line.startswith(("| ---", "| kind")):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        names = tuple(cells[0].split(", ")) if cells[0] else names
        found[names] = f"{found.get(names, '')} {cells[1]}".strip()
    return found


LANGUAGE_FAULTS: Final = frozenset({FaultKind.STOP, FaultKind.NO_USAGE, FaultKind.TOOL_USE})
"""Faults that only a language model has."""
BACK_END_FAULTS: Final = frozenset({FaultKind.LIES, FaultKind.ODD_ANSWER})
"""Faults that only the back end of a tool has."""
VOICE_FAULTS: Final = frozenset(
    {FaultKind.WRONG_FORMAT, FaultKind.ODD_BYTE, FaultKind.HALF, FaultKind.SLOW_VOICE, FaultKind.LATE_VOICE}
    | {FaultKind.BABBLE}
)
"""Faults that only a voice has."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that bites one request."""

    kind: FaultKind
    after: int = 0
    """Useful outputs that pass before a fault of the middle of the stream bites; 0 = none."""
    retry_after_s: float | None = None
    """Value of the `retry-after` header of status faults; None leaves it out, except that rate_limited then says 1."""
    interval_s: float = 0.5
    """Seconds added before every output by slow_drip."""
    variant: str = ""
    """Which of a fault's forms it has; the table above names them. Without one an empty success holds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultRule:
    """Where and how often a fault bites. Raises ValueError when it could not be meant as it stands."""

    provider: str
    kind: FaultKind
    probability: float = 1.0
    count: int | None = None
    """How many requests it bites before it is spent; None = until cleared."""
    session: str | None = None
    """Only requests with this `x-client-session` header; None = any."""
    model: str | None = None
    """Only requests for this model id; None = any."""
    after: int = 0
    retry_after_s: float | None = None
    interval_s: float = 0.5
    variant: str = ""

    def __post_init__(self) -> None:
        if self.provider not in PROVIDERS:
            raise ValueError(f"unknown provider {self.provider!r}: choose one of {', '.join(PROVIDERS)}")
        if not 0 < self.probability <= 1:
            raise ValueError("probability lies above 0 and up to 1")
        if self.count is not None and self.count < 1:
            raise ValueError("count is at least 1, or null")
        if self.after < 0 or self.interval_s < 0 or (self.retry_after_s is not None and self.retry_after_s < 0):
            raise ValueError("after, interval_s and retry_after_s are not negative")

    def fault(self) -> Fault:
        return Fault(self.kind, self.after, self.retry_after_s, self.interval_s, self.variant)


@dataclass(slots=True)
class _Active:
    rule: FaultRule
    left: int | None


class Faults:
    """The rules in force, at most 100. The oldest rule that matches and whose dice fall decides."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(f"{seed}:faults")
        self._active: list[_Active] = []

    @property
    def rules(self) -> Sequence[tuple[FaultRule, int | None]]:
        """Rules in force with the number of requests each still bites (None = no end)."""
        return [(active.rule, active.left) for active in self._active]

    def add(self, rule: FaultRule) -> None:
        """Puts a rule in force. Raises ValueError when 100 are in force already."""
        if len(self._active) >= _MAX_RULES:
            raise ValueError(f"at most {_MAX_RULES} fault rules")
        self._active.append(_Active(rule, rule.count))

    def clear(self, provider: str | None = None, session: str | None = None) -> int:
        """Takes back the rules of a provider and of a session (None = all of them); returns how many went."""
        before = len(self._active)
        self._active = [
            active
            for active in self._active
            if (provider is not None and active.rule.provider != provider)
            or (session is not None and active.rule.session != session)
        ]
        return before - len(self._active)

    def draw(self, provider: str, session: str | None, *, model: str | None = None) -> Fault | None:
        """The fault that bites this request, or None. Uses up one count of its rule."""
        for active in self._active:
            rule = active.rule
            if rule.provider != provider or (rule.session is not None and rule.session != session):
                continue
            if rule.model is not None and rule.model != model:
                continue
            if rule.probability < 1 and self._dice.random() >= rule.probability:
                continue
            if active.left is not None:
                active.left -= 1
                if active.left == 0:
                    self._active.remove(active)
            return rule.fault()
        return None
