"""`Cluster.threads` and `Cluster.interrupts`: which threads a cluster has, and what waits in them for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from heapq import merge
from typing import Any, Literal, TypeVar

from drumline.cluster.link import Link
from drumline.cluster.thread_runs import runs_of_thread
from drumline.cluster.thread_store import ClusterThreads
from drumline.threads.loading import load, read, run_loading
from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.program import Program
from drumline_protocol.checkpoints import outcomes
from drumline_protocol.errors import ThreadMismatch, UnknownThread
from drumline_protocol.history import History
from drumline_protocol.messages import DeleteThread, DescribeThread, PruneThread
from drumline_protocol.new_ids import new_run_id
from drumline_protocol.retention import KEEP_LATEST, Retention, retention_in
from drumline_protocol.thread_rows import save_in
from drumline_protocol.threads import FAILED, PAUSED, ThreadHead

T = TypeVar("T")

#: threads of a partition that one look brings
_PAGE = 100


#: what is told of several threads, or of what waits in them
Rows = list[dict[str, Any]]

Texts = list[str]

#: (thread, run) of what waits in a partition, in order
Waiting = list[tuple[str, str]]
Queues = dict[int, Waiting]


class ThreadsOfCluster:
    """The threads of a cluster. Get it as `cluster.threads`."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._store = ClusterThreads(link)

    def get(self, thread_id: str) -> dict[str, Any]:
        """What is known of a thread. UnknownThread.

        `{"thread_id", "status", "graph", "run_id", "queued", "checkpoint_id", "metadata", "created_ms", "updated_ms"}`:
        the status is "idle", "busy", "paused" (a question or a breakpoint) or "failed"; `run_id` is the run that holds
        it or held it last, `queued` are those that wait for it, in order. `updated_ms` follows a run once a second.
        """
        head = self._store.head(thread_id)
        if head is None:
            raise UnknownThread(thread_id)
        return self._told(head)

    def create(
        self,
        thread_id: str,
        metadata: Mapping[str, Any] | None = None,
        *,
        if_exists: Literal["raise", "do_nothing"] = "raise",
    ) -> dict[str, Any]:
        """Make a thread before any run is on it; what is known of it, as `get` tells.

        ThreadExists if it is there already; with `if_exists="do_nothing"` it is left as it is. The first run on a
        thread that nobody has made makes it too.
        """
        if if_exists not in ("raise", "do_nothing"):
            raise ValueError(f"if_exists is 'raise' or 'do_nothing', not {if_exists!r}")
        if_there = "refuse" if if_exists == "raise" else "leave"
        self._link.ask_thread(DescribeThread(new_run_id(thread_id), thread_id, dict(metadata or {}), if_there))
        return self.get(thread_id)

    def update(self, thread_id: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """Add to the metadata of a thread, whether a run holds it or not; what is known of it then. UnknownThread."""
        self._link.ask_thread(DescribeThread(new_run_id(thread_id), thread_id, dict(metadata)))
        return self.get(thread_id)

    def runs(self, thread_id: str, *, status: str | None = None, limit: int | None = 100, offset: int = 0) -> Rows:
        """Runs of a thread whose records are still there, the newest first: those of that status.

        `{"run_id", "graph", "status", "created_ms", "began_ms", "metadata"}` each; the status is one of
        `Cluster.status`, the metadata are those of the run's config. A run that waits is as old as its request, and
        from then on as its beginning.
        """
        found = [row for row in runs_of_thread(self._link, thread_id) if status is None or row["status"] == status]
        return found[offset:] if limit is None else found[offset : offset + limit]

    def list(
        self,
        *,
        status: str | None = None,
        graph: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        limit: int | None = 100,
        offset: int = 0,
    ) -> Rows:
        """Threads, as `get` tells of them, those that changed last first: of that status and graph, whose metadata has
        these items.
        """
        found: list[dict[str, Any]] = []
        queues: Queues = {}
        for head in self._heads(status, graph, metadata):
            if offset > 0:
                offset -= 1
                continue
            if limit is not None and len(found) >= limit:
                break
            found.append(self._told(head, queues))
        return found

    def search(self, **given: Any) -> Rows:
        """The same as `list`, as LangGraph's SDK names it."""
        return self.list(**given)

    def delete(self, thread_id: str) -> None:
        """Delete a thread, and all that was kept of it and of its runs; an open one ends. Returns when it is gone.

        A thread that is not there is as good as deleted.
        """
        self._link.ask_thread(DeleteThread(new_run_id(thread_id), thread_id))

    def prune(
        self,
        thread_ids: Sequence[str],
        *,
        strategy: Literal["keep_latest", "delete"] = "keep_latest",
        retention: Retention | None = None,
    ) -> None:
        """Keep the newest checkpoint of each of these threads, or nothing (`strategy="delete"`), or what `retention`
        keeps of them. Returns when the rest is gone.

        What stays can be read, forked and gone on from. Logs of runs that began before it go too. A thread that is not
        there is as good as pruned. ThreadBusy while a run holds a thread, or waits for it: those before it are pruned.
        """
        if strategy not in ("keep_latest", "delete"):
            raise ValueError(f"unknown strategy {strategy!r} of prune: it is 'keep_latest' or 'delete'")
        rules = (retention or KEEP_LATEST).as_dict()
        for thread in map(str, thread_ids):
            if strategy == "delete":
                self.delete(thread)
            else:
                self._link.ask_thread(PruneThread(new_run_id(thread), thread, rules))

    def retain(self, thread_id: str, retention: Retention | None) -> None:
        """From now on a thread has rules of its own, which coordinators follow in place of its graph's and the
        cluster's; None: no more. UnknownThread.
        """
        rules = {} if retention is None else retention.as_dict()
        self._link.ask_thread(PruneThread(new_run_id(thread_id), thread_id, rules, own=True))

    def retention(self, thread_id: str) -> Retention | None:
        """The rules of its own that a thread has; None: it has none. UnknownThread."""
        head = self._store.head(thread_id)
        if head is None:
            raise UnknownThread(thread_id)
        return retention_in(head.retention)

    async def aretention(self, thread_id: str) -> Retention | None:
        """The twin of `retention` for an event loop."""
        return await _in_thread(self.retention, thread_id)

    async def aprune(
        self,
        thread_ids: Sequence[str],
        *,
        strategy: Literal["keep_latest", "delete"] = "keep_latest",
        retention: Retention | None = None,
    ) -> None:
        """The twin of `prune` for an event loop."""
        await _in_thread(self.prune, thread_ids, strategy=strategy, retention=retention)

    async def aretain(self, thread_id: str, retention: Retention | None) -> None:
        """The twin of `retain` for an event loop."""
        await _in_thread(self.retain, thread_id, retention)

    def copy(self, thread_id: str, to: str) -> None:
        """Copy the history of a thread to a new one. UnknownThread, ThreadMoved if `to` has a history."""
        head = self._store.head(thread_id)
        if head is None:
            raise UnknownThread(thread_id)
        rows = self._store.rows(thread_id)
        p, broker, codec = self._store.partition(thread_id), self._link.broker(), self._link.codec(None)
        history = History(
            codec, thread_id, rows, lambda cells, blobs: broker.read_values(p, cells, blobs), resolves=True
        )
        saves = []
        for row in rows:
            save = save_in(codec, row.data)
            saves.append(history.whole(save))
        ClusterThreads(self._link, head.graph).save(to, saves, head="")

    async def aget(self, thread_id: str) -> dict[str, Any]:
        """The twin of `get` for an event loop."""
        return await _in_thread(self.get, thread_id)

    async def acreate(
        self,
        thread_id: str,
        metadata: Mapping[str, Any] | None = None,
        *,
        if_exists: Literal["raise", "do_nothing"] = "raise",
    ) -> dict[str, Any]:
        """The twin of `create` for an event loop."""
        return await _in_thread(self.create, thread_id, metadata, if_exists=if_exists)

    async def aupdate(self, thread_id: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
        """The twin of `update` for an event loop."""
        return await _in_thread(self.update, thread_id, metadata)

    async def aruns(
        self, thread_id: str, *, status: str | None = None, limit: int | None = 100, offset: int = 0
    ) -> Rows:
        """The twin of `runs` for an event loop."""
        return await _in_thread(self.runs, thread_id, status=status, limit=limit, offset=offset)

    async def alist(
        self,
        *,
        status: str | None = None,
        graph: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        limit: int | None = 100,
        offset: int = 0,
    ) -> Rows:
        """The twin of `list` for an event loop."""
        return await _in_thread(self.list, status=status, graph=graph, metadata=metadata, limit=limit, offset=offset)

    async def asearch(self, **given: Any) -> Rows:
        """The twin of `search` for an event loop."""
        return await _in_thread(self.list, **given)

    async def adelete(self, thread_id: str) -> None:
        """The twin of `delete` for an event loop."""
        await _in_thread(self.delete, thread_id)

    async def acopy(self, thread_id: str, to: str) -> None:
        """The twin of `copy` for an event loop."""
        await _in_thread(self.copy, thread_id, to)

    async def ainterrupts(self, *, graph: str | None = None, older_than: float | None = None) -> Rows:
        """The twin of `interrupts` for an event loop."""
        return await _in_thread(self.interrupts, graph=graph, older_than=older_than)

    def interrupts(self, *, graph: str | None = None, older_than: float | None = None) -> Rows:
        """Questions that wait for an answer, in all threads; the oldest first.

        `{"thread_id", "graph", "run_id", "since_ms", "interrupt"}` each. `older_than`: those that have waited for so
        many seconds.
        """
        found: list[dict[str, Any]] = []
        before = None if older_than is None else self._link.broker().time_ms() - older_than * 1000
        for head in self._heads(PAUSED, graph, None):
            if before is not None and head.updated_ms > before:
                continue
            saved = self._store.get(head.id, "")
            for outcome in outcomes(() if saved is None else saved.pending).values():
                for question in outcome.open_interrupts:
                    told = {"thread_id": head.id, "graph": head.graph, "run_id": head.run, "since_ms": head.updated_ms}
                    found.append({**told, "interrupt": question})
        return sorted(found, key=lambda row: row["since_ms"])

    def stale(self, graphs: Mapping[str, Any], *, graph: str | None = None) -> Rows:
        """Threads that wait and that the graphs of today cannot go on with, as `get` tells of them, with
        `"why": [str]`: what is missing. `graphs`: compiled graphs by the names under which they are served; threads of
        others are left out.
        """
        found: list[dict[str, Any]] = []
        for head in self._heads(None, graph, None):
            if head.status in (PAUSED, FAILED) and head.graph in graphs:
                why = self._mismatch(head, graphs[head.graph].program)
                if why:
                    found.append({**self._told(head), "why": why})
        return found

    async def astale(self, graphs: Mapping[str, Any], *, graph: str | None = None) -> Rows:
        """The twin of `stale` for an event loop."""
        return await _in_thread(self.stale, graphs, graph=graph)

    def _mismatch(self, head: ThreadHead, program: Program) -> Texts:
        store = ClusterThreads(self._link, head.graph, program)
        try:
            run_loading(load(program, ThreadRun(head.id), "", None), partial(read, store, head.id))
        except ThreadMismatch as error:
            return [f"{text} (at {error.ns!r})" if error.ns else text for text in error.differences]
        return []

    def _heads(self, status: str | None, graph: str | None, metadata: Mapping[str, Any] | None) -> Iterator[ThreadHead]:
        wanted = dict(metadata or {})
        partitions = [self._names(p) for p in range(self._link.broker().partitions)]
        for _, thread in merge(*partitions, key=lambda row: -row[0]):
            head = self._store.head(thread)
            if head is None or (status is not None and head.status != status):
                continue
            if (graph is None or head.graph == graph) and wanted.items() <= head.metadata.items():
                yield head

    def _names(self, p: int) -> Iterator[tuple[int, str]]:
        start = 0
        while rows := self._link.broker().list_threads(p, start, _PAGE):
            yield from ((at_ms, thread) for thread, at_ms in rows)
            start += len(rows)

    def _queue(self, p: int) -> Waiting:
        waiting: Waiting = []
        after = "-"
        while rows := self._link.broker().read_queue(p, after):
            waiting += [(row.thread, row.run_id) for row in rows]
            after = rows[-1].id
        return waiting

    def _told(self, head: ThreadHead, queues: Queues | None = None) -> dict[str, Any]:
        """What is told of a thread. `queues` are those that were read for others."""
        p, queues = self._store.partition(head.id), {} if queues is None else queues
        if p not in queues:
            queues[p] = self._queue(p)
        return {
            "thread_id": head.id,
            "status": head.status,
            "graph": head.graph,
            "run_id": head.run,
            "queued": [run for thread, run in queues[p] if thread == head.id],
            "checkpoint_id": head.head,
            "metadata": head.metadata,
            "created_ms": head.created_ms,
            "updated_ms": head.updated_ms,
        }


async def _in_thread(call: Callable[..., T], *args: Any, **given: Any) -> T:
    import asyncio  # only callers that have a loop pay for it

    return await asyncio.to_thread(call, *args, **given)
