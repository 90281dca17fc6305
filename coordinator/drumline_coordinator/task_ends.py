"""How a task ends, and how the run does. What the end of a task means for graphs around it is `nesting`. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from drumline_coordinator.checkpointing import call_of, keep_result, keep_writes
from drumline_coordinator.effects import STEP
from drumline_coordinator.machine import Machine
from drumline_coordinator.state import RunStatus
from drumline_coordinator.tasks import DELAYED, INTERRUPTED, Task
from drumline_graph.cancelled import not_cancelled
from drumline_graph.constants import INTERRUPT
from drumline_protocol.codec import unbox
from drumline_protocol.facts import RunFinished, TaskFinished, TaskInterrupted
from drumline_protocol.messages import CallEnded


def finish(
    machine: Machine, task: Task, writes: Any, executor: str = "", opened: Any = None, cached: bool = False
) -> None:
    """The task has its result. `opened` are its writes with large values in their places."""
    scope = task.scope
    machine.emit(TaskFinished(scope.ns, task.id, task.attempt, executor, writes, machine.now_ms, cached, opened))
    if machine.thread is not None:
        keep_result(machine, task, writes)
    if task.caller is not None:
        tell_caller(machine, task, writes=writes)
    machine.note_end(scope)


def interrupt(machine: Machine, task: Task, interrupts: Any, executor: str = "") -> None:
    """The task waits for an answer; its siblings go on."""
    scope = task.scope
    machine.emit(TaskInterrupted(scope.ns, task.id, task.attempt, interrupts, machine.now_ms, executor))
    if machine.thread is not None and (asked := unbox(interrupts)):  # none: a graph in it has stopped at a breakpoint
        keep_writes(machine, task, [(INTERRUPT, asked), *call_of(task)])
    if task.caller is not None:
        tell_caller(machine, task, interrupts=interrupts)
    machine.note_end(scope)


def tell_caller(machine: Machine, task: Task, **end: Any) -> None:
    """What became of a call, for the code that waits for it on a worker."""
    caller = task.caller
    if machine.codec is not None and caller is not None and caller.is_sent:
        answer = CallEnded(machine.id, caller.id, caller.attempt, task.path[2], **end)
        machine.fx.answers = [*machine.fx.answers, answer]


def withdraw(machine: Machine, tasks: Iterable[Task]) -> None:
    """Nobody waits for these tasks any more: what of them runs is cancelled."""
    fx = machine.fx
    for task in tasks:
        if task.is_sent:
            fx.withdrawn.append((task.id, task.attempt))
            fx.cancelled.append(task.id)
        elif task.status is DELAYED:
            fx.timers_dropped = [*fx.timers_dropped, (task.id, task.attempt)]
        if task.scope.program.step_timeout is not None:  # whichever is the first of its superstep
            fx.timers_dropped = [*fx.timers_dropped, (task.id, STEP)]


def end_run(machine: Machine, status: RunStatus, error: Any = None, control: BaseException | None = None) -> None:
    """The last fact of the run. What still runs is cancelled. `control` is what a called graph has for its caller."""
    state = machine.state
    if not state.is_open:
        return
    if status is RunStatus.FAILED:
        error = not_cancelled(error, machine.program.name, "a reducer or schema of graph")
    withdraw(machine, state.tasks.values())
    machine.fx.finished = True
    asks = _asked(machine) if status is RunStatus.PAUSED else []
    machine.emit(RunFinished(status.value, error, machine.now_ms, interrupts=asks, control=control))


def _asked(machine: Machine) -> list[Any]:
    """What a run on no thread asks: the node that waits for it asks the same."""
    thread, root = machine.thread, machine.state.root
    if root is None or (thread is not None and not thread.within):
        return []
    # what a called `@task` asks, its caller asks
    asking = (task for task in root.tasks.values() if task.status is INTERRUPTED and task.caller is None)
    return [question for task in asking for question in unbox(task.interrupts)]
