"""An SQLite file that threads and processes share: one connection, and one transaction at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from drumline_transport.after_fork import renew_after_fork

#: how long a transaction waits for another process that is writing to the file
BUSY_S = 30.0


class SqliteFile:
    """The file at a path (`":memory:"` for none), or an open connection; `tables` are made if they are missing.

    Opened when first used. Safe for threads; a connection of the caller's must allow them (`check_same_thread=False`).
    In the child of a fork it opens the path again.
    """

    def __init__(self, place: str | sqlite3.Connection, tables: str) -> None:
        self._path = None if isinstance(place, sqlite3.Connection) else place
        self._tables = tables
        self._connection: sqlite3.Connection | None = None
        if isinstance(place, sqlite3.Connection):
            self._connection = place
            place.executescript(tables)
        self._lock = threading.RLock()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """A connection must not be used on both sides of a fork."""
        self._lock = threading.RLock()
        if self._path is not None:
            self._connection = None

    def open(self) -> sqlite3.Connection:
        """The connection, with its tables."""
        with self._lock:
            if self._connection is None:
                assert self._path is not None
                made = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
                made.execute("PRAGMA journal_mode=WAL")
                made.executescript(self._tables)
                self._connection = made
            return self._connection

    @contextmanager
    def transaction(self, *, writes: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction: an exception undoes it. One that only reads waits for nobody who writes."""
        with self._lock:
            connection = self.open()
            connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file, unless it came as an open connection. A later use opens it again."""
        with self._lock:
            if self._path is not None and self._connection is not None:
                self._connection.close()
                self._connection = None
