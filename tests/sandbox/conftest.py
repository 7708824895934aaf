"""Imports Litestar once, outside the tests: its SQLAlchemy plugin warns on import, and warnings are errors."""

from __future__ import annotations

import importlib
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    importlib.import_module("litestar")
