"""Error handlers: a task that has failed for good is followed by one more task of the same superstep. Pure.

The handler gets what the failed node got, and the error. What it writes counts in place of what the node would have
written. Questions and commands for the graph above are no errors, and come to no handler.
"""

from __future__ import annotations

from typing import Any

from drumline_coordinator.machine import Machine
from drumline_coordinator.tasks import Task
from drumline_graph.errors import NoParentGraph
from drumline_graph.superstep import path_key_of
from drumline_protocol.checkpoints import ERROR, ERROR_SOURCE, Outcome
from drumline_protocol.facts import ErrorHandled
from drumline_protocol.ids import task_id

#: what stands at the end of a handler's path, behind the place of the failed task
HANDLER_PATH = ("node_error_handler", False)


def catcher_of(task: Task, error: Any) -> Task | None:
    """The task whose handler gets the error of `task`: its own, or that of a node around it; None: nobody's."""
    if isinstance(error, NoParentGraph):
        return None
    current: Task | None = task
    while current is not None and not current.node.handler:
        current = current.scope.parent
    return current


def begin_handler(machine: Machine, failed: Task, error: Any) -> Task:
    """The handler of a failed task becomes a task of the open superstep."""
    scope = failed.scope
    path = (*failed.path[:3], *HANDLER_PATH)
    base = scope.checkpoint or machine.id
    id_ = task_id(base, scope.ns, scope.step, path_key_of(path))
    machine.emit(ErrorHandled(scope.ns, failed.id, id_, failed.node.handler, path, error, machine.now_ms))
    return scope.tasks[id_]


def what_failed(task: Task, text: str, *, handled: bool) -> list[tuple[str, Any]]:
    """What a thread keeps of a task that has failed."""
    return [(ERROR, text), *([(ERROR_SOURCE, task.name)] if handled else [])]


def resume_handler(machine: Machine, task: Task, outcome: Outcome | None) -> Task | None:
    """The handler of a task that had failed in an earlier run of the thread; None if no handler had got its error."""
    if outcome is None or not outcome.source or outcome.has_ended or not task.node.handler:
        return None
    return begin_handler(machine, task, Exception(str(outcome.error)))
