"""The store in an SQLite file for event loops: the same, whose calls run in threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from drumline.store.base import IndexConfig, TTLConfig
from drumline.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncSqliteStore"]


class AsyncSqliteStore(SqliteStore):
    """`SqliteStore` as an async context manager: `async with AsyncSqliteStore.from_conn_string(path) as store`."""

    __slots__ = ()

    @classmethod
    @asynccontextmanager
    async def from_conn_string(  # type: ignore[override]  # its twin is a plain context manager
        cls,
        conn_string: str,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        types: Sequence[type] = (),
    ) -> AsyncIterator[Self]:
        """A store on the file at a path, closed at the end of the `async with`."""
        store = cls(conn_string, index=index, ttl=ttl, types=types)
        try:
            await asyncio.to_thread(SqliteStore.setup, store)
            yield store
        finally:
            await asyncio.to_thread(store.close)

    async def setup(self) -> None:  # type: ignore[override]
        """Make the tables now. The first use does it too."""
        await asyncio.to_thread(SqliteStore.setup, self)
