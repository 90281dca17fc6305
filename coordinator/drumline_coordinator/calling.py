"""Calls of `@task`s: the code of a task has one more task run in its superstep, and waits for the result. Pure.

The id of such a task follows from the caller's path and the number of the call, so that a caller which runs again, from
its first line, finds what its calls have become: calls that have ended are answered at once, in this run from its state
and on a thread from what an earlier run has left. What differs between the two runs is refused at the call.
"""

from __future__ import annotations

from drumline_coordinator.attempts import is_heard, sent_attempt
from drumline_coordinator.machine import Machine
from drumline_coordinator.nesting import fail_task
from drumline_coordinator.resuming import take_up
from drumline_coordinator.tasks import DONE, OPEN, Task
from drumline_graph.constants import PUSH
from drumline_graph.errors import NotDeterministic
from drumline_graph.superstep import path_key_of
from drumline_protocol.facts import TaskCalled
from drumline_protocol.ids import task_id
from drumline_protocol.task_calls import TaskCall


def call_id(caller: Task, index: int, base: str) -> str:
    """The id of a call. `base` is the run's id; on a thread the checkpoint stands in its place."""
    scope = caller.scope
    path = (PUSH, caller.path, index, True)
    return task_id(scope.checkpoint or base, scope.ns, scope.step, path_key_of(path))


def first_call(caller: Task) -> int:
    """The number of the first call of the open attempt of a task.

    Each try has calls of its own, as in LangGraph. A caller that a thread resumes goes on with those of its last try.
    """
    left = caller.scope.left.get(caller.id)
    return caller.calls_from or (0 if left is None else left.calls_from)


def on_call(machine: Machine, event: TaskCall) -> None:
    """One more task of the open superstep, unless the caller has made the call before."""
    caller = sent_attempt(machine, event)
    if caller is None or not is_heard(caller, event.executor):
        return
    scope, state = caller.scope, machine.state
    id_ = call_id(caller, event.index, machine.id)
    known = state.tasks.get(id_)
    if known is not None and (known.status is DONE or known.status in OPEN):
        return  # an attempt before this one has made the call
    name, path = event.node.name, (PUSH, caller.path, event.index, True)
    machine.emit(TaskCalled(scope.ns, id_, caller.id, name, path, event.args, machine.now_ms, event.call, event.node))
    task, left = state.tasks[id_], scope.left.get(id_)
    if left is not None and left.call and event.call and left.call != event.call:
        told = _told(left.call, event.call), _told(event.call, left.call)
        fail_task(machine, task, NotDeterministic(caller.name, event.index, *told))
    elif machine.thread is not None and scope.lasts:
        take_up(machine, task, left)


def _told(call: tuple[str, ...], other: tuple[str, ...]) -> str:
    """One of two calls that differ, for a reader."""
    return repr(call[0]) if call[0] != other[0] else f"{call[0]!r} with arguments of digest {' '.join(call[1:])}"
