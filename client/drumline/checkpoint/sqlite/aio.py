"""Threads in an SQLite file, for async code (LangGraph's `langgraph.checkpoint.sqlite.aio`)."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from typing_extensions import Self

from drumline.checkpoint.rows import RowSaver
from drumline.threads.sqlite_rows import AiosqliteRows, SqliteRows


class AsyncSqliteSaver(RowSaver):
    """The same as `SqliteSaver`, made on an event loop.

    It takes a connection of `sqlite3`, which a thread then uses, or one of `aiosqlite`, which is used on the event loop
    that runs now.
    """

    rows: SqliteRows | AiosqliteRows

    def __init__(self, conn: Any, *, serde: Any = None) -> None:
        rows = SqliteRows(conn) if isinstance(conn, sqlite3.Connection) else _over_aiosqlite(conn)
        super().__init__(rows, serde=serde)
        self.conn = conn

    @classmethod
    @asynccontextmanager
    async def from_conn_string(cls, conn_string: str) -> AsyncIterator[Self]:
        """A saver over a file (`":memory:"`: over none), whose connection is closed at the end."""
        conn = await asyncio.to_thread(sqlite3.connect, conn_string, check_same_thread=False)
        try:
            yield cls(conn)
        finally:
            await asyncio.to_thread(conn.close)

    async def setup(self) -> None:
        """Make the tables, if they are not there. The first use does so too."""
        if isinstance(self.rows, SqliteRows):
            await asyncio.to_thread(self.rows.setup)
        else:
            await self.rows.setup()


def _over_aiosqlite(conn: Any) -> AiosqliteRows:
    if not all(hasattr(conn, name) for name in ("execute", "commit", "rollback")):
        raise TypeError(f"AsyncSqliteSaver takes a connection of sqlite3 or aiosqlite, not {type(conn).__name__}")
    return AiosqliteRows(conn, asyncio.get_running_loop())


__all__ = ["AsyncSqliteSaver"]
