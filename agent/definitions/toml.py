"""A TOML file as plain data, where what is wrong with it is told with file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from agent.core.errors import ConfigurationError
from agent.definitions.lines import line_of

FILE_LIMIT: Final = 128 * 1024
"""Bytes of a file at most."""

_M = TypeVar("_M", bound=BaseModel)


class DefinitionError(ConfigurationError):
    """A file that cannot be used. `problems` are lines of `file:line: what is wrong`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems[0])


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """The text of a file, and what it declares. Raises DefinitionError."""
    try:
        if not path.is_file():  # a pipe would be waited for without end
            raise DefinitionError([f"{path}:1: is no file"])
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise DefinitionError([f"{path}:1: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise DefinitionError([f"{path}:1: is not UTF-8 text"]) from None
    if len(content) > FILE_LIMIT:
        raise DefinitionError([f"{path}:1: takes at most {FILE_LIMIT} bytes"])
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"line (\d+)", str(error))
        line = int(at[1]) if at else len(text.splitlines())
        raise DefinitionError([f"{path}:{line}: {str(error).split(' (at')[0]}"]) from None
    except RecursionError:
        raise DefinitionError([f"{path}:1: is nested too deep"]) from None
    except ValueError:  # Python reads no number of thousands of digits
        raise DefinitionError([f"{path}:1: holds a number or a date that is none"]) from None


def made_of(kind: type[_M], path: Path, text: str, declared: dict[str, Any]) -> _M:
    """What a file declares, checked. Raises DefinitionError with all problems."""
    try:
        return kind.model_validate(declared)
    except ValidationError as errors:
        found = errors.errors(include_url=False, include_input=False)
        places = [error["loc"] for error in found]
        raise DefinitionError(
            f"{path}:{line_of(text, error['loc'])}: {_words(error)}" for error in found if not _follows(error, places)
        ) from None


def _follows(error: Any, places: Iterable[tuple[int | str, ...]]) -> bool:
    """Whether a list is too short only because something in it is wrong."""
    where = error["loc"]
    inside = any(len(place) > len(where) and place[: len(where)] == where for place in places)
    return error["type"] == "too_short" and inside


def _words(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    said = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {said[:1].lower()}{said[1:]}" if where else said
