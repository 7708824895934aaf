from __future__ import annotations

import subprocess
import sys

_CHECK = """
import importlib, pkgutil, sys
import agent.providers
for module in pkgutil.iter_modules(agent.providers.__path__):
    importlib.import_module("agent.providers." + module.name)
heavy = {"anthropic", "openai", "elevenlabs", "deepgram", "httpx", "httpx2", "websockets"} & set(sys.modules)
assert not heavy, heavy
"""


def test_importing_the_providers_imports_no_sdk() -> None:
    """All four SDKs cost seconds and a hundred megabytes: only those that are configured are loaded."""
    done = subprocess.run([sys.executable, "-c", _CHECK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
