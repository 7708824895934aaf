"""Imports Litestar once, outside the tests: it warns on import, and warnings are errors in a test."""

from __future__ import annotations

import importlib
import warnings

import pytest

from tests.providers.support import Remember

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    importlib.import_module("litestar")


@pytest.fixture
def meter() -> Remember:
    return Remember()
