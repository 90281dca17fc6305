"""From the machine's tasks to task messages: what a worker needs, and no more. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from drumline_coordinator.tasks import ROUTE, Task
from drumline_graph.constants import START
from drumline_protocol import wire
from drumline_protocol.codec import Boxed, Codec
from drumline_protocol.limits import BLOB_TTL_S, VALUE_INLINE_BYTES_MAX
from drumline_protocol.messages import TaskMessage
from drumline_transport.broker import BlobPut


@dataclass(slots=True)
class Parcel:
    """The encoded `TaskMessage` of an attempt, and the large values that are put, or dropped, with it."""

    data: bytes
    blobs: list[BlobPut] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of everything."""
        return len(self.data) + sum(len(blob.data) for blob in self.blobs)


class Dispatcher:
    """Builds the task messages of one run. A value too large to travel along becomes a blob, once per version.

    A version is dropped when the next one is sent: all tasks that read it are done by then. `leftovers` names the rest.
    `known` are the blobs that the run has put before, for a new owner.
    """

    __slots__ = ("_put", "_run_id", "_shared", "codec")

    def __init__(self, codec: Codec, run_id: str, shared: Boxed, known: Iterable[str] = ()) -> None:
        #: reads and writes the values of the run's graph
        self.codec = codec
        self._run_id = run_id
        self._shared = shared
        #: the blob that holds the newest version of a cell, by its id without the version
        self._put: dict[str, str] = {blob_id.rpartition(":")[0]: blob_id for blob_id in known}

    def message(self, task: Task, token: str = "") -> Parcel:
        """The message of a task's current attempt. `token` is what its executor must show with whatever it says."""
        message = TaskMessage(
            shared=self._shared,
            ns=task.scope.ns,
            node=task.name,
            task=task.id,
            attempt=task.attempt,
            step=task.scope.step,
            stop=task.scope.stop,
            path=task.path,
            triggers=task.triggers,
            phase=task.phase,
            cells=_cells(task),
            arg=task.input if task.is_push and task.phase != ROUTE else None,
            writes=task.writes if task.phase == ROUTE else None,
            token=token,
            alone=task.is_suspect,
        )
        data = wire.encode(self.codec, message)
        if len(data) <= VALUE_INLINE_BYTES_MAX:
            return Parcel(data)
        parcel = Parcel(b"")
        self._move_out(task, message, parcel)
        parcel.data = wire.encode(self.codec, message)
        return parcel

    def leftovers(self) -> list[str]:
        """The blobs that the run has put and not dropped."""
        return list(self._put.values())

    def _move_out(self, task: Task, message: TaskMessage, parcel: Parcel) -> None:
        versions, ns = task.scope.state.versions, task.scope.ns
        for key, cell in list(message.cells.items()):
            data = self.codec.encode(cell)
            if len(data) <= VALUE_INLINE_BYTES_MAX:
                continue
            name = f"{self._run_id}:{'|'.join(ns)}:{key}"
            blob_id = f"{name}:{versions.get(key, 0)}"
            message.blobs[key] = blob_id
            del message.cells[key]
            former = self._put.get(name)
            if blob_id != former:
                self._put[name] = blob_id
                parcel.blobs.append(BlobPut(self._run_id, blob_id, data, BLOB_TTL_S))
                if former is not None:
                    parcel.dropped.append(former)


#: gives the token of a new attempt: text that nobody can guess
NewToken = Callable[[], str]


def _cells(task: Task) -> dict[str, Any]:
    node, cells = task.node, task.scope.state.cells
    keys = set(node.router_keys)
    if not task.is_push and task.phase != ROUTE and node.name != START:
        reads = node.input_keys
        keys.update((reads,) if isinstance(reads, str) else reads)
    return {key: cells[key] for key in sorted(keys) if key in cells}
