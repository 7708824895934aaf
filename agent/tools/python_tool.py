"""A Python function as a tool: its type hints are the schema of its arguments, its docstring is what a model reads.

    async def free_rooms(day: Annotated[str, Field(description="such as Friday")], guests: int) -> list[str]:
        '''Rooms that are free on a day.'''

`module:function` names it, or `file.py:function` for a file beside the definition. A function that is not `async` runs
in a thread of its own: one that never ends must not take those in which the service looks names up and reads files, nor
hold up its end. A parameter of type `ToolContext` is given the call.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, Final, get_type_hints

from pydantic import ConfigDict, create_model
from pydantic.errors import PydanticUserError

from agent.providers.base import ToolSpec
from agent.tools.arguments import ModelArguments
from agent.tools.outside import OutsideError
from agent.tools.tool import CallActions, Tool, ToolContext, ToolRules

DESCRIPTION_LIMIT: Final = 1_000
THREADS_LIMIT: Final = 16
"""Threads of one function at most; while so many hang in it, it fails at once."""


class ToolDeclarationError(ValueError):
    """A tool that cannot be used as it is declared."""


def load_function(path: str, folder: Path) -> Callable[..., Any]:
    """The function that `module:function` or `file.py:function` names. Raises ToolDeclarationError."""
    where, _, name = path.partition(":")
    if not name:
        raise ToolDeclarationError(f"{path!r} is not `module:function` or `file.py:function`")
    try:
        module = _file(folder / where) if where.endswith(".py") else importlib.import_module(where)
    except (Exception, SystemExit) as error:  # whatever an operator's module does when it is imported
        raise ToolDeclarationError(f"{where} cannot be imported: {type(error).__name__}: {error}") from None
    found = getattr(module, name, None)
    if not inspect.isfunction(found):
        raise ToolDeclarationError(f"{where} has no function {name}")
    return found


def _file(path: Path) -> ModuleType:
    """A file as a module, once: tools that share one share what it holds."""
    path = path.resolve()
    name = f"voice_agent_tools_{sha256(str(path).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ToolDeclarationError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def tool_from(function: Callable[..., Any], rules: ToolRules, *, name: str | None = None) -> Tool:
    """Makes a tool of a function. Raises ToolDeclarationError where its signature or its docstring does not do."""
    called = name or function.__name__
    description = " ".join((inspect.getdoc(function) or "").split())
    if not description:
        raise ToolDeclarationError(f"{called} has no docstring: it is what the model reads")
    context, fields = _parameters(function, called)
    try:
        made: Any = create_model(called, __config__=ConfigDict(extra="forbid"), **fields)
        schema = made.model_json_schema()
    except (PydanticUserError, TypeError, ValueError) as error:
        raise ToolDeclarationError(f"{called}: {error}") from None
    schema.pop("title", None)
    threads = _Threads()

    async def run(arguments: Mapping[str, Any], call: ToolContext) -> Any:
        # read again, so that the function gets what its hints say: dates, enums, models
        read = made.model_validate(dict(arguments))
        given = {field: getattr(read, field) for field in fields}
        if inspect.iscoroutinefunction(function):
            return await function(**given, **({} if context is None else {context: call}))
        safe = replace(call, actions=_FromThread(call.actions, asyncio.get_running_loop()))
        return await threads.run(function, {**given, **({} if context is None else {context: safe})})

    return Tool(ToolSpec(called, description[:DESCRIPTION_LIMIT], schema), ModelArguments(made), rules, run)


class _Threads:
    """Runs one function in threads that nothing waits for."""

    def __init__(self) -> None:
        self._running = 0

    async def run(self, function: Callable[..., Any], given: Mapping[str, Any]) -> Any:
        """What the function returns or raises. Raises OutsideError where too many calls of it hang."""
        if self._running >= THREADS_LIMIT:
            raise OutsideError("busy")
        loop, context = asyncio.get_running_loop(), copy_context()
        done: asyncio.Future[Any] = loop.create_future()

        def finish(result: Any, error: BaseException | None) -> None:
            self._running -= 1
            if done.done():
                return  # nobody waits any more
            if error is None:
                done.set_result(result)
            elif isinstance(error, StopIteration):  # a future takes none
                done.set_exception(RuntimeError("StopIteration"))
            else:
                done.set_exception(error)

        def work() -> None:
            result, error = None, None
            try:
                result = context.run(function, **given)
            except BaseException as raised:
                error = raised if isinstance(raised, Exception) else RuntimeError(type(raised).__name__)
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(finish, result, error)

        self._running += 1
        threading.Thread(target=work, name=f"tool {function.__name__}", daemon=True).start()
        return await done


class _FromThread:
    """What a function in a thread does with its call is done on the event loop."""

    def __init__(self, actions: CallActions, loop: asyncio.AbstractEventLoop) -> None:
        self._actions, self._loop = actions, loop

    def end_call(self) -> None:
        self._loop.call_soon_threadsafe(self._actions.end_call)

    def transfer(self, summary: str) -> None:
        self._loop.call_soon_threadsafe(self._actions.transfer, summary)

    def take_note(self, text: str) -> None:
        self._loop.call_soon_threadsafe(self._actions.take_note, text)

    def show_text(self, text: str) -> None:
        self._loop.call_soon_threadsafe(self._actions.show_text, text)


def _parameters(function: Callable[..., Any], called: str) -> tuple[str | None, dict[str, Any]]:
    """The name of the parameter that takes the call, and the others as fields."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception as error:  # a hint that names what is not there
        raise ToolDeclarationError(f"{called}: {error}") from None
    context: str | None = None
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise ToolDeclarationError(f"{called}: *{parameter.name} cannot be given by a model")
        hint = hints.get(parameter.name)
        if hint is None:
            raise ToolDeclarationError(f"{called}: {parameter.name} has no type hint")
        if hint is ToolContext:
            context = parameter.name
        else:
            default: Any = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (hint, default)
    return context, fields
