"""`docs/reference/settings.md` and `.env.example`, from `agent/settings.py`."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo

from agent.settings import OF_OTHER_PROGRAMS, PREFIX, Settings
from tools.docs.markdown import entry, page, section, sentence, wrapped

SECTIONS: Final = {
    "session_webhook_url": "The webhook of finished sessions",
    "allowed_hosts": "Limits at the door",
    "deepgram_api_key": "Providers",
    "host": "The server",
    "token_secret": "Who may call",
    "max_sessions": "Sessions",
    "business_name": "What the agent says",
    "database_url": "Storage",
    "operator_token": "Operations",
    "sentry_dsn": "Traces and error reports",
}
"""The first setting of each section, in the order of `agent/settings.py`."""

_TYPES: Final[dict[Any, str]] = {
    str: "text", int: "a whole number", float: "a number", Path: "a path", SecretStr: "a secret"
}  # fmt: skip
_UNITS: Final = {"_s": "in seconds", "_minutes": "in minutes", "_days": "in days", "_tokens": "in tokens"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as people read it."""

    variable: str
    takes: str
    default: str
    """As it is written in `.env`; empty where there is none."""
    text: str


def sections() -> dict[str, list[Setting]]:
    """Every setting, by the title of its section."""
    found: dict[str, list[Setting]] = {}
    title = ""
    for name, field in Settings.model_fields.items():
        title = SECTIONS.get(name, title)
        found.setdefault(title, []).append(_setting(name, field))
    return found


def reference() -> str:
    """The page."""
    intro = (
        "Settings come from the environment and from `.env`. An empty value counts as not set. A wrong value or a"
        " misspelt name stops the start with one line that names the setting. A secret is never printed."
    )
    parts = [section(title, map(_entry, settings)) for title, settings in sections().items()]
    others = section("Read by other programs", (entry(name, text) for name, text in OF_OTHER_PROGRAMS.items()))
    return page("Settings", intro, *parts, others)


def env_example() -> str:
    """A `.env` in which every setting is a comment with its default."""
    blocks = ["# Made by `make docs`. Do not edit: copy it to `.env`, and take away the # of what you set."]
    for title, settings in sections().items():
        lines = [f"# --- {title} ---"]
        for setting in settings:
            lines += [wrapped(setting.text, first="# ", rest="# "), f"#{setting.variable}={setting.default}"]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _entry(setting: Setting) -> str:
    default = f"Default `{setting.default}`." if setting.default else "Not set by default."
    return entry(setting.variable, setting.text, f"Takes {setting.takes}.", default)


def _setting(name: str, field: FieldInfo) -> Setting:
    alias = field.validation_alias
    variable = str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"{PREFIX}{name.upper()}"
    kind = "an http(s) address" if name.endswith(("_url", "_endpoint")) and name != "database_url" else ""
    takes = ", ".join(filter(None, (kind or _takes(field.annotation), _unit(name), _range(field))))
    return Setting(variable, takes, _default(field.default), sentence(field.description or ""))


def _takes(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in arguments)
    if origin in (Union, types.UnionType):
        return _takes(next(kind for kind in arguments if kind is not type(None)))
    if origin is tuple:
        return f"{_takes(arguments[0])}, or several with commas between them"
    return "`true` or `false`" if annotation is bool else _TYPES[annotation]


def _unit(name: str) -> str:
    return next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "")


def _range(field: FieldInfo) -> str:
    return " and ".join(_bounds(field))


def _bounds(field: FieldInfo) -> Iterator[str]:
    for bound in field.metadata:
        match bound:
            case Ge(ge=least):
                yield f"at least {least:,}"
            case Gt(gt=least):
                yield f"more than {least:,}"
            case Le(le=most):
                yield f"at most {most:,}"
            case Lt(lt=most):
                yield f"less than {most:,}"
            case MinLen(min_length=least):
                yield f"{least:,} characters or more"
            case MaxLen(max_length=most):
                yield f"{most:,} characters at most"
            case _:
                pass


def _default(value: object) -> str:
    if value is None or value == ():
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
