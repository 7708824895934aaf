"""axe-core in a page: what it complains about, in both themes."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.support.cdp import Page
from tests.support.paths import ROOT

AXE: Final = ROOT / "clients" / "js" / "node_modules" / "axe-core" / "axe.min.js"
# A colour that is halfway to another is nobody's colour.
_FADED: Final = """
Promise.allSettled(document.getAnimations().filter((one) => one instanceof CSSTransition)
  .map(({ finished }) => finished)).then(() => null)
"""
needs_axe = pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: npm ci in clients/js")


async def load_axe(page: Page) -> None:
    """Before `violations`, once for each page that was opened."""
    await page.run(f"{AXE.read_text(encoding='utf-8')}; null")


async def violations(page: Page, within: str = "html") -> dict[str, list[Any]]:
    """What axe-core complains about in an element, in both themes: theme and rule → the elements."""
    found: dict[str, list[Any]] = {}
    for scheme in ("light", "dark"):
        await page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        await page.drawn()
        await page.run(_FADED)
        rules = await page.run(
            f"axe.run('{within}', {{ resultTypes: ['violations'] }}).then((told) => told.violations)"
        )
        for rule in rules:
            found[f"{scheme}: {rule['id']}"] = [(node["html"][:200], node["failureSummary"]) for node in rule["nodes"]]
    return found
