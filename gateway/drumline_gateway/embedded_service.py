"""The service of graphs that run in this process: threads in an SQLite file, streams in memory."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from drumline.checkpoint.sqlite.aio import AsyncSqliteSaver
from drumline.graph.compiled import CompiledStateGraph
from drumline.store.sqlite import SqliteStore
from drumline.threads.book import ThreadBook
from drumline.views import MODES
from drumline.views.shapes import FACTS
from drumline_gateway.assistant_book import AssistantBook
from drumline_gateway.embedded_run import EmbeddedRun
from drumline_gateway.embedded_runs import EmbeddedRuns
from drumline_gateway.kept_runs import KeptRuns
from drumline_gateway.lifetimes import SWEEP_S, Lifetimes, rules_of
from drumline_gateway.service import Bell, Row, RunItems, Start, Wanted
from drumline_gateway.thread_bells import ThreadBells
from drumline_graph.errors import GraphDrained
from drumline_graph.program import Program
from drumline_protocol.errors import RunCancelled, ThreadBusy, UnknownGraph, UnknownThread
from drumline_protocol.retention import Retention

log = logging.getLogger("drumline.gateway")

#: the file of threads in a folder, and that of the store
THREADS, STORE = "threads.db", "store.db"


class EmbeddedService:
    """Runs graphs in this process. `folder` holds its files; None: nothing outlives it.

    Threads are kept by a saver of its own, whatever the graphs were compiled with.
    """

    ignored: frozenset[str] = frozenset()

    def __init__(
        self, programs: Mapping[str, Program], folder: Path | None = None, retention: Retention | None = None
    ) -> None:
        self._programs = dict(programs)
        self._folder = folder
        self._retention = retention
        self.graphs: Mapping[str, Any] = {}
        self._stateless: dict[str, Any] = {}
        self._bells = ThreadBells()

    async def open(self) -> None:
        """Open the files. Threads that were left busy have failed; runs that waited then wait again."""
        place = {THREADS: ":memory:", STORE: ":memory:"}
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            place = {name: str(self._folder / name) for name in place}
        self._connection = sqlite3.connect(place[THREADS], check_same_thread=False)
        self._saver = AsyncSqliteSaver(self._connection)
        await self._saver.setup()
        self._book = ThreadBook(place[THREADS])
        self._assistants = AssistantBook(place[THREADS])
        self._store = SqliteStore(place[STORE])
        self._lifetimes = Lifetimes(place[THREADS])
        await asyncio.to_thread(self._book.fail_what_was_open)
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep_now_and_again())
        self.graphs = {name: self._compiled(program, self._saver) for name, program in self._programs.items()}
        self._stateless = {name: self._compiled(program, None) for name, program in self._programs.items()}
        self._kept = KeptRuns(place[THREADS], self._programs)
        self._runs = EmbeddedRuns(self._drive, self._kept)
        self._runs.restore(await asyncio.to_thread(self._kept.load))

    def _compiled(self, program: Program, saver: Any) -> Any:
        graph: Any = CompiledStateGraph(program, checkpointer=saver)
        if graph.store is None:
            graph.store = self._store
        return graph

    async def aclose(self) -> None:
        """End the runs and close the files."""
        self._sweeper.cancel()
        await asyncio.wait([self._sweeper])
        await self._runs.close()
        await asyncio.to_thread(self._kept.close)
        await asyncio.to_thread(self._connection.close)
        self._book.close()
        self._assistants.close()
        self._lifetimes.close()

    async def names(self) -> Sequence[str]:
        return sorted(self._programs)

    async def trouble(self) -> str:
        return ""

    async def now_ms(self) -> float:
        return _now_ms()

    @property
    def store(self) -> Any:
        return self._store

    # -- threads --------------------------------------------------------------------------------------

    async def make_thread(self, thread: str, metadata: Mapping[str, Any], *, refuse: bool) -> Row:
        return await asyncio.to_thread(self._book.make, thread, metadata, _now_ms(), refuse=refuse)

    async def thread(self, thread: str) -> Row:
        return await asyncio.to_thread(self._book.get, thread)

    async def threads(
        self, status: str | None = None, metadata: Mapping[str, Any] | None = None, limit: int | None = None
    ) -> list[Row]:
        return await asyncio.to_thread(self._book.list, status, metadata, limit)

    async def note(self, thread: str, metadata: Mapping[str, Any]) -> Row:
        return await asyncio.to_thread(self._book.note, thread, metadata, _now_ms())

    async def delete_thread(self, thread: str) -> None:
        for run in self._runs.of_thread(thread):  # the newest first: what waits does not begin
            self._runs.stop(run, "its thread is deleted")
        for run in self._runs.of_thread(thread):
            await run.over()
            self._runs.forget(run)
        await self._kept.settled()
        await self._saver.adelete_thread(thread)
        await asyncio.to_thread(self._lifetimes.forget, thread)
        await asyncio.to_thread(self._book.delete, thread)

    async def copy_thread(self, thread: str, to: str, metadata: Mapping[str, Any]) -> Row:
        row = await self.thread(thread)
        await self._saver.acopy_thread(thread, to)
        await self.make_thread(to, metadata, refuse=True)
        status = "idle" if row["status"] == "busy" else row["status"]
        return await asyncio.to_thread(self._book.stands, to, status, row["graph"], _now_ms())

    async def prune(self, threads: Sequence[str], strategy: Literal["keep_latest", "delete"]) -> None:
        for thread in threads:
            if strategy == "delete":
                await self.delete_thread(thread)
            else:
                self._check_free(thread)
                await self._saver.aprune([thread], strategy=strategy)

    async def keep(self, thread: str, rules: Retention) -> None:
        await self.thread(thread)
        await asyncio.to_thread(self._lifetimes.put, thread, rules)

    async def rules(self, thread: str) -> Retention | None:
        return await asyncio.to_thread(self._lifetimes.get, thread)

    async def sweep(self, now_ms: int) -> None:
        """Let go of what rules let go: those of a thread, else those of its graph, else those of this service."""
        own = await asyncio.to_thread(self._lifetimes.all)
        for thread, rules in rules_of(await self.threads(), own, self._programs, self._retention).items():
            try:
                row = await self.thread(thread)
            except UnknownThread:  # it was deleted just now
                continue
            if not all(run.ended for run in self._runs.of_thread(thread)):
                continue
            if rules.seconds is not None and now_ms - row["updated_ms"] > rules.seconds * 1000:
                stays = rules.spares_latest(waits=row["status"] in ("paused", "failed"))
                await self.prune([thread], "keep_latest" if stays else "delete")
            elif rules.max_checkpoints is not None or rules.max_bytes is not None:
                await self._saver.aprune([thread], retention=rules)

    async def _sweep_now_and_again(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            try:
                await self.sweep(_now_ms())
            except Exception:
                log.exception("threads whose time is over cannot be deleted")

    async def update(self, graph: str, thread: str, config: dict[str, Any], steps: Sequence[Any]) -> dict[str, Any]:
        self._check_free(thread)
        found: dict[str, Any] = await self._graph(graph).abulk_update_state(config, steps)
        await asyncio.to_thread(self._book.stands, thread, "idle", graph, _now_ms())
        return found

    def _check_free(self, thread: str) -> None:
        holder = self._runs.holder(thread)
        if holder is not None:
            raise ThreadBusy(thread, holder.id)

    # -- runs -----------------------------------------------------------------------------------------

    async def start(self, start: Start) -> str:
        self._graph(start.graph)
        run = self._runs.begin(start)
        if start.thread is not None:
            self._bells.ring(start.thread)
        if run.status == "queued":
            await self._kept.settled()  # from now on it is not lost
        return run.id

    def _graph(self, name: str) -> Any:
        if name not in self.graphs:
            raise UnknownGraph(name, list(self.graphs))
        return self.graphs[name]

    async def run(self, run_id: str, thread: str | None) -> Row:
        return self._runs.get(run_id, thread).row

    async def runs(self, thread: str, status: str | None = None, limit: int = 100, offset: int = 0) -> list[Row]:
        found = [run.row for run in self._runs.of_thread(thread) if status in (None, run.status)]
        return found[offset : offset + limit]

    def items(self, run_id: str, thread: str | None, wanted: Wanted) -> RunItems:
        return self._runs.get(run_id, thread).items(wanted)

    async def result(self, run_id: str, thread: str | None) -> Any:
        return await self._runs.get(run_id, thread).result()

    async def cancel(self, run_id: str, thread: str | None, *, rollback: bool) -> None:
        self._runs.stop(self._runs.get(run_id, thread), "its client asked for that", takes_back=rollback)
        await self._kept.settled()

    async def delete_run(self, run_id: str, thread: str | None) -> None:
        run = self._runs.get(run_id, thread)
        self._runs.stop(run, "it is deleted")
        await run.over()
        self._runs.forget(run)
        await self._kept.settled()

    async def assistants(self) -> dict[str, bytes]:
        return await asyncio.to_thread(self._assistants.all)

    async def assistant(self, assistant: str) -> bytes | None:
        return await asyncio.to_thread(self._assistants.get, assistant)

    async def swap_assistant(self, assistant: str, was: bytes | None, data: bytes | None) -> bool:
        return await asyncio.to_thread(self._assistants.swap, assistant, was, data)

    def bell(self, thread: str) -> Bell:
        return self._bells.bell(thread)

    async def overview(self, runs_max: int) -> Row:
        return self._runs.overview(runs_max)

    async def _drive(self, run: EmbeddedRun) -> None:
        """Run it to its end. How its thread stands then is kept before any reader hears of the end."""
        start, thread = run.start, run.start.thread
        config: dict[str, Any] = {**start.config, "run_id": run.id}
        options: dict[str, Any] = {}
        if thread is None:
            graph = self._stateless[start.graph]
        else:
            graph = self.graphs[start.graph]
            own = {"thread_id": thread, "run_id": run.id}  # by its run a checkpoint is found that is to be taken back
            config["configurable"] = {**config.get("configurable", {}), **own}
            options["durability"] = start.durability
        status = "done"
        failure: BaseException | None = None
        try:
            if thread is not None:
                metadata = config.get("metadata") or {}
                await _surely(self._book.begins, thread, run.id, start.graph, metadata, _now_ms())
                self._bells.ring(thread)  # it may have waited
            self._kept.drop(run)  # not before: a thread that is busy tells of a run that has begun
            await self._kept.settled()
            async for part in graph.astream(
                start.input,
                config,
                context=start.context,
                interrupt_before=start.stops_before,
                interrupt_after=start.stops_after,
                stream_mode=[*MODES, FACTS],
                subgraphs=True,
                version="v2",
                control=run.control,
                **options,
            ):
                run.add(part)
        except GraphDrained:  # another run has interrupted it
            status = "paused"
        except asyncio.CancelledError:
            status, failure = "cancelled", RunCancelled(run.id, run.stopped)
        except Exception as error:
            status, failure = "failed", error
        if thread is not None:
            try:
                status = await self._leave(run, thread, status)
            except Exception as error:
                status, failure = "failed", failure or error
        run.end(status, failure)

    async def _leave(self, run: EmbeddedRun, thread: str, status: str) -> str:
        """Note how the thread stands behind a run, and tell how the run has ended."""
        if run.takes_back:
            await self._saver.adelete_for_runs([run.id])
        graph = self.graphs[run.start.graph]
        snapshot = await graph.aget_state({"configurable": {"thread_id": thread}})
        if status == "done" and snapshot.next:
            status = "paused"
        stands = {"cancelled": "idle", "done": "idle"}.get(status, status)
        await asyncio.to_thread(self._book.stands, thread, stands, run.start.graph, _now_ms())
        return status


async def _surely(call: Callable[..., Any], *args: Any) -> None:
    """Call it in another thread. Who is cancelled waits for it all the same: else it would come later, out of order."""
    done = asyncio.ensure_future(asyncio.to_thread(call, *args))
    try:
        await asyncio.shield(done)
    except asyncio.CancelledError:
        await done
        raise


def _now_ms() -> int:
    return int(time.time() * 1000)
