"""Stands between a service that is rehearsed and the tools of its agents: sees what runs, answers as a script says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from agent.budgets import Budgets, Deadlines
from agent.core.errors import AgentError
from agent.definitions.scripts import ScriptedCall
from agent.tools.tool import Run, Tool, ToolContext

PATIENCE_MS: Final = 15_000.0


def patient(budgets: Budgets) -> Budgets:
    """Deadlines that a slow machine keeps: what is rehearsed is no matter of time."""
    longest = {name: max(PATIENCE_MS, getattr(budgets.deadlines, name)) for name in Deadlines.__struct_fields__}
    return replace(budgets, deadlines=Deadlines(**longest))


class OutOfOrderError(AgentError):
    """A tool that fails because its script says so."""


@dataclass
class RanTool:
    """A tool that ran, or would have: with which arguments, and for which wish."""

    name: str
    arguments: Mapping[str, Any]
    wish: str
    failed: bool = False


@dataclass
class Rehearsal:
    """One call at a time: `begin` it, and take from `ran` what its tools were asked for."""

    versions: Mapping[str, int] = field(default_factory=dict[str, int])
    """Agent → the version that is rehearsed."""
    ran: list[RanTool] = field(default_factory=list[RanTool])
    _call: ScriptedCall | None = None

    def begin(self, call: ScriptedCall) -> None:
        """From now on this call is played."""
        self._call = call
        self.ran.clear()

    def tap(self, tool: Tool) -> Tool:
        """A tool that is seen, and answers as the script of the call says."""
        return replace(tool, run=self._seen(tool.name, tool.run))

    def _seen(self, name: str, run: Run) -> Run:
        async def seen(arguments: Mapping[str, Any], call: ToolContext) -> Any:
            last = next((one for one in reversed(self.ran) if one.name == name), None)
            if last is None or not last.failed or last.wish != call.idempotency_key:  # a second try is no second call
                last = RanTool(name, dict(arguments), call.idempotency_key)
                self.ran.append(last)
            last.failed = True
            result = await self._answer(name, run, arguments, call)
            last.failed = False
            return result

        return seen

    async def _answer(self, name: str, run: Run, arguments: Mapping[str, Any], call: ToolContext) -> Any:
        script = self._call
        if script is not None and name in script.fails:
            raise OutOfOrderError("out of order, as its script says")
        if script is not None and name in script.results:
            return script.results[name]
        return await run(arguments, call)
