"""No regular expression of the service takes exponential time, whatever a caller, a provider or a model says."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from collections.abc import Iterator

import pytest

import agent
from agent.providers.openai.phantoms import is_phantom
from tests.support.paths import ROOT
from tests.support.regex_ambiguity import is_exponential

HARMLESS = (
    "agent.memory.mentions._TOKEN",  # some marks are letters, too; nothing follows that can fail, so none is read twice
    "agent.memory.words._WORD",  # the same
    "agent.memory.mentions.ASKING",  # words that begin like others end at a boundary
    "agent.memory.ties.ASKING",  # the same
)
READS_TEXTS = ("memory", "policy", "providers", "session", "text_normalization", "tools", "turn")


def _compiled(value: object) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple | list | frozenset):
        for one in value:
            yield from _compiled(one)
    elif isinstance(value, dict):
        yield from _compiled(list(value.values()))


def patterns() -> dict[str, re.Pattern[str]]:
    """Those of modules, and those that are written in functions."""
    found: dict[str, re.Pattern[str]] = {}
    for info in pkgutil.walk_packages(agent.__path__, "agent."):
        if info.name.split(".")[1] in READS_TEXTS:
            for name, value in vars(importlib.import_module(info.name)).items():
                found |= {f"{info.name}.{name}: {one.pattern}": one for one in _compiled(value)}
    written = {one.pattern for one in found.values()}
    for file in sorted((ROOT / "agent").rglob("*.py")):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(call, ast.Call) and call.args and ast.unparse(call.func).startswith("re.")):
                continue
            first = call.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value not in written:
                found[f"{file.name}:{call.lineno}"] = re.compile(first.value)
    return found


def test_no_pattern_reads_one_text_in_exponentially_many_ways() -> None:
    known = patterns()
    assert len(known) > 150
    found = [name for name, pattern in known.items() if is_exponential(pattern)]
    assert [name for name in found if not name.startswith(HARMLESS)] == []


@pytest.mark.parametrize(
    "pattern",
    [r"(a+)+$", r"(?:\w\w|ab)*c", r"(\w+\s?)*!", r"(?:[a-z]*[0-9]?)*x", r"^[\s♪]*(?:[(♪][^)♪]{0,60}[)♪][\s♪]*)+$"],
)
def test_the_check_finds_those_that_do(pattern: str) -> None:
    assert is_exponential(re.compile(pattern))


@pytest.mark.parametrize("pattern", [r"(a+b)+$", r"\w+(?:['’]\w+)*", r"(?:[0-9]+,)*[0-9]+", r"a*b*c*", r"(ab|ac)*"])
def test_the_check_leaves_the_others(pattern: str) -> None:
    assert not is_exponential(re.compile(pattern))


@pytest.mark.timing
@pytest.mark.parametrize("unit", ["♪", "[", "(la) ", "♪ la ", "*", "la la ", "thank you ", "a", "'"])
def test_the_time_for_a_transcript_grows_with_it_and_no_faster(unit: str) -> None:
    """Ten times the text takes about ten times as long."""

    def fastest(text: str) -> float:
        times: list[float] = []
        for _ in range(5):
            start = time.perf_counter()
            is_phantom(text, 0.1)
            times.append(time.perf_counter() - start)
        return min(times)

    short, long = unit * 400 + " la la", unit * 4_000 + " la la"
    assert fastest(long) < 40 * fastest(short)
