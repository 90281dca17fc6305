"""From the machine's tasks to task messages: what a worker needs, and no more. Pure."""

from __future__ import annotations

from typing import Any

from drumline_coordinator.tasks import ROUTE, Task
from drumline_graph.constants import START
from drumline_protocol import wire
from drumline_protocol.codec import Boxed, Codec
from drumline_protocol.limits import VALUE_INLINE_BYTES_MAX
from drumline_protocol.messages import TaskMessage


class Dispatcher:
    """Builds the task messages of one run. A value too large to travel along becomes a blob, once per version."""

    __slots__ = ("_codec", "_put", "_run_id", "_shared")

    def __init__(self, codec: Codec, run_id: str, shared: Boxed) -> None:
        self._codec = codec
        self._run_id = run_id
        self._shared = shared
        self._put: set[str] = set()

    def message(self, task: Task) -> tuple[bytes, list[tuple[str, bytes]]]:
        """The encoded `TaskMessage` of a task's current attempt, and blobs that must be there before it."""
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

    def _move_out(self, task: Task, message: TaskMessage) -> list[tuple[str, bytes]]:
        blobs: list[tuple[str, bytes]] = []
        versions = task.scope.state.versions
        where = "|".join(task.scope.ns)
        for key, cell in list(message.cells.items()):
            data = self._codec.encode(cell)
            if len(data) <= VALUE_INLINE_BYTES_MAX:
                continue
            blob_id = f"{self._run_id}:{where}:{key}:{versions.get(key, 0)}"
            message.blobs[key] = blob_id
            del message.cells[key]
            if blob_id not in self._put:
                self._put.add(blob_id)
                blobs.append((blob_id, data))
        return blobs


def _cells(task: Task) -> dict[str, Any]:
    node, cells = task.node, task.scope.state.cells
    keys = set(node.router_keys)
    if not task.is_push and task.phase != ROUTE and node.name != START:
        reads = node.input_keys
        keys.update((reads,) if isinstance(reads, str) else reads)
    return {key: cells[key] for key in sorted(keys) if key in cells}
