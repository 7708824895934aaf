"""Every case of the field, in the order of the page. A group lives in a module of its own."""

from __future__ import annotations

from typing import Final

from tools.field import cases_line, cases_models, cases_recognisers, cases_turns, cases_voices
from tools.field.case import Case

CASES: Final[tuple[Case, ...]] = (
    *cases_models.CASES,
    *cases_voices.CASES,
    *cases_recognisers.CASES,
    *cases_turns.CASES,
    *cases_line.CASES,
)
