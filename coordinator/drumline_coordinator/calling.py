"""Calls of `@task`s: the code of a task has one more task run in its superstep, and waits for the result. Pure.

The id of such a task follows from the caller's path and the number of the call, so that a caller which runs again, from
its first line, finds what its calls have become: calls that have ended are answered at once, in this run from its state
and on a thread from what an earlier run has left. What differs between the two runs is refused at the call.
"""

from __future__ import annotations

from typing import Any

from drumline_coordinator.attempts import is_heard, lose, sent_attempt
from drumline_coordinator.machine import Machine
from drumline_coordinator.nesting import fail_call, fail_task
from drumline_coordinator.resuming import take_up
from drumline_coordinator.task_ends import tell_caller, withdraw
from drumline_coordinator.tasks import DONE, FAILED, INTERRUPTED, OPEN, Task
from drumline_graph.constants import PUSH
from drumline_graph.errors import NotDeterministic
from drumline_graph.superstep import path_key_of
from drumline_protocol.facts import TaskCalled
from drumline_protocol.ids import task_id
from drumline_protocol.messages import CallEnded, TaskCall
from drumline_protocol.named import Named


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
    """One more task of the open superstep, unless the caller has made the call before; or the end of one.

    With an error it is nothing but its end: the caller does not wait for it any more.
    """
    caller = sent_attempt(machine, event)
    if caller is None:
        return
    if not is_heard(caller, event.executor):  # it would wait for ever: nobody answers it
        lose(machine, caller, f"{event.executor} called a task in it, but another worker was heard first")
        return
    if event.events > caller.n:
        lose(machine, caller, f"events {caller.n + 1} to {event.events} of it were lost on their way")
        return
    id_ = call_id(caller, event.index, machine.id)
    known = machine.state.tasks.get(id_)
    if event.error is not None:
        if known is not None and known.status in OPEN:
            _cancel(machine, known, event.error)
        return
    if known is not None:
        _call_again(machine, known, event)
        return
    scope, path = caller.scope, (PUSH, caller.path, event.index, True)
    if type(event.args) is Named:
        machine.fx.named.append(event.args.blob)
    machine.emit(
        TaskCalled(
            scope.ns,
            id_,
            caller.id,
            event.name,
            path,
            event.args,
            machine.now_ms,
            event.call,
            event.code,
            event.params,
            event.node,
        )
    )
    task, left = machine.state.tasks[id_], scope.left.get(id_)
    if left is not None and differ(left.call, event.call):
        fail_task(machine, task, _not_deterministic(caller, event, left.call))
    elif machine.thread is not None and scope.lasts and take_up(machine, task, left):
        assert left is not None
        tell_caller(machine, task, writes=left.output)


def _cancel(machine: Machine, task: Task, error: Any) -> None:
    """The task of a call that was cancelled, and those that it has called, are for nothing."""
    for each in [each for each in task.scope.tasks.values() if each.caller is task and each.status in OPEN]:
        _cancel(machine, each, error)
    withdraw(machine, [task])
    fail_call(machine, task, error)


def _call_again(machine: Machine, known: Task, event: TaskCall) -> None:
    """An attempt before this one has made the call, or the worker asks again: what has ended is answered now."""
    caller = known.caller
    assert caller is not None
    if differ(known.call, event.call):
        error = _not_deterministic(caller, event, known.call)
        answer = CallEnded(machine.id, caller.id, caller.attempt, event.index, error=error)
        machine.fx.answers = [*machine.fx.answers, answer]
    elif known.status is DONE:
        tell_caller(machine, known, writes=known.writes)
    elif known.status is INTERRUPTED:
        tell_caller(machine, known, interrupts=known.interrupts)
    elif known.status is FAILED:
        tell_caller(machine, known, error=known.error)


def differ(call: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether the calls that two runs, or two attempts, have made at one place are not the same.

    The name alone tells where one of them has no digest.
    """
    return any(one != another for one, another in zip(call, other, strict=False))


def _not_deterministic(caller: Task, event: TaskCall, was: tuple[str, ...]) -> NotDeterministic:
    told = _told(was, event.call), _told(event.call, was)
    return NotDeterministic(caller.name, event.index, *told)


def _told(call: tuple[str, ...], other: tuple[str, ...]) -> str:
    """One of two calls that differ, for a reader."""
    return repr(call[0]) if call[0] != other[0] else f"{call[0]!r} with arguments of digest {' '.join(call[1:])}"
