"""Documents name files that exist, and their lines can be read beside code."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.paths import ROOT

LONG_ROWS: Final = ("alerts/runbooks/", "docs/chaos.md", "docs/field.md")  # made by `make boards`, `chaos`, `field`
TOP: Final = (
    "agent|voice_sandbox|voice_loadtest|dashboards|alerts|tools|tests|clients|examples|docs|deploy|requirements"
)
FOLDERS_LEFT_OUT: Final = {".venv", "node_modules", "var", ".git", ".pytest_cache", "build", "dist"}
PATH_IN_CODE: Final = re.compile(rf"`((?:{TOP})/[\w./*-]*)`")
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
WIDTH: Final = 120


def _documents() -> Iterator[Path]:
    for path in sorted(ROOT.rglob("*.md")):
        if not FOLDERS_LEFT_OUT & set(path.relative_to(ROOT).parts):
            yield path


DOCUMENTS: Final = list(_documents())
NAMES: Final = [str(path.relative_to(ROOT)) for path in DOCUMENTS]


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_path_that_a_document_names_exists(path: Path) -> None:
    named = PATH_IN_CODE.findall(path.read_text(encoding="utf-8"))
    lacking = [name for name in named if not (ROOT / name).exists()]
    assert [name for name in lacking if "*" not in name or not (ROOT / name).parent.is_dir()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_every_link_leads_somewhere(path: Path) -> None:
    broken: list[str] = []
    for link in LINK.findall(path.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            continue
        file = path.parent / target if target else path
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_lines_of_a_document_fit_beside_code(path: Path) -> None:
    if str(path.relative_to(ROOT)).startswith(LONG_ROWS):
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > WIDTH] == []


def test_the_index_leads_to_every_page() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert {name for name in pages if f"({name})" not in index} == set()
    references = {path.name for path in (ROOT / "docs" / "reference").iterdir()}
    assert {name for name in references if f"(reference/{name})" not in index} == set()


def test_the_layers_in_the_document_are_those_of_the_contract() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = next(one for one in project["tool"]["importlinter"]["contracts"] if one["type"] == "layers")
    layers = "\n".join(layer for layer in contract["layers"] if layer != "__main__")
    assert f"```\n{layers}\n```" in (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def _anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
