"""The talk page: its own files in `static/`, and the JavaScript client that it shares with other pages."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

PAGE: Final = files("agent.web").joinpath("static")
# A wheel carries the client inside this package; in a checkout it stands beside `agent/`.
INSTALLED_CLIENT: Final = files("agent.web").joinpath("client")
CHECKOUT_CLIENT: Final = Path(__file__).parents[2] / "clients" / "js"
OF_THE_PACKAGE: Final = (".md", ".json")
"""What stands beside the client for those who install it; no page asks for it."""


def page_files() -> dict[str, bytes]:
    """Every file that the talk page may ask for: name → content."""
    client = INSTALLED_CLIENT if INSTALLED_CLIENT.is_dir() else CHECKOUT_CLIENT
    found = (path for folder in (client, PAGE) for path in folder.iterdir() if path.is_file())
    return {path.name: path.read_bytes() for path in found if not path.name.endswith(OF_THE_PACKAGE)}
