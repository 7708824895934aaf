"""The example page is served by the service's own origin, with every module that it imports."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx

from agent.settings import Settings
from examples.browser.serve import HERE, with_page


async def test_the_page_and_every_module_that_it_imports_are_served(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "_env_file": None,
        "sandbox_url": "http://127.0.0.1:9",
        "database_url": f"sqlite+aiosqlite:///{tmp_path}/ledger.db",
    }
    transport = httpx.ASGITransport(app=with_page(Settings(**given)))  # pyright: ignore[reportArgumentType]  Litestar's own ASGI types
    async with httpx.AsyncClient(transport=transport, base_url="http://voice.example:8000") as client:
        page = await client.get("/example/")
        assert page.headers["content-type"].startswith("text/html")
        assert page.text == (HERE / "index.html").read_text()
        seen: set[str] = set()
        wanted = {"/example/page.js"}
        while wanted - seen:
            path = (wanted - seen).pop()
            seen.add(path)
            module = await client.get(path)
            assert module.status_code == 200, path
            assert "javascript" in module.headers["content-type"], path
            imported = re.findall(r'from "([^"]+)"', module.text)
            wanted |= {str(httpx.URL(f"http://host{path}").join(name).path) for name in imported}
        assert {"/example/page.js", "/talk/client.js", "/talk/connection.js"} <= seen


def test_the_page_uses_members_that_the_client_has() -> None:
    page = (HERE / "page.js").read_text()
    client = (HERE.parents[1] / "clients" / "js" / "client.js").read_text()
    for member in re.findall(r"client\.(\w+)\(", page):
        assert member == "addEventListener" or re.search(rf"^  (?:async )?{member}\(", client, re.MULTILINE), member
