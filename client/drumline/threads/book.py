"""What is known of threads that are run in this process: an SQLite table beside that of their checkpoints.

It has what a cluster keeps in the heads of its threads, under the same names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from drumline.sqlite_file import SqliteFile
from drumline_protocol.errors import ThreadExists, UnknownThread
from drumline_protocol.threads import BUSY, FAILED, IDLE

_TABLE = """
CREATE TABLE IF NOT EXISTS drumline_threads (
    thread TEXT PRIMARY KEY, status TEXT NOT NULL, graph TEXT NOT NULL, run TEXT NOT NULL, metadata TEXT NOT NULL,
    created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS drumline_threads_changed ON drumline_threads (updated_ms);
"""
_COLUMNS = "thread, status, graph, run, metadata, created_ms, updated_ms"

#: what is told of a thread
Row = dict[str, Any]


class ThreadBook:
    """The threads of a file. `place`: its path, `":memory:"` for none. Metadata are plain JSON. Safe for threads."""

    def __init__(self, place: str) -> None:
        self._file = SqliteFile(place, _TABLE)

    def get(self, thread: str) -> Row:
        """`{"thread_id", "status", "graph", "run_id", "metadata", "created_ms", "updated_ms"}`. UnknownThread."""
        with self._file.transaction(writes=False) as connection:
            return self._get(connection, thread)

    def list(
        self, status: str | None = None, metadata: Mapping[str, Any] | None = None, limit: int | None = None
    ) -> list[Row]:
        """Threads of that status whose metadata has these items, those that changed last first."""
        with self._file.transaction(writes=False) as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM drumline_threads WHERE ? IS NULL OR status = ? ORDER BY updated_ms DESC",
                (status, status),
            ).fetchall()
        wanted = dict(metadata or {})
        found: list[Row] = []
        for row in map(_told, rows):
            if limit is not None and len(found) >= limit:
                break
            if all(key in row["metadata"] and row["metadata"][key] == value for key, value in wanted.items()):
                found.append(row)
        return found

    def make(self, thread: str, metadata: Mapping[str, Any], at_ms: int, *, refuse: bool) -> Row:
        """A new thread. One that is there is left as it is; ThreadExists if `refuse`."""
        with self._file.transaction() as connection:
            values = (thread, IDLE, "", "", json.dumps(dict(metadata)), at_ms, at_ms)
            made = connection.execute(
                f"INSERT OR IGNORE INTO drumline_threads ({_COLUMNS}) VALUES (?,?,?,?,?,?,?)", values
            )
            if refuse and not made.rowcount:
                raise ThreadExists(thread)
            return self._get(connection, thread)

    def note(self, thread: str, metadata: Mapping[str, Any], at_ms: int) -> Row:
        """Add to the metadata of a thread. UnknownThread."""
        return self._change(thread, at_ms, metadata=metadata)

    def begins(self, thread: str, run: str, graph: str, metadata: Mapping[str, Any], at_ms: int) -> Row:
        """A run holds the thread from now on, which is made if it is not there."""
        self.make(thread, {}, at_ms, refuse=False)
        return self._change(thread, at_ms, status=BUSY, run=run, graph=graph, metadata=metadata)

    def stands(self, thread: str, status: str, graph: str, at_ms: int) -> Row:
        """How the thread stands now that a run has ended, or that it was changed from outside. UnknownThread."""
        return self._change(thread, at_ms, status=status, graph=graph)

    def delete(self, thread: str) -> None:
        """Nothing is known of the thread any more."""
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM drumline_threads WHERE thread = ?", (thread,))

    def fail_what_was_open(self) -> None:
        """Threads that a process which is gone has left busy have failed."""
        with self._file.transaction() as connection:
            connection.execute("UPDATE drumline_threads SET status = ? WHERE status = ?", (FAILED, BUSY))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _get(self, connection: Any, thread: str) -> Row:
        row = connection.execute(f"SELECT {_COLUMNS} FROM drumline_threads WHERE thread = ?", (thread,)).fetchone()
        if row is None:
            raise UnknownThread(thread)
        return _told(row)

    def _change(
        self,
        thread: str,
        at_ms: int,
        *,
        status: str | None = None,
        run: str | None = None,
        graph: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Row:
        with self._file.transaction() as connection:
            row = self._get(connection, thread)
            row["metadata"].update(metadata or {})
            row.update(updated_ms=at_ms)
            row.update({key: value for key, value in (("status", status), ("run_id", run), ("graph", graph)) if value})
            connection.execute(
                "UPDATE drumline_threads SET status=?, graph=?, run=?, metadata=?, updated_ms=? WHERE thread=?",
                (row["status"], row["graph"], row["run_id"], json.dumps(row["metadata"]), at_ms, thread),
            )
            return row


def _told(row: Any) -> Row:
    thread, status, graph, run, metadata, created_ms, updated_ms = row
    return {
        "thread_id": thread,
        "status": status,
        "graph": graph,
        "run_id": run,
        "metadata": json.loads(metadata),
        "created_ms": created_ms,
        "updated_ms": updated_ms,
    }
