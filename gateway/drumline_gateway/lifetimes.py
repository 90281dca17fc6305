"""How long threads of this process are kept that are kept for a time: a table in the file of the threads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from drumline.sqlite_file import SqliteFile
from drumline_graph.program import Program
from drumline_protocol.retention import Retention, retention_in

_TABLE = "CREATE TABLE IF NOT EXISTS drumline_lifetimes (thread TEXT PRIMARY KEY, rules TEXT NOT NULL);"

#: how often threads are looked at, in seconds
SWEEP_S = 60.0


def rules_of(
    threads: Sequence[Mapping[str, Any]],
    own: Mapping[str, Retention],
    programs: Mapping[str, Program],
    others: Retention | None,
) -> dict[str, Retention]:
    """The rules of each thread that has some: its `own`, else those of its graph, else those of all `others`."""
    of_graphs = {name: program.retention for name, program in programs.items()}
    found = {row["thread_id"]: of_graphs.get(row["graph"]) or others for row in threads}
    return {thread: rules for thread, rules in {**found, **own}.items() if rules is not None and rules.is_bounded}


class Lifetimes:
    """The rules of threads that have some. `place`: the path of the file, `":memory:"` for none."""

    def __init__(self, place: str) -> None:
        self._file = SqliteFile(place, _TABLE)

    def put(self, thread: str, rules: Retention) -> None:
        """A thread has these rules from now on."""
        with self._file.transaction() as connection:
            text = json.dumps(rules.as_dict())
            connection.execute("INSERT OR REPLACE INTO drumline_lifetimes VALUES (?, ?)", (thread, text))

    def forget(self, thread: str) -> None:
        """A thread has no rules any more."""
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM drumline_lifetimes WHERE thread = ?", (thread,))

    def get(self, thread: str) -> Retention | None:
        """The rules of a thread; None: it has none."""
        with self._file.transaction(writes=False) as connection:
            row = connection.execute("SELECT rules FROM drumline_lifetimes WHERE thread = ?", (thread,)).fetchone()
        return None if row is None else retention_in(json.loads(row[0]))

    def all(self) -> dict[str, Retention]:
        """The rules of all threads that have some."""
        with self._file.transaction(writes=False) as connection:
            rows = connection.execute("SELECT thread, rules FROM drumline_lifetimes").fetchall()
        found = ((thread, retention_in(json.loads(text))) for thread, text in rows)
        return {thread: rules for thread, rules in found if rules is not None}

    def close(self) -> None:
        """Close the file."""
        self._file.close()
