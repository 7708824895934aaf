"""A Python function as a tool: its type hints are the schema of its arguments, its docstring is what a model reads.

    async def free_rooms(day: Annotated[str, Field(description="such as Friday")], guests: int) -> list[str]:
        '''Rooms that are free on a day.'''

`module:function` names it, or `file.py:function` for a file beside the definition. A function that is not `async` runs
in a thread. A parameter of type `ToolContext` is given the call.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any, Final, get_type_hints

from pydantic import ConfigDict, create_model
from pydantic.errors import PydanticUserError

from agent.providers.base import ToolSpec
from agent.tools.arguments import ModelArguments
from agent.tools.tool import Tool, ToolContext, ToolRules

DESCRIPTION_LIMIT: Final = 1_000


class ToolDeclarationError(ValueError):
    """A tool that cannot be used as it is declared."""


def load_function(path: str, folder: Path) -> Callable[..., Any]:
    """The function that `module:function` or `file.py:function` names. Raises ToolDeclarationError."""
    where, _, name = path.partition(":")
    if not name:
        raise ToolDeclarationError(f"{path!r} is not `module:function` or `file.py:function`")
    try:
        module = _file(folder / where) if where.endswith(".py") else importlib.import_module(where)
    except Exception as error:  # whatever an operator's module does when it is imported
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

    async def run(arguments: Mapping[str, Any], call: ToolContext) -> Any:
        # read again, so that the function gets what its hints say: dates, enums, models
        read = made.model_validate(dict(arguments))
        given = {field: getattr(read, field) for field in fields} | ({} if context is None else {context: call})
        if inspect.iscoroutinefunction(function):
            return await function(**given)
        return await asyncio.to_thread(function, **given)

    return Tool(ToolSpec(called, description[:DESCRIPTION_LIMIT], schema), ModelArguments(made), rules, run)


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
