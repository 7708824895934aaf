"""The boards' package imports the Grafana SDK first, without the warning that it gives."""

from __future__ import annotations

import dashboards

__all__ = ["dashboards"]
