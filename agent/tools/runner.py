"""Runs one call of a tool: its breaker, its deadline, its second try, and what comes of it in words for a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

import structlog

from agent.core.calls import TOOL, ErrorKind
from agent.providers.fallback.breaker import Breaker
from agent.providers.fallback.breaker_rules import BreakerRules
from agent.tools.limits import ToolLimits
from agent.tools.outside import OutsideError
from agent.tools.tool import Tool, ToolContext, ToolError, as_content

log = structlog.get_logger()

TOOL_PROVIDER: Final = TOOL
"""The provider in the metrics of a tool's breaker; its model is the tool's name."""
TOOL_BREAKER: Final = BreakerRules(slow_rate=2.0)
"""A tool has no probe: it is asked again when its wait is over. However slow it is, it opens for failures alone."""
OTHER_TOOL: Final = "other"
"""The label of a tool that does not exist."""


class ToolOutcome(StrEnum):
    """How a call of a tool ended. A metric label."""

    OK = "ok"
    FAILED = "failed"  # it raised
    REFUSED = "refused"  # it says that it cannot do this, and why
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"  # the caller spoke on, and it had changed nothing
    UNAVAILABLE = "unavailable"  # its breaker is open: it was not asked
    BAD_ARGUMENTS = "bad_arguments"
    UNKNOWN = "unknown"  # the model asked for a tool that does not exist
    LIMIT = "limit"  # its calls of this session are used up
    UNCONFIRMED = "unconfirmed"  # it waits for the caller's yes


FAILURES: Final = frozenset({ToolOutcome.FAILED, ToolOutcome.TIMEOUT, ToolOutcome.UNAVAILABLE})
NOT_DONE: Final = "Nothing is known to have happened. Tell the caller honestly that it did not work; do not guess."


@dataclass(frozen=True, slots=True)
class Returned:
    """What came of a call: words for the model."""

    outcome: ToolOutcome
    content: str
    tries: int = 0
    """How often the tool was called for it."""
    reason: str = ""
    """Why somebody else's tool failed: of `agent.tools.outside`."""

    @property
    def failed(self) -> bool:
        return self.outcome is not ToolOutcome.OK


ToolBreakers = Callable[[str], Breaker]
"""The breaker of a tool, by its name."""


@dataclass(frozen=True, slots=True)
class SessionToolSet:
    """What a session may use, and the breakers that its process shares."""

    tools: Mapping[str, Tool]
    breakers: ToolBreakers
    limits: ToolLimits | None = None


def _no_breaker(name: str) -> Breaker:
    raise LookupError(name)


NO_TOOLS: Final = SessionToolSet(MappingProxyType({}), _no_breaker)


async def run_tool(
    tool: Tool, arguments: Mapping[str, Any], call: ToolContext, breaker: Breaker, tries: int = 2
) -> Returned:
    """Runs a tool with checked arguments; tries again at most once, where its rules and `tries` allow that.

    Raises nothing.
    """
    if not breaker.allows:
        return Returned(ToolOutcome.UNAVAILABLE, f"This does not work at the moment. {NOT_DONE}")
    returned = await _once(tool, arguments, call, breaker)
    if tries > 1 and returned.outcome in FAILURES and tool.rules.may_repeat and breaker.allows:
        return replace(await _once(tool, arguments, call, breaker), tries=2)
    return replace(returned, tries=1)


async def _once(tool: Tool, arguments: Mapping[str, Any], call: ToolContext, breaker: Breaker) -> Returned:
    began = asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(tool.rules.timeout_s):
            result = await tool.run(arguments, call)
        content = as_content(result, tool.rules.result_tokens)
    except TimeoutError:
        breaker.failed(ErrorKind.TIMEOUT)
        return Returned(ToolOutcome.TIMEOUT, f"It took too long. {_unsure(tool)}")
    except ToolError as error:
        breaker.succeeded(None)  # an answer, be it a no
        return Returned(ToolOutcome.REFUSED, as_content(str(error), tool.rules.result_tokens))
    except Exception as error:
        # its message may hold what callers said
        reason = error.reason if isinstance(error, OutsideError) else None
        log.warning("tool failed", tool=tool.name, error=type(error).__name__, reason=reason)
        breaker.failed(ErrorKind.REFUSED)
        return Returned(ToolOutcome.FAILED, f"It failed. {_unsure(tool)}", reason=reason or "")
    breaker.succeeded(asyncio.get_running_loop().time() - began)
    return Returned(ToolOutcome.OK, content)


def _unsure(tool: Tool) -> str:
    if tool.rules.read_only:
        return "Nothing was found out. Tell the caller honestly that it did not work; do not guess."
    return "It is not known whether it happened. Tell the caller so honestly; do not say that it is done."
