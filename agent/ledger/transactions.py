"""What transactions of both databases share."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from agent.billing.pricing import utc_now


async def lock_for_writing(connection: AsyncConnection) -> None:
    """Takes SQLite's write lock before the first read, so that what was read still holds when it is written."""
    if connection.dialect.name == "sqlite":
        await connection.exec_driver_sql("BEGIN IMMEDIATE")


async def database_time(connection: AsyncConnection) -> datetime:
    """The time that all processes share: the database's. SQLite has one process."""
    if connection.dialect.name == "sqlite":
        return utc_now()
    return (await connection.execute(select(literal_column("clock_timestamp()")))).scalar_one()
