"""The JavaScript client as a package: what `npm pack` puts in, and the types that are made from its JSDoc."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from agent.web import page_files
from tests.support.paths import ROOT

CLIENT: Final = ROOT / "clients" / "js"
NPM: Final = shutil.which("npm")
TYPESCRIPT: Final = CLIENT / "node_modules" / "typescript"


def test_its_packages_are_pinned_by_hash_and_name_no_registry() -> None:
    lock = (CLIENT / "package-lock.json").read_text(encoding="utf-8")
    packages: dict[str, Any] = json.loads(lock)["packages"]
    assert all("integrity" in found for name, found in packages.items() if name)
    assert not re.search(r"https?://[^\"]*(registry|npmjs)", lock)
    wanted: dict[str, str] = json.loads((CLIENT / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted


def test_the_page_and_the_client_have_no_file_of_one_name() -> None:
    ours = {path.name for path in (ROOT / "agent" / "web" / "static").iterdir() if path.suffix == ".js"}
    theirs = {path.name for path in CLIENT.glob("*.js")}
    assert ours & theirs == set()
    assert ours | theirs <= page_files().keys()


@pytest.mark.slow
@pytest.mark.skipif(NPM is None or not TYPESCRIPT.is_dir(), reason="the client's packages are not here: npm ci")
def test_npm_packs_modules_types_and_documents(tmp_path: Path) -> None:
    assert NPM is not None
    command = [NPM, "pack", "--json", "--offline", "--pack-destination", str(tmp_path)]
    run = subprocess.run(command, cwd=CLIENT, capture_output=True, text=True, check=False, timeout=300)
    assert run.returncode == 0, run.stderr
    told: Any = json.loads(run.stdout[run.stdout.index("[\n") if "[\n" in run.stdout else run.stdout.index("{") :])
    [packed] = told if isinstance(told, list) else told.values()
    names = {file["path"] for file in packed["files"]}
    modules = {path.name for path in CLIENT.glob("*.js")}
    typed = {f"types/{Path(name).stem}.d.ts" for name in modules if not name.endswith("-worklet.js")}
    assert names == modules | typed | {"README.md", "CHANGELOG.md", "package.json"}
    declared = (CLIENT / "types" / "client.d.ts").read_text(encoding="utf-8")
    assert "export class VoiceClient extends EventTarget" in declared
    assert "mute(on: " in declared
