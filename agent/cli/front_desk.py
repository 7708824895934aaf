"""In a checkout without keys the example that does things answers; commands about agents mean the same folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from agent.cli.main import CHECKOUT, in_checkout
from agent.settings import PREFIX, variables

FOLDER: Final = CHECKOUT / "examples" / "front_desk"
_CHOSEN: Final = (f"{PREFIX}AGENT", f"{PREFIX}AGENTS_DIR", f"{PREFIX}SANDBOX_URL", "ANTHROPIC_API_KEY")
"""With one of these `run` takes what is configured."""


def take_front_desk(known: Mapping[str, str] | None = None) -> bool:
    """Chooses the example as `run` does, unless something else was chosen; whether it did."""
    known = variables() if known is None else known
    if not in_checkout() or not (FOLDER / "front_desk.toml").is_file() or any(name in known for name in _CHOSEN):
        return False
    os.environ[f"{PREFIX}AGENTS_DIR"] = str(FOLDER)
    os.environ[f"{PREFIX}AGENT"] = "front_desk"
    # a sample call finds every room free, however often it is made
    os.environ["FRONT_DESK_DEMO"] = os.environ.get("FRONT_DESK_DEMO") or "1"
    return True
