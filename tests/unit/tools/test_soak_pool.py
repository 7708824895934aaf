"""A soak begins with all the connections to the database that a service opens: calls cannot add one."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from agent.ledger.database import create_engine
from tools.soak import pool
from tools.soak.pool import AT_ONCE, FULL, Descriptors, descriptors_of, fill_pool


async def test_the_pool_is_full_before_the_calls_and_calls_cannot_make_it_larger(tmp_path: Path) -> None:
    file = tmp_path / "soak.db"
    engine, opened = create_engine(f"sqlite:///{file}"), partial(descriptors_of, psutil.Process(), file)

    async def read() -> None:
        async with engine.connect() as connection:
            await connection.execute(text("SELECT count(*) FROM sqlite_master"))

    try:
        await read()
        assert opened() == (1, 1)
        await fill_pool(read, opened)
        assert opened() == FULL == (15, 5)
        await asyncio.gather(*(read() for _ in range(AT_ONCE)))
        assert opened() == FULL
    finally:
        await engine.dispose()
    assert opened() == (0, 0)


async def test_a_pool_that_does_not_fill_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "FILL_S", 0.01)

    async def read() -> None:
        pass

    with pytest.raises(RuntimeError, match=r"file=4, log=4"):
        await fill_pool(read, lambda: Descriptors(4, 4))
