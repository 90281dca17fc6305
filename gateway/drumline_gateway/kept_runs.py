"""Runs of this process that wait, for their time or for their thread: a table in the file of their threads.

A run has a row from when it was accepted until it begins or is given up. So one that has not begun is there again when
the process is, and one that has begun is not run a second time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields

from drumline.sqlite_file import SqliteFile
from drumline_gateway.embedded_run import EmbeddedRun
from drumline_gateway.service import Start
from drumline_graph.program import Program
from drumline_protocol.errors import EncodeError, UnknownGraph
from drumline_protocol.graph_codecs import GraphCodecs
from drumline_protocol.trace_context import NO_TRACE, arrived
from drumline_protocol.wire import VERSION

log = logging.getLogger("drumline.gateway")

_TABLE = """
CREATE TABLE IF NOT EXISTS drumline_waiting_runs (
    place INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT UNIQUE NOT NULL, graph TEXT NOT NULL, thread TEXT,
    created_ms INTEGER NOT NULL, due_ms INTEGER, data BLOB NOT NULL
);
"""
_FIELDS = tuple(field.name for field in fields(Start))


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run that waited when the process ended. `due_ms`: None if its time had come, and it waited for its thread.

    `fault` says why it cannot be run any more.
    """

    run: EmbeddedRun
    due_ms: int | None
    fault: Exception | None = None


class KeptRuns:
    """The runs of a file that wait. `place`: its path, `":memory:"` for none.

    What is asked for is done in that order, on a thread of its own: `settled` returns when all of it is.
    """

    def __init__(self, place: str, programs: Mapping[str, Program]) -> None:
        self._file = SqliteFile(place, _TABLE)
        self._programs = dict(programs)
        self._codecs = GraphCodecs(self._programs, VERSION)
        self._thread = ThreadPoolExecutor(1, "drumline-kept-runs")
        self._last: Future[None] | None = None
        self._kept: set[str] = set()

    def keep(self, run: EmbeddedRun, due_ms: int | None) -> None:
        """A run waits from now on, behind all that wait already."""
        self._kept.add(run.id)
        trace = run.context.run(arrived.get)
        self._soon(lambda: self._put(run, due_ms, trace))

    def drop(self, run: EmbeddedRun) -> None:
        """A run does not wait any more."""
        if run.id in self._kept:
            self._kept.discard(run.id)
            self._soon(lambda: self._delete(run.id))

    async def settled(self) -> None:
        """Returns when all that was asked for is in the file."""
        if self._last is not None and not self._last.done():
            await asyncio.shield(asyncio.wrap_future(self._last))  # who is cancelled takes nothing back

    def load(self) -> list[KeptRun]:
        """What waited when the process ended, in its order. To be called once, before anything else."""
        with self._file.transaction(writes=False) as connection:
            rows = connection.execute(
                "SELECT run, graph, thread, created_ms, due_ms, data FROM drumline_waiting_runs ORDER BY place"
            ).fetchall()
        self._kept.update(row[0] for row in rows)
        return [self._read(*row) for row in rows]

    def close(self) -> None:
        """Do what was asked for, and close the file."""
        self._thread.shutdown()
        self._file.close()

    def _soon(self, do: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                do()
            except Exception:
                log.exception("what is kept of runs that wait may be wrong after a restart")

        self._last = self._thread.submit(guarded)

    def _put(self, run: EmbeddedRun, due_ms: int | None, trace: tuple[str, str]) -> None:
        start = {name: getattr(run.start, name) for name in _FIELDS}
        try:
            data = self._codecs.of(run.start.graph).encode({"start": start, "trace": trace})
        except EncodeError as error:
            log.warning("run %s would be lost if the process ended before it begins: %s", run.id, error)
            return
        values = (run.id, run.start.graph, run.start.thread, run.created_ms, due_ms, data)
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO drumline_waiting_runs (run, graph, thread, created_ms, due_ms, data)"
                " VALUES (?,?,?,?,?,?)",
                values,
            )

    def _delete(self, run_id: str) -> None:
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM drumline_waiting_runs WHERE run = ?", (run_id,))

    def _read(
        self, run_id: str, graph: str, thread: str | None, created_ms: int, due_ms: int | None, data: bytes
    ) -> KeptRun:
        start, trace, fault = Start(graph, None, thread), NO_TRACE, None
        try:
            if graph not in self._programs:
                raise UnknownGraph(graph, sorted(self._programs))
            found = self._codecs.of(graph).decode(data)
            start = Start(**{name: value for name, value in found["start"].items() if name in _FIELDS})
            trace = found["trace"]
        except Exception as error:  # the graph has changed, or the bytes
            fault = error
        run = EmbeddedRun(run_id, start)
        run.created_ms = run.began_ms = created_ms
        run.context.run(arrived.set, trace)
        return KeptRun(run, due_ms, fault)


def due_ms_of(run: EmbeddedRun) -> int:
    """When a run begins that was accepted just now, in ms since 1970."""
    return run.created_ms + round(run.start.after_seconds * 1000)
