"""From the machine's tasks to task messages: what a worker needs, and no more. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drumline_coordinator.calling import first_call
from drumline_coordinator.cells import Kept
from drumline_coordinator.tasks import ROUTE, Task
from drumline_graph.constants import START
from drumline_protocol import wire
from drumline_protocol.cells import CellAt, cell_name
from drumline_protocol.codec import Boxed, Codec
from drumline_protocol.failure import describe
from drumline_protocol.messages import TaskMessage, TaskThread


class Dispatcher:
    """Builds the task messages of one run. They name the cells that are kept, and carry the others."""

    __slots__ = ("_shared", "codec")

    def __init__(self, codec: Codec, shared: Boxed) -> None:
        #: reads and writes the values of the run's graph
        self.codec = codec
        self._shared = shared

    @property
    def shared(self) -> bytes:
        """What all messages have in common, as the run's record holds it too."""
        return self._shared.data

    def message(self, task: Task, token: str = "", below: TaskThread | None = None, sent_in: str = "") -> bytes:
        """The encoded message of a task's current attempt. `token` is what its executor must show with all it says.

        `below` says where it stands on the run's thread, `sent_in` is the span in which it is sent.
        """
        cells, named = _cells(task)
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
            cells=cells,
            arg=task.input if task.is_push and task.phase != ROUTE else None,
            writes=task.writes if task.phase == ROUTE else None,
            token=token,
            alone=task.is_suspect,
            named=named,
            answers=list(task.answers),
            below=below,
            tries=task.tries,
            first_ms=task.first_ms,
            called=task.called,
            failed=task.failed,
            timeout=task.sent_timeout,
            code=task.code,
            callers=() if task.caller is None else task.callers,
            calls_from=first_call(task) if task.scope.left else task.calls_from,
            error=describe(task.error, self.codec, "by the coordinator")
            if isinstance(task.error, BaseException)
            else task.error,
            sent_in=sent_in,
            called_in=1 if task.caller is None else task.caller.attempt,
        )
        return wire.encode(self.codec, message)


#: gives the token of a new attempt: text that nobody can guess
NewToken = Callable[[], str]


def _cells(task: Task) -> tuple[dict[str, Any], dict[str, tuple[str, int, int]]]:
    """What the node and its routers read: cells themselves, and versions of cells."""
    node, scope = task.node, task.scope
    keys = set(node.router_keys)
    if not task.is_push and task.phase != ROUTE and node.name != START:
        reads = scope.program.nodes[task.failed].input_keys if task.failed else node.input_keys
        keys.update((reads,) if isinstance(reads, str) else reads)
    cells = scope.state.cells
    found = {key: cells[key] for key in sorted(keys) if key in cells}
    named: dict[str, tuple[str, int, int]] = {}
    if scope.kept:
        for key in [key for key in found if key in scope.kept]:
            kept = scope.kept[key]
            if type(kept) is Kept:
                named[key] = CellAt(cell_name(scope.ns, key), kept.version, kept.base)
                del found[key]
            else:
                found[key] = kept  # the name of a blob
    return found, named
