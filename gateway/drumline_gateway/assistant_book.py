"""Assistants that clients have made of graphs in this process: a table in the file of their threads."""

from __future__ import annotations

import sqlite3

from drumline.sqlite_file import SqliteFile
from drumline_protocol.limits import ASSISTANTS_MAX
from drumline_transport.assistant_verbs import too_many

_TABLE = "CREATE TABLE IF NOT EXISTS drumline_assistants (assistant TEXT PRIMARY KEY, data BLOB NOT NULL);"


class AssistantBook:
    """The assistants of a file, with the promises of `AssistantVerbs`. `place`: its path, `":memory:"` for none."""

    def __init__(self, place: str) -> None:
        self._file = SqliteFile(place, _TABLE)

    def all(self) -> dict[str, bytes]:
        """All of them, by their ids."""
        with self._file.transaction(writes=False) as connection:
            return dict(connection.execute("SELECT assistant, data FROM drumline_assistants").fetchall())

    def get(self, assistant: str) -> bytes | None:
        """What is kept of one; None: there is none."""
        with self._file.transaction(writes=False) as connection:
            return _data(connection, assistant)

    def swap(self, assistant: str, was: bytes | None, data: bytes | None) -> bool:
        """Put `data` in the place of `was`; False if something else is there. ValueError for one too many."""
        with self._file.transaction() as connection:
            found = _data(connection, assistant)
            if found == data:
                return True
            if found != was:
                return False
            if data is None:
                connection.execute("DELETE FROM drumline_assistants WHERE assistant = ?", (assistant,))
                return True
            if found is None:
                [count] = connection.execute("SELECT count(*) FROM drumline_assistants").fetchone()
                if count >= ASSISTANTS_MAX:
                    raise too_many()
            connection.execute("INSERT OR REPLACE INTO drumline_assistants VALUES (?, ?)", (assistant, data))
            return True

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _data(connection: sqlite3.Connection, assistant: str) -> bytes | None:
    row = connection.execute("SELECT data FROM drumline_assistants WHERE assistant = ?", (assistant,)).fetchone()
    return None if row is None else row[0]
