"""W5 with a thread: the chat of 1 KB per turn, kept by savers of drumline and LangGraph.

A turn is one superstep, and a checkpoint. Bytes are those of all that a saver holds: what lies in memory, or the file.
Bytes written are what the process hands to the kernel, SQLite's own log included.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.graphs import chat, drumline, langgraph
from benchmarks.harness import Bench, Contender, Table
from benchmarks.w5_chat import CHAT, Talk, state_bytes

STORED, WRITTEN, READ = "stored x state", "written x state", "ms to read the newest"
_LONG = Talk("w5 long thread", "W5 long thread", "chat", 400, 2000, CHAT.asked)

#: opens a saver; the second function tells how many bytes it holds
Saver = Callable[[], Any]


def tables(bench: Bench) -> list[Table]:
    """200 and 400 turns with LangGraph's savers beside drumline's; 400 and 2,000 with those that can."""
    ours, theirs = chat(drumline()).compile, chat(langgraph()).compile
    size = {
        talk.long: state_bytes(ours().invoke(talk.asked(talk.long), {"recursion_limit": 3 * talk.long}))
        for talk in (CHAT, _LONG)
    }
    short = [
        Contender("drumline, InMemorySaver", _kept(CHAT, ours, _our_memory, size)),
        Contender("drumline, SqliteSaver", _kept(CHAT, ours, _our_sqlite, size)),
        Contender("drumline, SqliteSaver, durability sync", _kept(CHAT, ours, _our_sqlite, size, "sync")),
        Contender("drumline, LangGraph's InMemorySaver", _kept(CHAT, ours, _their_memory, size)),
        Contender("LangGraph, InMemorySaver", _kept(CHAT, theirs, _their_memory, size)),
        Contender("LangGraph, SqliteSaver", _kept(CHAT, theirs, _their_sqlite, size)),
    ]
    long = [
        Contender("drumline, InMemorySaver", _kept(_LONG, ours, _our_memory, size)),
        Contender("drumline, SqliteSaver", _kept(_LONG, ours, _our_sqlite, size)),
    ]
    title = "W5 with a thread, {} and {} turns of 1 KB"
    return [
        Table("w5 thread", title.format(200, 400), _metrics(CHAT), short, bench.rounds(5), bench.budget_s(60)),
        Table("w5 long thread", title.format(400, 2000), _metrics(_LONG), long, bench.rounds(3), bench.budget_s(60)),
    ]


def _metrics(talk: Talk) -> list[str]:
    return [talk.short_ms, talk.long_ms, talk.growth, STORED, WRITTEN, READ]


def _kept(
    talk: Talk, build: Callable[..., Any], opened: Any, sizes: dict[int, int], durability: str | None = None
) -> Callable[[], dict[str, float]]:
    def sample() -> dict[str, float]:
        with opened() as (saver, _):
            short, _stream = talk.run(_Durable(build(checkpointer=saver), durability), talk.short, "-")
        with opened() as (saver, held):
            before = _bytes_written()
            long, _stream = talk.run(_Durable(build(checkpointer=saver), durability), talk.long, "-")
            written = _bytes_written() - before
            began = time.perf_counter()
            saver.get_tuple({"configurable": {"thread_id": "-", "checkpoint_ns": ""}})
            read = (time.perf_counter() - began) * 1e3
            size = sizes[talk.long]
            return {**talk.times(short, long), STORED: held() / size, WRITTEN: written / size, READ: read}

    return sample


class _Durable:
    """A graph whose calls have a `durability`."""

    def __init__(self, graph: Any, durability: str | None) -> None:
        self._graph = graph
        self._named = {} if durability is None else {"durability": durability}

    def stream(self, *given: Any, **named: Any) -> Any:
        """The graph's stream."""
        return self._graph.stream(*given, **named, **self._named)


def _bytes_written() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["wchar"])


@contextmanager
def _our_memory() -> Iterator[tuple[Any, Callable[[], int]]]:
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

    yield saver, held


@contextmanager
def _their_memory() -> Iterator[tuple[Any, Callable[[], int]]]:
    from langgraph.checkpoint.memory import InMemorySaver

    from benchmarks.w5_chat import bytes_in

    saver = InMemorySaver()
    yield saver, lambda: sum(map(bytes_in, (saver.storage, saver.writes, saver.blobs)))


@contextmanager
def _our_sqlite() -> Iterator[tuple[Any, Callable[[], int]]]:
    from drumline.checkpoint.sqlite import SqliteSaver

    with _in_a_file(SqliteSaver) as opened:
        yield opened


@contextmanager
def _their_sqlite() -> Iterator[tuple[Any, Callable[[], int]]]:
    from langgraph.checkpoint.sqlite import SqliteSaver

    with _in_a_file(SqliteSaver) as opened:
        yield opened


@contextmanager
def _in_a_file(saver_class: Any) -> Iterator[tuple[Any, Callable[[], int]]]:
    with tempfile.TemporaryDirectory(prefix="drumline-w5-") as folder:
        path = Path(folder, "threads.sqlite")
        with saver_class.from_conn_string(str(path)) as saver:

            def held() -> int:
                saver.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                return path.stat().st_size

            yield saver, held
