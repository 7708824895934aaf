"""Every case of the field, in the order of the page. A group lives in a module of its own."""

from __future__ import annotations

from typing import Final

from tools.field import cases_models
from tools.field.case import Case

CASES: Final[tuple[Case, ...]] = (*cases_models.CASES,)
