"""Checkpoints of graphs that a task's code calls, on a worker: they travel with the task.

What an earlier run has left of them came with the task's message. What they add goes back with the task's answer. So a
worker writes no thread, and a graph that asked resumes where it asked, on whatever worker.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from drumline_graph.program import Program
from drumline_protocol.checkpoints import Checkpoint, PendingWrite, Save, Saved, merged, metadata_of
from drumline_protocol.codec import Codec
from drumline_protocol.errors import EncodeError
from drumline_protocol.graph_paths import has_one_history, is_of_run
from drumline_protocol.limits import CARRIED_BYTES_MAX
from drumline_protocol.thread_rows import row_data, save_in


class Prepared(NamedTuple):
    """A row, or why there is none."""

    ns: str
    checkpoint: str
    is_checkpoint: bool
    data: bytes | EncodeError


class CarriedThread:
    """The part of a thread that belongs to the graphs which one task's code calls (`drumline.threads.store.Threads`).

    It has what came with the task, and what was added since. Safe for threads.
    """

    is_exact = True
    #: writing waits for nothing
    is_fast = True

    def __init__(self, codec: Codec, rows: Sequence[bytes]) -> None:
        self._codec = codec
        self._came = rows
        #: by namespace: each checkpoint, by its id, with the row that holds it and those behind; None: not read yet
        self._kept: dict[str, dict[str, list[bytes]]] | None = None
        self._added: list[Prepared] = []
        self._lock = threading.Lock()

    def rows(self, *, ended: bool = False) -> list[bytes]:
        """What is to go back: all that was added, or, if that is more than `CARRIED_BYTES_MAX`, the newest checkpoints.

        EncodeError if those cannot, or if more than the bound would travel with the task when it runs again. `ended`:
        it has its result, and runs no more. Then only graphs with one history for all their calls count, for the next
        call goes on from there, and what cannot go back of others is left out.
        """
        if not self._added:
            return []
        with self._lock:
            added = [row for row in self._added if not (ended and is_of_run(row.ns))]
            size = sum(
                len(row)
                for ns, kept in self._read().items()
                for row in (kept[max(kept)] if kept and (not ended or has_one_history(ns)) else ())
            )
        if size > CARRIED_BYTES_MAX:
            raise EncodeError(
                "checkpoints",
                "bytes",
                f"the states of graphs that the node calls take {size} bytes; the limit is {CARRIED_BYTES_MAX}. Make a "
                "graph that asks a node of its caller, or keep less in its state",
            )
        newest = _newest(added)
        needed = [row for row in newest if not ended or has_one_history(row.ns)]
        for row in needed:
            if isinstance(row.data, EncodeError):
                raise row.data
        return next(_data(some) for some in (added, newest, needed) if some is needed or _fit(some))

    def get(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:  # noqa: ARG002 - it is of one thread
        """A checkpoint of a graph; without an id the newest one. None if it is not here."""
        with self._lock:
            found = self._read().get(ns)
            rows = None if not found else found.get(checkpoint or max(found))
            newest = max(found, default="") if found else ""
        return None if not rows else self._open(rows, newest)

    def namespaces(self) -> list[str]:
        """The namespaces of all that is here."""
        with self._lock:
            return list(self._read())

    def history(
        self,
        thread: str,  # noqa: ARG002
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Iterator[Saved]:
        """Checkpoints, the newest first: those older than `before`, whose metadata has these items."""
        with self._lock:
            found = {id_: list(rows) for id_, rows in self._read().get(ns, {}).items()}
        newest, left = max(found, default=""), limit
        for id_ in sorted(found, reverse=True):
            if left is not None and left <= 0:
                return
            saved = None if before and id_ >= before else self._open(found[id_], newest)
            if saved is not None and (metadata or {}).items() <= metadata_of(saved.checkpoint).items():
                yield saved
                left = None if left is None else left - 1

    def _open(self, rows: Sequence[bytes], newest: str) -> Saved | None:
        found = save_in(self._codec, rows[0])
        if not isinstance(found, Checkpoint):
            return None
        pending: list[PendingWrite] = []
        for row in rows[1:]:
            saved = save_in(self._codec, row)
            if not isinstance(saved, Checkpoint):
                pending = merged(pending, saved)
        return Saved(found, pending, found.id == newest)

    def prepare(self, thread: str, saves: Sequence[Save]) -> Sequence[Prepared]:  # noqa: ARG002
        """These as rows, encoded as they are now. What cannot be encoded is told when it is to go back."""
        prepared: list[Prepared] = []
        for save in saves:
            data: bytes | EncodeError
            try:
                data = row_data(self._codec, save)
            except EncodeError as error:
                data = error
            is_checkpoint = isinstance(save, Checkpoint)
            id_ = save.id if isinstance(save, Checkpoint) else save.checkpoint
            prepared.append(Prepared(save.ns, id_, is_checkpoint, data))
        return prepared

    def write(self, prepared: Sequence[Any]) -> None:
        """Keep these."""
        with self._lock:
            known = self._read()
            for row in prepared:
                self._added.append(row)
                if isinstance(row.data, bytes):
                    _put(known, row.ns, row.checkpoint, row.data, is_checkpoint=row.is_checkpoint)

    def skip(self, thread: str, saves: Sequence[Save]) -> None:
        """All that is saved goes back with the task: nothing stands on what is left out."""

    def save(self, thread: str, saves: Sequence[Save]) -> None:
        """Keep these, as they are now."""
        self.write(self.prepare(thread, saves))

    def threads_for(self, program: Program, base: str) -> CarriedThread:  # noqa: ARG002
        """The same for a graph that is called: they share what travels."""
        return self

    def _read(self) -> dict[str, dict[str, list[bytes]]]:
        if self._kept is None:
            self._kept = {}
            for data in self._came:
                save = save_in(self._codec, data)
                is_checkpoint = isinstance(save, Checkpoint)
                id_ = save.id if isinstance(save, Checkpoint) else save.checkpoint
                _put(self._kept, save.ns, id_, data, is_checkpoint=is_checkpoint)
        return self._kept

    async def aget(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:
        """The twin of `get`."""
        return self.get(thread, ns, checkpoint)

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
        for found in self.history(thread, ns, before=before, limit=limit, metadata=metadata):
            yield found

    async def awrite(self, prepared: Sequence[Any]) -> None:
        """The twin of `write`."""
        self.write(prepared)

    async def asave(self, thread: str, saves: Sequence[Save]) -> None:
        """The twin of `save`."""
        self.save(thread, saves)


def _put(
    kept: dict[str, dict[str, list[bytes]]], ns: str, checkpoint: str, data: bytes, *, is_checkpoint: bool
) -> None:
    known = kept.setdefault(ns, {})
    if is_checkpoint:
        known[checkpoint] = [data]
    elif checkpoint in known:
        known[checkpoint].append(data)


def _newest(rows: Sequence[Prepared]) -> list[Prepared]:
    """Of each graph the newest checkpoint, and what was written behind it."""
    newest = {row.ns: row.checkpoint for row in rows if row.is_checkpoint}
    return [row for row in rows if newest.get(row.ns, row.checkpoint) == row.checkpoint]


def _fit(rows: Sequence[Prepared]) -> bool:
    """Whether all of these may go back."""
    return all(isinstance(row.data, bytes) for row in rows) and sum(map(len, _data(rows))) <= CARRIED_BYTES_MAX


def _data(rows: Sequence[Prepared]) -> list[bytes]:
    return [row.data for row in rows if isinstance(row.data, bytes)]
