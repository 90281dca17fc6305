"""Checkpoints of graphs that a task's code calls, on a worker: they travel with the task.

What an earlier run has left of them came with the task's message. What they add goes back with the task's question, or
its error; a task that has its result needs them no more. So a worker writes no thread, and a graph that asked resumes
where it asked, on whatever worker.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from drumline_graph.program import Program
from drumline_protocol.checkpoints import Checkpoint, PendingWrite, Save, Saved, merged, metadata_of
from drumline_protocol.codec import Codec
from drumline_protocol.errors import EncodeError
from drumline_protocol.history import row_data, save_in
from drumline_protocol.limits import CARRIED_BYTES_MAX


class Prepared(NamedTuple):
    """A row, or why there is none."""

    ns: str
    is_checkpoint: bool
    data: bytes | EncodeError


class CarriedThread:
    """The part of a thread that belongs to the graphs which one task's code calls (`drumline.threads.store.Threads`).

    Of each graph it has the newest checkpoint, and what was written behind that. Safe for threads.
    """

    #: writing waits for nothing
    is_fast = True

    def __init__(self, codec: Codec, rows: Sequence[bytes]) -> None:
        self._codec = codec
        self._came = rows
        #: rows by namespace, the checkpoint first; None: those that came were not read yet
        self._rows: dict[str, list[bytes]] | None = None
        self._changed: set[str] = set()
        self._fault: EncodeError | None = None
        self._lock = threading.Lock()

    def rows(self) -> list[bytes]:
        """What is to go back. EncodeError for what cannot, and for more than `CARRIED_BYTES_MAX`."""
        with self._lock:
            if self._fault is not None:
                raise self._fault
            rows = [row for ns, rows in (self._rows or {}).items() if ns in self._changed for row in rows]
        size = sum(map(len, rows))
        if size > CARRIED_BYTES_MAX:
            raise EncodeError(
                "checkpoints",
                "bytes",
                f"the states of graphs that the node calls take {size} bytes; the limit is {CARRIED_BYTES_MAX}. Make a "
                "graph that asks a node of its caller, or keep less in its state",
            )
        return rows

    def get(self, thread: str, ns: str, checkpoint: str = "") -> Saved | None:  # noqa: ARG002 - it is of one thread
        """The newest checkpoint of a graph; an older one is not here."""
        with self._lock:
            rows = self._read().get(ns)
        if not rows:
            return None
        found = save_in(self._codec, rows[0])
        if not isinstance(found, Checkpoint) or (checkpoint and checkpoint != found.id):
            return None
        pending: list[PendingWrite] = []
        for row in rows[1:]:
            saved = save_in(self._codec, row)
            if not isinstance(saved, Checkpoint):
                pending = merged(pending, saved)
        return Saved(found, pending)

    def history(
        self,
        thread: str,
        ns: str,
        *,
        before: str = "",
        limit: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Iterator[Saved]:
        """The newest checkpoint, if it is asked for."""
        found = self.get(thread, ns)
        if found is None or limit == 0 or (before and found.checkpoint.id >= before):
            return
        if (metadata or {}).items() <= metadata_of(found.checkpoint).items():
            yield found

    def prepare(self, thread: str, saves: Sequence[Save]) -> Sequence[Prepared]:  # noqa: ARG002
        """These as rows, encoded as they are now. What cannot be encoded is told when it is to go back."""
        prepared: list[Prepared] = []
        for save in saves:
            data: bytes | EncodeError
            try:
                data = row_data(self._codec, save)
            except EncodeError as error:
                data = error
            prepared.append(Prepared(save.ns, isinstance(save, Checkpoint), data))
        return prepared

    def write(self, prepared: Sequence[Any]) -> None:
        """Keep these."""
        with self._lock:
            known = self._read()
            for row in prepared:
                if isinstance(row.data, EncodeError):
                    self._fault = row.data
                    continue
                self._changed.add(row.ns)
                if row.is_checkpoint:
                    known[row.ns] = [row.data]
                else:
                    known.setdefault(row.ns, []).append(row.data)

    def skip(self, thread: str, saves: Sequence[Save]) -> None:
        """All that is saved goes back with the task: nothing stands on what is left out."""

    def save(self, thread: str, saves: Sequence[Save]) -> None:
        """Keep these, as they are now."""
        self.write(self.prepare(thread, saves))

    def threads_for(self, program: Program, base: str) -> CarriedThread:  # noqa: ARG002
        """The same for a graph that is called: they share what travels."""
        return self

    def _read(self) -> dict[str, list[bytes]]:
        if self._rows is None:
            self._rows = {}
            for data in self._came:
                save = save_in(self._codec, data)
                if isinstance(save, Checkpoint):
                    self._rows[save.ns] = [data]
                else:
                    self._rows.setdefault(save.ns, []).append(data)
        return self._rows

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
