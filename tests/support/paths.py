"""Where the project and the outside test data are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
DATA: Final = Path(os.environ.get("VOICE_AGENT_DATA") or ROOT.parent / "shared" / "data")
CLIPS: Final = ROOT / "voice_sandbox" / "clips"
