"""What an HTTP refusal means: a fault that passes, our bad input, or something that only a person can mend.

Providers agree neither on the status nor on the words: an empty wallet is 400 at Anthropic, 401 at ElevenLabs, 402 at
Deepgram and 429 at OpenAI. So the code or type of the answer counts before its status, and its words before a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, cast

from agent.core.calls import ErrorKind, Misconfiguration, Problem
from agent.providers.call import Failure
from agent.providers.wire_values import clean

_LONGEST_WORDS: Final = 200  # characters of a provider's message that are kept
_SECRET: Final = re.compile(
    r"\b(?:sk|xi|dg|pk|rk)[-_][\w*-]{4,}"  # keys of providers, also masked ones
    r"|(?i:bearer)\s+[\w.+/=*-]{8,}"
    r"|eyJ[\w-]+\.[\w-]+\.[\w-]*"
    r"|[A-Za-z0-9+/=_*]{28,}"
    r"|\b[\w.+-]+@[\w-]+\.[\w.-]+"  # addresses of people
)
_QUOTED: Final = re.compile(r"([\"'“‘])[^\"'”’]{41,}[\"'”’]")  # a longer quotation is a text and no name

_LASTING: Final = frozenset({400, 401, 402, 403, 404, 405, 410, 422})
"""Statuses that may stand for something that does not pass."""
_BY_STATUS: Final = {
    401: Problem.KEY,
    402: Problem.CREDIT,
    403: Problem.PERMISSION,
    404: Problem.MODEL,
    410: Problem.MODEL,
}
_GONE: Final = (
    r"(not[ _]?found|unknown|deleted|removed|retired|deprecated|sunset|decommissioned|no longer|no such|"
    r"does not exist|not (exist|available)|shut ?down|not have access)"
)
_WORDS: Final = (  # the first that fits decides; matched against the code and the message
    (Problem.CREDIT, re.compile(
        r"credits?\b|\bbilling|payment|balance|insufficient[ _](quota|funds)|quota[ _](exceeded|reached|limit)"
        r"|exceeded your (current )?quota|subscription|invoice|character limit reached|hard[ _]limit")),
    (Problem.VOICE, re.compile(rf"voice.{{0,60}}{_GONE}|{_GONE}.{{0,30}}voice")),
    (Problem.MODEL, re.compile(rf"model.{{0,60}}{_GONE}|{_GONE}.{{0,30}}model|invalid[ _]model")),
    (Problem.PERMISSION, re.compile(r"permission|forbidden|not (authori[sz]ed|allowed)|unusual[ _]activity|"
                                    r"(account|organi[sz]ation|project|workspace).{0,40}(disabled|suspended|blocked)")),
    (Problem.KEY, re.compile(r"(api|x-api|access)[ _-]?key|credential|authenticat")),
)  # fmt: skip
_TOO_LONG: Final = re.compile(
    r"prompt is too long|too (many|long).{0,20}tokens|context[ _](length|window)|maximum context"
    r"|request[ _]too[ _]large"
)
_FILTERED: Final = re.compile(
    r"content[ _-]?(filter|management|moderation|policy|against)|safety[ _](system|filter|polic)|guardrail"
    r"|violat.{0,40}(usage|content|acceptable)[ _](use )?polic"
)
_ACCOUNT: Final = re.compile(
    r"(account|organi[sz]ation|project|workspace|key).{0,40}(disabled|suspended|blocked|banned|revoked)"
)
_MAY_FILTER: Final = frozenset({400, 403, 422})
_QUOTA_CODES: Final = re.compile(r"insufficient_quota|billing|quota_exceeded|credit")


@dataclass(frozen=True, slots=True)
class ProviderRefusal:
    """What a provider answered in place of a result. `code` is its machine-readable word, `message` is for people."""

    status: int
    code: str = ""
    message: str = ""

    def failure(self, otherwise: ErrorKind, retry_after_s: float | None = None) -> Failure:
        """What it means; `otherwise` where it is neither lasting nor about the length or the content of our prompt."""
        told = f"{self.code} {self.message[:500]}".lower()
        if self.status == 413 or (self.status == 400 and _TOO_LONG.search(told)):
            return Failure(ErrorKind.TOO_LONG)
        if self.status in _MAY_FILTER and _FILTERED.search(told) and not _ACCOUNT.search(told):
            return Failure(ErrorKind.DECLINED)
        problem = self._problem(told)
        if problem is None:
            return Failure(otherwise, retry_after_s)
        return Failure(ErrorKind.MISCONFIGURED, None, Misconfiguration(problem, scrubbed(self.message or self.code)))

    def _problem(self, told: str) -> Problem | None:
        if self.status == 429:  # most are a matter of seconds; an account that is used up is not
            return Problem.CREDIT if _QUOTA_CODES.search(self.code.lower()) else None
        if self.status not in _LASTING:
            return None
        for problem, words in _WORDS:
            if words.search(told):
                return problem
        return _BY_STATUS.get(self.status)


def refusal_of(status: int, body: object) -> ProviderRefusal:
    """Reads the answer of any provider: `error`, `detail` or the fields of Deepgram, as an object or as a text."""
    if not isinstance(body, dict):
        return ProviderRefusal(status, "", body if isinstance(body, str) else "")
    fields = cast("dict[str, Any]", body)
    for name in ("error", "detail"):
        inner = fields.get(name)
        if isinstance(inner, dict):
            fields = cast("dict[str, Any]", inner)
    code = _first(fields, "code", "status", "err_code", "type")
    message = _first(fields, "message", "err_msg", "detail", "error", "reason")
    return ProviderRefusal(status, code, message)


def scrubbed(words: str) -> str:
    """A provider's words as one line of at most 200 characters, without what looks like a key, a text or a person."""
    line = " ".join(clean(words).split())
    line = _QUOTED.sub("[text]", _SECRET.sub("[hidden]", line))
    return line if len(line) <= _LONGEST_WORDS else f"{line[: _LONGEST_WORDS - 1]}…"


def _first(fields: dict[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := fields.get(name), str) and value), "")
