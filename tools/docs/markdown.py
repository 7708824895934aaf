"""What all generated pages share: the note at their head, entries, and lines that end by column 120."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Final

WIDTH: Final = 120
NOTE: Final = "<!-- Made by `make docs`. Do not edit. -->"


def page(title: str, intro: str, *parts: str) -> str:
    """A whole page."""
    return "\n\n".join([f"{NOTE}\n# {title}", wrapped(intro), *parts]) + "\n"


def section(title: str, entries: Iterable[str]) -> str:
    """A heading and a list below it."""
    return f"## {title}\n\n" + "\n".join(entries)


def entry(name: str, *sentences: str, depth: int = 0) -> str:
    """An item of a list: what it is named, then what is said about it."""
    indent = "  " * depth
    text = " ".join(filter(None, (f"**`{name}`**" if depth == 0 else f"`{name}`", *sentences)))
    return wrapped(text, first=f"{indent}- ", rest=f"{indent}  ")


def wrapped(text: str, *, first: str = "", rest: str = "") -> str:
    """The text in lines of at most `WIDTH` characters; a longer word stands alone."""
    return textwrap.fill(
        " ".join(text.split()),
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def sentence(text: str) -> str:
    """The text as a sentence: a capital at its head, unless it begins with code, and a full stop."""
    text = text.strip()
    if not text:
        return ""
    return f"{text[0].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) else '.'}"
