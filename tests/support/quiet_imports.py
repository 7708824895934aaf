"""Imports what warns on import, outside the tests, where warnings are errors.

Litestar's SQLAlchemy plugin and advanced-alchemy warn, Deepgram's SDK imports a deprecated part of websockets, and the
Grafana SDK warns by itself (`dashboards` imports it without its warning).
"""

from __future__ import annotations

import importlib
import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    importlib.import_module("advanced_alchemy.config")
    importlib.import_module("litestar")
    importlib.import_module("deepgram.listen.v1.client")
    importlib.import_module("deepgram.listen.v2.client")
    importlib.import_module("dashboards")
