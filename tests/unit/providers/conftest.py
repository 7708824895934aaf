"""What the providers' tests share."""

from __future__ import annotations

import pytest

from tests.support.providers import Remember


@pytest.fixture
def meter() -> Remember:
    return Remember()
