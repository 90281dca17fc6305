"""Threads in an SQLite file (LangGraph's `langgraph.checkpoint.sqlite`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from typing_extensions import Self

from drumline.checkpoint.rows import RowSaver
from drumline.threads.sqlite_rows import SqliteRows


class SqliteSaver(RowSaver):
    """Keeps threads in an SQLite file, so that they outlive the process. Several processes may share the file.

    It takes a connection that any thread may use: `sqlite3.connect(path, check_same_thread=False)`. Its tables have
    names of their own, so they may lie beside LangGraph's. The async methods run in a thread.
    """

    rows: SqliteRows

    def __init__(self, conn: sqlite3.Connection, *, serde: Any = None) -> None:
        super().__init__(SqliteRows(conn), serde=serde)
        self.conn = conn

    @classmethod
    @contextmanager
    def from_conn_string(cls, conn_string: str) -> Iterator[Self]:
        """A saver over a file (`":memory:"`: over none), whose connection is closed at the end."""
        with closing(sqlite3.connect(conn_string, check_same_thread=False)) as conn:
            yield cls(conn)

    def setup(self) -> None:
        """Make the tables, if they are not there. The first use does so too."""
        self.rows.setup()


__all__ = ["SqliteSaver"]
