"""What the code imports is what pyproject.toml declares, for the service and for development apart."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping
from importlib.metadata import files, packages_distributions
from typing import Any, Final

import pytest

from tests.support.paths import ROOT

OWN: Final = ("agent", "voice_sandbox", "voice_loadtest", "dashboards", "alerts", "tools", "tests", "examples")
SHIPPED: Final = ("agent", "voice_sandbox", "voice_loadtest")
PROJECT: Final[Mapping[str, Any]] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
DISTRIBUTIONS: Final = packages_distributions()


def imported(folder: str) -> dict[str, set[str]]:
    """Distribution → files of a folder that import it."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        for module in _modules(ast.parse(path.read_text(encoding="utf-8"))):
            top = module.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in OWN:
                found.setdefault(_distribution(module), set()).add(str(path.relative_to(ROOT)))
    return found


def _modules(tree: ast.Module) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module


def _distribution(module: str) -> str:
    """The distribution that a module comes with; a namespace is shared, so its file decides."""
    candidates = DISTRIBUTIONS.get(module.partition(".")[0], [module])
    if len(set(candidates)) == 1:
        return _normalized(candidates[0])
    stem = module.replace(".", "/")
    for name in dict.fromkeys(candidates):
        paths = {str(path) for path in files(name) or ()}
        if f"{stem}.py" in paths or f"{stem}/__init__.py" in paths:
            return _normalized(name)
    return _normalized(candidates[0])


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _declared(requirements: Iterable[str]) -> set[str]:
    return {_normalized(re.split(r"[\\[<>=~! ;]", requirement)[0]) for requirement in requirements}


RUNTIME: Final = _declared(PROJECT["project"]["dependencies"])
DEVELOPMENT: Final = RUNTIME | _declared(PROJECT["project"]["optional-dependencies"]["dev"])


@pytest.mark.parametrize("folder", [name for name in OWN if (ROOT / name).is_dir()])
def test_everything_imported_is_declared(folder: str) -> None:
    allowed = RUNTIME if folder in SHIPPED else DEVELOPMENT
    lacking = {name: sorted(files)[:3] for name, files in imported(folder).items() if name not in allowed}
    assert lacking == {}, "declare them in pyproject.toml and run `make lock`"


def test_no_runtime_dependency_is_declared_that_nothing_uses() -> None:
    used = {name for folder in SHIPPED for name in imported(folder)}
    by_name = {"aiosqlite", "asyncpg", "uvloop"}  # loaded by the name in an address or an option
    assert sorted(RUNTIME - used - by_name) == []


def test_tools_share_the_support_of_the_tests_and_nothing_else_of_them() -> None:
    """import-linter sees packages outside its roots as a whole, so this direction is checked here."""
    modules = {
        module
        for path in (ROOT / "tools").rglob("*.py")
        for module in _modules(ast.parse(path.read_text(encoding="utf-8")))
        if module.partition(".")[0] in {"tests", "examples"}
    }
    assert [module for module in sorted(modules) if not module.startswith("tests.support.")] == []


def test_the_folders_that_the_test_reads_are_all_there_are() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages <= set(OWN)
