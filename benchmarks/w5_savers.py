"""Savers of threads, opened empty, each with a count of what it holds and of what was written for it.

Bytes held are those of all that the saver keeps: what lies in memory, the file, the tables with their indexes. Bytes
written are what this process hands to the kernel (SQLite's own log included, and what goes from there to the file), and
what PostgreSQL adds to its log.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple


class Opened(NamedTuple):
    """A saver. `written` is None for one that lies in memory."""

    saver: Any
    held: Callable[[], int]
    written: Callable[[], int] | None


#: opens a saver that holds nothing
Opens = Callable[[], AbstractContextManager[Opened]]


@contextmanager
def our_memory() -> Iterator[Opened]:
    """drumline's `InMemorySaver`."""
    from drumline.checkpoint.memory import InMemorySaver
    from drumline.threads.rows import CheckpointRow, ValueRow, WritesRow

    saver: Any = InMemorySaver()
    rows: list[Any] = []
    write = saver.rows.write

    def noted(more: Any) -> None:
        rows.extend(more)
        write(more)

    saver.rows.write = noted

    def held() -> int:
        total = 0
        for row in rows:
            if isinstance(row, CheckpointRow):
                cells = sum(len(cell) if isinstance(cell, bytes) else 60 for cell in row.cells.values())
                total += len(row.facts) + len(row.metadata) + cells
            elif isinstance(row, ValueRow):
                total += len(row.data)
            elif isinstance(row, WritesRow):
                total += sum(len(slot.data) for slot in row.slots)
        return total

    yield Opened(saver, held, None)


@contextmanager
def their_memory() -> Iterator[Opened]:
    """LangGraph's `InMemorySaver`."""
    from langgraph.checkpoint.memory import InMemorySaver

    from benchmarks.w5_chat import bytes_in

    saver = InMemorySaver()
    yield Opened(saver, lambda: sum(map(bytes_in, (saver.storage, saver.writes, saver.blobs))), None)


@contextmanager
def our_sqlite() -> Iterator[Opened]:
    """drumline's `SqliteSaver`, in a file."""
    from drumline.checkpoint.sqlite import SqliteSaver

    with _in_a_file(SqliteSaver) as opened:
        yield opened


@contextmanager
def their_sqlite() -> Iterator[Opened]:
    """LangGraph's `SqliteSaver`, in a file."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    with _in_a_file(SqliteSaver) as opened:
        yield opened


@contextmanager
def _in_a_file(saver_class: Any) -> Iterator[Opened]:
    with tempfile.TemporaryDirectory(prefix="drumline-w5-") as folder:
        path = Path(folder, "threads.sqlite")
        with saver_class.from_conn_string(str(path)) as saver:

            def held() -> int:
                saver.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                return path.stat().st_size

            def written() -> int:
                held()  # else it would depend on when SQLite did that last
                return _written_by_us()

            yield Opened(saver, held, written)


def _written_by_us() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


def has_postgres() -> bool:
    """Whether there is a server of PostgreSQL's, and LangGraph's saver for it."""
    from importlib.util import find_spec

    from tests.threads.postgres import programs

    return programs() is not None and find_spec("langgraph.checkpoint.postgres") is not None


@contextmanager
def their_postgres() -> Iterator[Opened]:
    """LangGraph's `PostgresSaver` on a server of its own, which waits for no disk (`fsync=off`)."""
    from langgraph.checkpoint.postgres import PostgresSaver
    from tests.threads.postgres import server

    with server() as address, PostgresSaver.from_conn_string(address) as saver:
        saver.setup()

        def ask(query: str) -> int:
            with saver._cursor() as cursor:
                row: Any = cursor.execute(query).fetchone()
                return int(row["n"])

        def held() -> int:
            tables = "'checkpoints', 'checkpoint_blobs', 'checkpoint_writes'"
            return ask(f"SELECT sum(pg_total_relation_size(t::regclass))::bigint AS n FROM unnest(ARRAY[{tables}]) t")

        yield Opened(saver, held, lambda: ask("SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint AS n"))
