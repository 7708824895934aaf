"""An SQLite file is one service's: a second one says so at its start."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.errors import ConfigurationError
from agent.ledger.database import only_process


def test_a_second_service_on_the_same_file_says_what_to_do_and_a_later_one_may_have_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'folder' / 'ledger.db'}"
    with only_process(url), pytest.raises(ConfigurationError, match="SQLite is for one process"), only_process(url):
        pass
    with only_process(url):
        assert (tmp_path / "folder" / "ledger.db").exists()


def test_a_server_and_a_database_in_memory_are_for_everybody() -> None:
    for url in ("postgresql://nobody@127.0.0.1/none", "sqlite://"):
        with only_process(url), only_process(url):
            pass
