"""Attempts: who speaks for a task, what is heard of it, when an attempt is retracted, what is sent next. Pure.

An attempt is a decision of the machine. It binds to the first executor that is heard of it. What comes from another
executor, of a lower attempt or of a task that has ended is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from drumline_coordinator.called import keep_called
from drumline_coordinator.checkpointing import keep_answers, keep_writes
from drumline_coordinator.effects import STEP
from drumline_coordinator.fold_tasks import fold_dispatch, fold_requeue
from drumline_coordinator.machine import Machine
from drumline_coordinator.nesting import Ending, bubble, end_graph, fail_task
from drumline_coordinator.state import RunStatus
from drumline_coordinator.step_limits import broken_limit
from drumline_coordinator.task_ends import end_run, finish, interrupt
from drumline_coordinator.tasks import DELAYED, PARKED, Task
from drumline_graph.errors import GraphDrained
from drumline_protocol.checkpoints import CALLS_FROM
from drumline_protocol.codec import unbox
from drumline_protocol.errors import BlobMissing, TaskLost
from drumline_protocol.facts import AttemptRetracted, Emitted, TaskParked, TaskRetried
from drumline_protocol.limits import ATTEMPTS_MAX, BEGINNINGS_MAX, DISPATCH_WINDOW_ENTRIES_MAX
from drumline_protocol.messages import (
    AttemptLost,
    Events,
    Refused,
    TaskBubbled,
    TaskError,
    TaskInterrupt,
    TaskResult,
    TimerDue,
    WorkersChanged,
)
from drumline_protocol.named import resolve
from drumline_protocol.wire import decode_command, decode_writes

# -- who is heard ----------------------------------------------------------------------------------


def sent_attempt(machine: Machine, event: Any) -> Task | None:
    """The task whose open attempt `event` names; None if that attempt is not open."""
    task = machine.state.tasks.get(event.task)
    return task if task is not None and task.attempt == event.attempt and task.is_sent else None


def is_heard(task: Task, executor: str) -> bool:
    """Whether the open attempt of a task is bound to this executor, or may be."""
    return task.executor is None or task.executor == executor


def on_events(machine: Machine, event: Events) -> None:
    """A burst: what of it is new becomes a fact."""
    task = sent_attempt(machine, event)
    if task is None or not is_heard(task, event.executor):
        notice = machine.late.notice(machine.state, event)
        if notice is not None:
            machine.emit(notice)
        return
    n, items = event.n, event.items
    if n > task.n:
        lose(machine, task, f"events {task.n + 1} to {n} of it were lost on their way")
        return
    if n < task.n:  # a repeat: its reply was lost
        items = items[task.n - n :]
        n = task.n
    if items:
        machine.emit(Emitted(task.id, task.attempt, n, event.executor, items))


# -- answers ---------------------------------------------------------------------------------------


def _answered(machine: Machine, event: TaskResult | TaskError | TaskBubbled | TaskInterrupt | Refused) -> Task | None:
    """The task whose bound executor has answered; None if the answer does not count.

    With an answer the task's entry is gone. So an answer of anybody else to the open attempt, which happens when
    the broker lost track of who got the entry, leaves nobody to wait for: the attempt is retracted.
    """
    task = sent_attempt(machine, event)
    if task is None:
        return None
    if not is_heard(task, event.executor):
        lose(machine, task, f"{event.executor} answered, but another worker was heard first")
        return None
    if not isinstance(event, Refused) and event.events > task.n:
        lose(machine, task, f"events {task.n + 1} to {event.events} of it were lost on their way")
        return None
    machine.fx.settled.append((task.id, task.attempt))
    if machine.thread is not None and machine.thread.lent:
        machine.thread.settle_lent(task.id, took=not isinstance(event, Refused) and event.took)
    return task


def on_result(machine: Machine, event: TaskResult) -> None:
    """The node and its routers have run."""
    opened = None if event.values is None else _opened(machine, event, decode_writes, event.writes)
    task = None if opened is _GONE else _answered(machine, event)
    if task is not None:
        if event.rows:
            keep_called(machine, task, event.rows)
        if event.values is not None:
            machine.fx.named += event.values
        finish(machine, task, event.writes, event.executor, opened, event.cached)


def _opened(machine: Machine, event: Any, decode: Callable[[Any], Any], boxed: Any) -> Any:
    """What an answer says with the large values that were read for the machine.

    `_GONE` if it lay in the inbox for so long that its values have expired: then the attempt is retracted.
    """
    try:
        return resolve(decode(boxed), event.values)
    except BlobMissing as error:
        task = sent_attempt(machine, event)
        if task is not None:
            lose(machine, task, str(error))
        return _GONE


_GONE: Any = object()


def on_error(machine: Machine, event: TaskError) -> None:
    """The node, or a router of it, has raised."""
    task = _answered(machine, event)
    if task is None:
        return
    keep_called(machine, task, event.rows)
    if isinstance(event.error, GraphDrained):  # of a graph that its code has called: no failure, the run stops too
        end_run(machine, RunStatus.PAUSED, event.error)
        return
    if event.retry_ms < 0:
        if 0 < event.unfit_answer <= len(task.answers):  # whoever is asked may answer again
            keep_answers(machine, task, list(task.answers[: event.unfit_answer - 1]))
        fail_task(machine, task, event.error, event.executor, waits=event.unfit_answer != 0)
        return
    if event.answers:
        keep_answers(machine, task, [*task.answers, *event.answers])
    due_ms = machine.now_ms + event.retry_ms
    told = (event.error, due_ms, event.called, event.executor, machine.now_ms)
    machine.emit(TaskRetried(task.scope.ns, task.id, task.attempt, *told))
    machine.fx.timers = [*machine.fx.timers, (due_ms, task.id, task.attempt)]
    if task.calls_from and machine.thread is not None:
        keep_writes(machine, task, [(CALLS_FROM, task.calls_from)])


def on_timer(machine: Machine, event: TimerDue) -> None:
    """A task has waited long enough, or a superstep has lasted too long."""
    task = machine.state.tasks.get(event.task)
    if task is None:
        return
    if event.attempt == STEP:
        error = broken_limit(task.scope)
        if error is not None:
            end_graph(machine, task.scope, Ending.FAILED, error)
    elif task.status is DELAYED and task.attempt == event.attempt:
        fold_requeue(machine.state, [task])


def on_bubbled(machine: Machine, event: TaskBubbled) -> None:
    """The node answered with a Command for the graph around its own."""
    opened = None if event.values is None else _opened(machine, event, decode_command, event.command)
    task = None if opened is _GONE else _answered(machine, event)
    if task is not None:
        keep_called(machine, task, event.rows)
        if opened is None:
            opened = decode_command(event.command) if machine.wire else unbox(event.command)
        bubble(machine, task, replace(opened, graph=None), event.executor)  # the command has arrived


def on_interrupt(machine: Machine, event: TaskInterrupt) -> None:
    """The node asks the caller."""
    task = _answered(machine, event)
    if task is not None:
        keep_called(machine, task, event.rows)
        if event.answers:
            keep_answers(machine, task, [*task.answers, *event.answers])
        interrupt(machine, task, event.interrupts, event.executor)


def on_refused(machine: Machine, event: Refused) -> None:
    """Nothing ran. The task waits until a worker that holds the graph is there.

    Its next dispatch is a new attempt, so that a repeat of this refusal cannot hit it; it is not counted as lost.
    """
    task = _answered(machine, event)
    if task is not None:
        machine.emit(TaskParked(task.scope.ns, task.id, event.reason, event.values_gone))


def on_workers(machine: Machine, _event: WorkersChanged) -> None:
    """Parked tasks are offered again. A new owner of the run is told so too, whose timers may have rung for the old."""
    again = [task for task in machine.state.tasks.values() if task.status is PARKED or _is_overdue(machine, task)]
    if again:
        fold_requeue(machine.state, again)


def _is_overdue(machine: Machine, task: Task) -> bool:
    return task.status is DELAYED and task.due_ms <= machine.now_ms


# -- attempts that are retracted ------------------------------------------------------------------


def on_lost(machine: Machine, event: AttemptLost) -> None:
    """Nobody works on the attempt any more."""
    task = sent_attempt(machine, event)
    if task is not None:
        lose(machine, task, event.reason, died=event.died)
        return
    overdue = [task for task in machine.state.tasks.values() if _is_overdue(machine, task)]
    if overdue:  # somebody has deleted their timers: the sweep speaks of runs for which nobody works
        fold_requeue(machine.state, overdue)


def lose(machine: Machine, task: Task, reason: str, *, died: bool = False) -> None:
    """Retract the attempt: the task runs again, unless too many were lost already.

    That a worker vanished is held against the task only when it ran alone, which it does once it has lost
    `DEATHS_IN_COMPANY_MAX` of them: others may have killed those.
    """
    machine.fx.withdrawn.append((task.id, task.attempt))
    lost, deaths = task.lost + 1, task.deaths + died
    if deaths >= ATTEMPTS_MAX or lost >= BEGINNINGS_MAX:
        fail_task(machine, task, TaskLost(task.name, task.id, lost, reason))
    else:
        told = (reason, died, task.executor or "", machine.now_ms)
        machine.emit(AttemptRetracted(task.scope.ns, task.id, task.attempt, *told))


# -- windows ---------------------------------------------------------------------------------------


def open_window(machine: Machine) -> None:
    """Send planned tasks: as many as `max_concurrency` and the bound of one commit allow."""
    state, fx = machine.state, machine.fx
    free = max(0, state.max_open - state.running + state.callers) if state.max_open else len(state.ready)
    fx.dispatch = list(islice(state.ready.values(), min(free, DISPATCH_WINDOW_ENTRIES_MAX)))
    fold_dispatch(state, fx.dispatch)
    if fx.dispatch and machine.thread is not None and machine.codec is not None:
        machine.thread.lend(fx.dispatch[0].id)
    fx.more = free > DISPATCH_WINDOW_ENTRIES_MAX and bool(state.ready)


def postpone(machine: Machine, tasks: Sequence[Task]) -> None:
    """These tasks do not fit into the commit: they are the first of the next window."""
    fold_requeue(machine.state, tasks, in_front=True)
