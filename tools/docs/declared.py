"""Reads what a class says about its own fields: the text below each of them, or the comment behind it."""

from __future__ import annotations

import ast
import inspect
import textwrap


def field_texts(owner: type) -> dict[str, str]:
    """Field → its attribute docstring, else its trailing comment, else an empty text."""
    source = textwrap.dedent(inspect.getsource(owner))
    lines = source.splitlines()
    definition = ast.parse(source).body[0]
    if not isinstance(definition, ast.ClassDef):
        raise TypeError(f"{owner!r} is not a class")
    texts: dict[str, str] = {}
    last: str | None = None
    for node in definition.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            last = node.target.id
            texts[last] = _comment(lines[(node.end_lineno or node.lineno) - 1])
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and last is not None:
            texts[last], last = str(node.value.value), None
        else:
            last = None
    return texts


def _comment(line: str) -> str:
    """The comment at the end of a line of code that holds no other `#`."""
    return line.partition("  # ")[2].strip()
