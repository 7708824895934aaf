"""The plan of the folders, kept by tests: what the import contracts cannot say."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.support.paths import ROOT

PACKAGES: Final = ("agent", "voice_sandbox", "voice_loadtest", "dashboards", "alerts", "tools")
LONGEST: Final = 350
TEST_FOLDERS: Final = {"unit", "e2e", "browser", "dialogues", "support"}


def modules(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_no_public_class_name_is_declared_twice() -> None:
    names = Counter(
        node.name
        for _, module in modules(*PACKAGES)
        for node in module.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert sum(names.values()) > 300
    assert [name for name, times in names.items() if times > 1] == []


def test_no_file_is_longer_than_a_reader_takes_in() -> None:
    paths = [path for folder in (*PACKAGES, "tests") for path in (ROOT / folder).rglob("*.py")]
    assert len(paths) > 300
    long = {
        str(path.relative_to(ROOT)): lines for path in paths if (lines := len(path.read_bytes().splitlines())) > LONGEST
    }
    assert long == {}


def test_every_package_says_what_it_is() -> None:
    folders = {path.parent for folder in PACKAGES for path in (ROOT / folder).rglob("*.py")}
    first = [folder / "__init__.py" for folder in folders if "migrations" not in folder.parts]
    silent = [path for path in first if not path.is_file() or not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_unit_tests_mirror_the_packages() -> None:
    assert {
        path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name[0] not in "_."
    } == TEST_FOLDERS
    unit = ROOT / "tests" / "unit"
    folders = {path.parent.relative_to(unit) for path in unit.rglob("test_*.py")} - {Path()}
    missing = [
        str(folder) for folder in folders if not (ROOT / "agent" / folder).is_dir() and not (ROOT / folder).is_dir()
    ]
    assert missing == []


def test_no_test_imports_another_test() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}: {node.module}"
        for path, module in modules("tests", "tools")
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom)
        and node.module is not None
        and node.module.split(".")[:1] == ["tests"]
        and node.module.split(".")[1] != "support"
    ]
    assert wrong == []


def test_lines_of_javascript_fit_beside_each_other() -> None:
    """As those of Python do, which the linter checks."""
    scripts = [path for folder in ("clients", "agent/web", "examples") for path in (ROOT / folder).rglob("*.js")]
    scripts = [path for path in scripts if "node_modules" not in path.parts]
    assert len(scripts) > 20
    long = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in scripts
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > 120
    ]
    assert long == []
