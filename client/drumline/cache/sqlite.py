"""A cache in an SQLite file (LangGraph's `langgraph.cache.sqlite`), with Python's own `sqlite3`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from drumline.cache.base import BaseCache, FullKey, Namespace, Serde, ValueT
from drumline.sqlite_file import SqliteFile
from drumline_protocol.store_names import key_bytes, namespace_bytes

__all__ = ["SqliteCache"]

_TABLES = """
CREATE TABLE IF NOT EXISTS drumline_cache (
    namespace BLOB NOT NULL,
    key BLOB NOT NULL,
    form TEXT NOT NULL,
    value BLOB NOT NULL,
    expires REAL,
    PRIMARY KEY (namespace, key)
);
CREATE INDEX IF NOT EXISTS drumline_cache_expires ON drumline_cache (expires) WHERE expires IS NOT NULL;
"""
_GET = """
SELECT form, value FROM drumline_cache WHERE namespace = ? AND key = ? AND (expires IS NULL OR expires > ?)
"""
_SET = "INSERT OR REPLACE INTO drumline_cache (namespace, key, form, value, expires) VALUES (?, ?, ?, ?, ?)"
_SWEEP = """
DELETE FROM drumline_cache WHERE rowid IN (SELECT rowid FROM drumline_cache WHERE expires <= ? LIMIT 100)
"""


class SqliteCache(BaseCache[ValueT]):
    """Values in an SQLite file: they outlive the process, and processes of one machine may share them."""

    def __init__(self, path: str, *, serde: Serde | None = None) -> None:
        super().__init__(serde=serde)
        self._file = SqliteFile(path, _TABLES)

    def _now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, ValueT]:
        """The values that are there, by their keys."""
        found: dict[FullKey, ValueT] = {}
        with self._file.transaction(writes=False) as connection:
            now = self._now()
            for namespace, key in keys:
                row = connection.execute(_GET, (namespace_bytes(namespace), key_bytes(key), now)).fetchone()
                if row is not None:
                    found |= self._read(tuple(namespace), key, *row)
        return found

    def set(self, pairs: Mapping[FullKey, tuple[ValueT, int | None]]) -> None:
        """Keep values, each for so many seconds (None: for ever)."""
        now = self._now()
        rows = [
            (namespace_bytes(namespace), key_bytes(key), form, data, None if ttl is None else now + ttl)
            for namespace, key, form, data, ttl in self._written(pairs)
        ]
        with self._file.transaction() as connection:
            connection.execute(_SWEEP, (now,))
            connection.executemany(_SET, rows)

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget all values in these namespaces (None: in all)."""
        with self._file.transaction() as connection:
            if namespaces is None:
                connection.execute("DELETE FROM drumline_cache")
            for namespace in namespaces or ():
                connection.execute("DELETE FROM drumline_cache WHERE namespace = ?", (namespace_bytes(namespace),))

    def close(self) -> None:
        """Close the file. A later use opens it again."""
        self._file.close()
