"""What a tool takes: the shape of its arguments, by a pydantic model or by a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from functools import cache
from itertools import islice
from typing import Any, Final, Protocol

from pydantic import BaseModel, ValidationError

from agent.tools.strict_json import read_json

ARGUMENTS_LIMIT: Final = 8_000
"""Characters of arguments that a model may write at most."""
SCHEMA_LIMIT: Final = 16_000
"""Characters of a JSON Schema at most: it is a part of every prompt."""
REFERENCES_LIMIT: Final = 1_000
"""How often the check of a call follows a stranger's `$ref`: twenty that each name the next twice are a million."""
_WORDS_LIMIT: Final = 400
_TOLD: Final = 5
_UNCHECKED: Final = frozenset({"pattern", "patternProperties", "format"})
"""What is not checked of a stranger's schema: an expression of his could take for ever."""

_NAMED: Final = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})


class ArgumentError(Exception):
    """The arguments of a call do not fit; the message names them, for the model."""


class SchemaError(ValueError):
    """A JSON Schema that cannot be used; the message says why."""


class Arguments(Protocol):
    """The shape of a tool's arguments."""

    @property
    def names(self) -> frozenset[str]:
        """All arguments that there can be."""
        ...

    @property
    def always(self) -> frozenset[str]:
        """Those that every call has, if by a default."""
        ...

    def read(self, written: str) -> dict[str, Any]:
        """The checked arguments of a call, as plain data. Raises ArgumentError."""
        ...


class ModelArguments:
    """By a pydantic model."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._model = model
        self.names = self.always = frozenset(model.model_fields)

    def read(self, written: str) -> dict[str, Any]:
        """The checked arguments, with the defaults of the model. Raises ArgumentError."""
        _not_too_long(written)
        try:
            made = self._model.model_validate_json(written or "{}")
        except ValidationError as errors:
            found = errors.errors(include_url=False, include_input=False, include_context=False)[:_TOLD]
            raise ArgumentError(_told((one["loc"], one["msg"]) for one in found)) from None
        return made.model_dump(mode="json")


class SchemaArguments:
    """By a JSON Schema (draft 2020-12). Nothing is fetched: a `$ref` stays within the schema.

    An argument that the schema does not name is refused, unless the schema says that there may be others.
    """

    def __init__(self, schema: Mapping[str, Any], *, foreign: bool = False) -> None:
        """`foreign`: a stranger wrote it. Raises SchemaError."""
        self.schema: Mapping[str, Any] = {"additionalProperties": False, **schema}
        if schema.get("type") != "object":
            raise SchemaError("is not of type object")
        properties: Mapping[str, Any] = schema.get("properties", {})
        self._validator = validator_of(_plain(self.schema) if foreign else self.schema, foreign=foreign)
        self._defaults = {name: one["default"] for name, one in properties.items() if _has_default(one)}
        if not foreign and (wrong := self._wrong_defaults()):
            raise SchemaError(wrong)
        self.names = frozenset(properties)
        self.always = frozenset(schema.get("required", ())) | frozenset(self._defaults)

    def read(self, written: str) -> dict[str, Any]:
        """The checked arguments, with the defaults of the schema. Raises ArgumentError."""
        _not_too_long(written)
        try:
            given = read_json(written or "{}")
        except ValueError:
            raise ArgumentError("arguments: not JSON") from None
        if not isinstance(given, dict):
            raise ArgumentError("arguments: not an object")
        given = {**self._defaults, **given}
        if problems := fit(self._validator, given):
            raise ArgumentError(problems)
        return given

    def _wrong_defaults(self) -> str:
        """Which defaults do not fit their own schema: no call that leaves them out would ever run."""
        wrong = [one for one in self._validator.iter_errors(self._defaults) if one.absolute_path]
        return _told((("default of", *one.absolute_path), one.message) for one in wrong[:_TOLD])


def validator_of(schema: Mapping[str, Any], *, foreign: bool = False) -> Any:
    """A validator that resolves nothing outside the schema. Raises SchemaError."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError as Wrong
    from referencing import Registry

    try:
        if len(json.dumps(schema, ensure_ascii=False, allow_nan=False)) > SCHEMA_LIMIT:
            raise SchemaError(f"takes {SCHEMA_LIMIT} characters at most")
        Draft202012Validator.check_schema(dict(schema))
    except Wrong as error:
        where = ".".join(map(str, error.absolute_path)) or "schema"
        raise SchemaError(f"{where}: {error.message}"[:_WORDS_LIMIT]) from None
    except RecursionError:
        raise SchemaError("is nested too deep") from None
    except (TypeError, ValueError):  # every request to a model would fail
        raise SchemaError("holds a value that JSON does not have, such as a date or nan") from None
    kind = _bounded(Draft202012Validator) if foreign else Draft202012Validator
    return kind(dict(schema), registry=Registry())


class _TooMuchError(Exception):
    """A check has followed too many references."""


_followed: ContextVar[list[int]] = ContextVar("followed")


@cache
def _bounded(validator: Any) -> Any:
    """A class of validators that follow so many references only: a check runs on the event loop of all calls."""
    from jsonschema.validators import extend

    def counted(keyword: Any) -> Any:
        def follow(*given: Any) -> Any:
            left = _followed.get()
            left[0] -= 1
            if left[0] < 0:
                raise _TooMuchError
            return keyword(*given)

        return follow

    references = ("$ref", "$dynamicRef")
    return extend(validator, {name: counted(validator.VALIDATORS[name]) for name in references})


def fit(validator: Any, value: object) -> str:
    """What is wrong with a value, in words; empty where it fits."""
    from referencing.exceptions import Unresolvable

    _followed.set([REFERENCES_LIMIT])
    try:
        found = [(one.absolute_path, one.message) for one in islice(validator.iter_errors(value), _TOLD)]
    except _TooMuchError:
        return "cannot be checked: its schema refers to itself too often"
    except (Unresolvable, RecursionError):
        return "cannot be checked: its schema refers to what is not there"
    return _told(found)


def _told(found: Iterable[tuple[Iterable[Any], str]]) -> str:
    words = "; ".join(f"{'.'.join(map(str, where)) or 'arguments'}: {what}" for where, what in found)
    return words[:_WORDS_LIMIT]


def _has_default(one: object) -> bool:
    return isinstance(one, dict) and "default" in one


def _plain(schema: Any, *, names: bool = False) -> Any:
    """A schema without what is not checked; the keys of `properties` are `names`, and none of its words."""
    if isinstance(schema, list):
        return [_plain(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = {key: value for key, value in schema.items() if names or key not in _UNCHECKED}
    return {key: _plain(value, names=not names and key in _NAMED) for key, value in kept.items()}


def _not_too_long(written: str) -> None:
    if len(written) > ARGUMENTS_LIMIT:
        raise ArgumentError(f"arguments: take {ARGUMENTS_LIMIT} characters at most")
