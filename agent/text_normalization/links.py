"""Reads web and e-mail addresses aloud: "https://www.example.com/prices?a=1" is "example dot com slash prices"."""

from __future__ import annotations

import re
from typing import Final

_KNOWN_ENDINGS: Final = (
    "com org net edu gov int io ai app dev co uk ca au nz ie de fr es nl ch se dk eu us info biz tv shop store "
    "online site tech cloud health hotel restaurant"
)
_TLDS: Final = frozenset(_KNOWN_ENDINGS.split())
"""What makes a word with dots an address that has no scheme; "me", "it" or "no" would be said by mistake."""
_LABEL: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_SEGMENT: Final = re.compile(r"[A-Za-z][A-Za-z-]{0,20}")
_LOCAL_PART: Final = re.compile(r"[A-Za-z0-9._%+-]+")
_SCHEME: Final = re.compile(r"(?:https?|ftp)://(?:www\.)?|www\.|mailto:", re.IGNORECASE)


def is_link(core: str) -> bool:
    """Whether a word may be an address, whose last slash is then its own."""
    return _SCHEME.match(core) is not None or "." in core.partition("/")[0]


def read_link(core: str) -> str | None:
    """A web or e-mail address in words ("example dot com slash prices"); None for anything else.

    The scheme, "www", the query and paths of more than two plain segments are left out: nobody can note them down.
    """
    scheme = _SCHEME.match(core)
    rest = core[scheme.end() :] if scheme else core
    local, at, domain = rest.partition("@")
    if at and not (scheme and scheme[0].endswith("//")):
        host = _read_host(domain, known_only=False)
        return f"{_letters(local)} at {host}" if host and _LOCAL_PART.fullmatch(local) else None
    host, _, path = rest.partition("/")
    host = _read_host(re.split(r"[:?#]", host, maxsplit=1)[0], known_only=scheme is None)
    if host is None:
        return "a web address" if scheme and "://" in scheme[0] else None
    segments = [segment for segment in re.split(r"[?#]", path, maxsplit=1)[0].split("/") if segment]
    if len(segments) > 2 or not all(_SEGMENT.fullmatch(segment) for segment in segments):
        segments = []
    return " slash ".join((host, *(_letters(segment) for segment in segments)))


def _read_host(host: str, *, known_only: bool) -> str | None:
    labels = host.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        return None
    if known_only and (labels[-1] not in _TLDS or labels[0].isdecimal()):
        return None
    return " dot ".join(_letters(label) for label in labels)


def _letters(part: str) -> str:
    for symbol, name in ((".", "dot"), ("-", "dash"), ("_", "underscore"), ("+", "plus"), ("%", "percent")):
        part = part.replace(symbol, f" {name} ")
    return " ".join(part.split())
