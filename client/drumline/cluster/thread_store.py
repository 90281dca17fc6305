"""The threads of a cluster behind the interface that all stores of threads have (`drumline.threads.store.Threads`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from drumline.cluster.link import Link
from drumline_graph.program import Program
from drumline_protocol.checkpoints import Save, Saved, metadata_of
from drumline_protocol.history import CHECKPOINT, History, first_row_of
from drumline_protocol.ids import partition_of
from drumline_protocol.messages import ThreadSaves
from drumline_protocol.new_ids import new_run_id
from drumline_protocol.thread_rows import row_data
from drumline_protocol.threads import ThreadHead, head_in
from drumline_transport.broker import HistoryRow
from drumline_transport.thread_verbs import PAGE_MAX

#: a change that is made wherever the thread stands
ANYWHERE = "*"


class ClusterThreads:
    """Reads histories, and asks the coordinator for what is to be added to them: a client writes none.

    `graph` is the name under which the cluster serves the graph, `program` the graph, if this process holds it. Safe
    for threads; the async methods work in another thread.
    """

    is_exact = True
    #: each write waits for a coordinator
    is_fast = False

    def __init__(self, link: Link, graph: str = "", program: Program | None = None) -> None:
        self._link = link
        self._graph = graph
        self._program = program

    def partition(self, thread: str) -> int:
        """Where a thread lives."""
        return partition_of(thread, self._link.broker().partitions)

    def head(self, thread: str) -> ThreadHead | None:
        """The head of a thread; None if there is none. DecodeError, NoBroker."""
        return head_in(self._link.codec(None), thread, self._link.broker().load_thread(self.partition(thread), thread))

    def get(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:
        """A checkpoint with its pending writes; without an id the newest one. None if there is none.

        DecodeError, CellMissing, BlobMissing, NoBroker.
        """
        begin = checkpoint
        if not checkpoint:
            head = self.head(thread)
            if head is None:
                return None
            begin = head.head
        found = self._history(thread, first_row_of(begin)).get(ns, checkpoint) if begin else None
        if found is None and (ns or checkpoint):  # a graph that a node called has ids by a worker's clock
            found = self._history(thread, "-").get(ns, checkpoint)
        return found

    def history(
        self,
        thread: str,
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Iterator[Saved]:
        """Checkpoints, the newest first: those older than `before`, whose metadata has these items.

        Read page by page, as they are asked for.
        """
        wanted, left, is_head = dict(metadata or {}), limit, True
        behind: dict[str, list[HistoryRow]] = {}
        for row in self._backwards(thread):
            if row.ns != ns:
                continue
            if row.kind != CHECKPOINT:
                behind.setdefault(row.checkpoint, []).append(row)
                continue
            rows = [row, *reversed(behind.pop(row.checkpoint, ()))]
            if not before or row.checkpoint < before:
                if left is not None and left <= 0:
                    return
                saved = self._open(thread, rows).get(ns, row.checkpoint)
                if saved is not None and wanted.items() <= metadata_of(saved.checkpoint).items():
                    saved.is_head = is_head
                    yield saved
                    left = None if left is None else left - 1
            is_head = False

    def save(self, thread: str, saves: Sequence[Save], *, head: str = ANYWHERE) -> None:
        """Add these to a thread, and wait until that is done. `head`: only if its newest checkpoint is that one.

        ThreadBusy while a run holds the thread, ThreadMoved if it stands elsewhere, EncodeError, NoCoordinator.
        """
        self._send(thread, head, self.prepare(thread, saves))

    def _send(self, thread: str, head: str, prepared: Sequence[tuple[str, bytes]]) -> None:
        rows = [data for _, data in prepared]
        self._link.ask_thread(ThreadSaves(new_run_id(thread), thread, head, rows, self._graph))

    def prepare(self, thread: str, saves: Sequence[Save]) -> list[tuple[str, bytes]]:
        """These as rows, each with its thread. EncodeError."""
        codec = self._link.codec(self._program)
        codec.version = self._link.broker().protocol
        return [(thread, row_data(codec, save)) for save in saves]

    def write(self, prepared: Sequence[Any]) -> None:
        """Add rows of one thread, as `save` does."""
        if prepared:
            self._send(prepared[0][0], ANYWHERE, prepared)

    def skip(self, thread: str, saves: Sequence[Save]) -> None:
        """A cluster keeps what it is given as it is: nothing stands on what is left out."""

    def threads_for(self, program: Program, base: str) -> ClusterThreads:  # noqa: ARG002 - it reads all namespaces
        """The same with the classes that a graph names."""
        return ClusterThreads(self._link, self._graph, program)

    async def aget(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:
        """The twin of `get`."""
        import asyncio

        return await asyncio.to_thread(self.get, thread, ns, checkpoint)

    async def ahistory(
        self,
        thread: str,
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[Saved]:
        """The twin of `history`."""
        import asyncio

        found = self.history(thread, ns, before=before, limit=limit, metadata=metadata)
        while (saved := await asyncio.to_thread(next, found, None)) is not None:
            yield saved

    async def awrite(self, prepared: Sequence[Any]) -> None:
        """The twin of `write`."""
        import asyncio

        await asyncio.to_thread(self.write, prepared)

    async def asave(self, thread: str, saves: Sequence[Save], *, head: str = ANYWHERE) -> None:
        """The twin of `save`."""
        import asyncio

        await asyncio.to_thread(partial(self.save, thread, saves, head=head))

    def rows(self, thread: str) -> list[HistoryRow]:
        """All rows of a thread's history."""
        return self._rows(thread, "-")

    def _rows(self, thread: str, oldest: str) -> list[HistoryRow]:
        p, broker = self.partition(thread), self._link.broker()
        rows: list[HistoryRow] = []
        while True:
            page = broker.read_history(p, thread, oldest)
            rows += page
            if len(page) < PAGE_MAX:
                return rows
            oldest = f"({page[-1].id}"

    def _backwards(self, thread: str) -> Iterator[HistoryRow]:
        p, newest = self.partition(thread), "+"
        while True:
            page = self._link.broker().read_history(p, thread, newest=newest, backwards=True)
            yield from page
            if len(page) < PAGE_MAX:
                return
            newest = f"({page[-1].id}"

    def _history(self, thread: str, oldest: str) -> History:
        return self._open(thread, self._rows(thread, oldest))

    def _open(self, thread: str, rows: Sequence[HistoryRow]) -> History:
        read = partial(self._link.broker().read_values, self.partition(thread))
        return History(self._link.codec(self._program), thread, rows, read, resolves=True)
