"""JSON as it is written down (RFC 8259), from whoever: no NaN, no numbers without end, no halves of characters."""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic import TypeAdapter

_MARK: Final = b"\xef\xbb\xbf"  # some back ends put it before UTF-8
_ANYTHING: Final = TypeAdapter[Any](Any)


def read_json(written: str | bytes) -> Any:
    """What is written. Raises ValueError, whose words hold some of it; also where it is nested some 200 deep."""
    given = written if isinstance(written, bytes) else written.encode("utf-8", "surrogatepass")
    return finite(_ANYTHING.validate_json(given.removeprefix(_MARK)))


def finite(value: Any) -> Any:
    """The value itself. Raises ValueError where a number in it is none that JSON has (`1e999` is read as infinite)."""
    json.dumps(value, allow_nan=False)
    return value
