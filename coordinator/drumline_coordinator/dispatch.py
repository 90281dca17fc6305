"""From the machine's tasks to task messages: what a worker needs, and no more. Pure."""

from __future__ import annotations

from typing import Any

from drumline_coordinator.tasks import ROUTE, Task
from drumline_graph.constants import START
from drumline_protocol import wire
from drumline_protocol.codec import Boxed, Codec
from drumline_protocol.limits import BLOB_TTL_S, VALUE_INLINE_BYTES_MAX
from drumline_protocol.messages import TaskMessage

#: blob id, value, seconds to keep
Blob = tuple[str, bytes, int]


class Dispatcher:
    """Builds the task messages of one run. A value too large to travel along becomes a blob, once per version.

    A version is dropped when the next one is sent: all tasks that read it are done by then. `leftovers` drops the rest.
    """

    __slots__ = ("_codec", "_put", "_run_id", "_shared")

    def __init__(self, codec: Codec, run_id: str, shared: Boxed) -> None:
        self._codec = codec
        self._run_id = run_id
        self._shared = shared
        #: the blob that holds the newest version of a cell, by namespace and key
        self._put: dict[tuple[tuple[str, ...], str], str] = {}

    def message(self, task: Task) -> tuple[bytes, list[Blob]]:
        """The encoded `TaskMessage` of a task's current attempt, and the blobs to put (or drop) with it."""
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
        )
        data = wire.encode(self._codec, message)
        if len(data) <= VALUE_INLINE_BYTES_MAX:
            return data, []
        blobs = self._move_out(task, message)
        return wire.encode(self._codec, message), blobs

    def leftovers(self) -> list[Blob]:
        """The run is over: drop what it left."""
        return [_dropped(blob_id) for blob_id in self._put.values()]

    def _move_out(self, task: Task, message: TaskMessage) -> list[Blob]:
        blobs: list[Blob] = []
        versions, ns = task.scope.state.versions, task.scope.ns
        for key, cell in list(message.cells.items()):
            data = self._codec.encode(cell)
            if len(data) <= VALUE_INLINE_BYTES_MAX:
                continue
            blob_id = f"{self._run_id}:{'|'.join(ns)}:{key}:{versions.get(key, 0)}"
            message.blobs[key] = blob_id
            del message.cells[key]
            former = self._put.get((ns, key))
            if blob_id != former:
                self._put[ns, key] = blob_id
                blobs.append((blob_id, data, BLOB_TTL_S))
                if former is not None:
                    blobs.append(_dropped(former))
        return blobs


def _dropped(blob_id: str) -> Blob:
    return blob_id, b"", 1


def _cells(task: Task) -> dict[str, Any]:
    node, cells = task.node, task.scope.state.cells
    keys = set(node.router_keys)
    if not task.is_push and task.phase != ROUTE and node.name != START:
        reads = node.input_keys
        keys.update((reads,) if isinstance(reads, str) else reads)
    return {key: cells[key] for key in sorted(keys) if key in cells}
