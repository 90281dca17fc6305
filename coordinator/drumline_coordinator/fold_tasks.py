"""The fold of what is heard of tasks: attempts, tries, error handlers. `fold.py` has the rest. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from drumline_coordinator.fold_calls import call_ended
from drumline_coordinator.state import RunState
from drumline_coordinator.tasks import DELAYED, FAILED, PARKED, PLANNED, RUNNING, Task, TaskStatus
from drumline_graph.constants import PUSHED
from drumline_graph.superstep import path_key_of
from drumline_protocol.facts import AttemptRetracted, Emitted, ErrorHandled, TaskFailed, TaskParked, TaskRetried


def fold_dispatch(state: RunState, tasks: Sequence[Task]) -> None:
    """Each of these tasks has an entry in a task stream."""
    ready = state.ready
    for task in tasks:
        if task.status is PARKED:
            state.parked -= 1
            task.become(PLANNED)
        elif task.status is DELAYED:
            task.become(PLANNED)
        task.become(RUNNING)
        ready.pop(task.id, None)
        if task.calls:
            state.callers += 1
    state.running += len(tasks)


def fold_requeue(state: RunState, tasks: Sequence[Task], *, in_front: bool = False) -> None:
    """These tasks wait for their dispatch: in front of the others, or behind them."""
    for task in tasks:
        if task.is_sent:
            _is_left(state, task)
    state.parked -= sum(task.status is PARKED for task in tasks)
    for task in tasks:
        task.become(PLANNED)
    again = {task.id: task for task in tasks}
    state.ready = {**again, **state.ready} if in_front else {**state.ready, **again}


def _is_left(state: RunState, task: Task) -> None:
    """Nobody is at work on the task any more, nor waits in it for its calls."""
    state.running -= 1
    if task.calls:
        state.callers -= 1


def heard_of(state: RunState, id_: str) -> Task:
    """The task of which something was heard: it has an entry, whether we were told of its dispatch or not."""
    task = state.tasks[id_]
    if task.status is not RUNNING and task.runs_on_worker:
        fold_dispatch(state, [task])
    return task


def fold_emitted(state: RunState, fact: Emitted) -> None:
    """A burst of events of the open attempt."""
    task = heard_of(state, fact.task)
    task.executor = fact.executor
    task.n = fact.n + len(fact.items)


def fold_retracted(state: RunState, fact: AttemptRetracted) -> None:
    """The attempt is void."""
    task = heard_of(state, fact.task)
    fold_requeue(state, [task], in_front=True)
    task.attempt = fact.attempt + 1
    task.lost += 1
    task.deaths += fact.died
    task.executor = None
    task.n = 0
    task.reason = fact.reason


def fold_retried(state: RunState, fact: TaskRetried) -> None:
    """The node has failed, and is tried again."""
    task = heard_of(state, fact.task)
    _is_left(state, task)
    task.become(DELAYED)
    task.attempt = fact.attempt + 1
    task.tries += 1
    task.executor = None
    task.n = 0
    task.due_ms = fact.due_ms
    task.called = fact.called
    task.calls_from = task.calls_made


def fold_parked(state: RunState, fact: TaskParked) -> None:
    """Nobody can run the task now."""
    task = heard_of(state, fact.task)
    _is_left(state, task)
    task.become(PARKED)
    state.parked += 1
    task.attempt += 1
    task.executor = None
    task.reason = fact.reason
    if fact.values_gone:
        task.scope.kept.clear()  # tasks carry its cells until they change


def end(state: RunState, id_: str, status: TaskStatus) -> Task:
    """The task has come to its end. What `heard_of` and `_is_left` say is said here again, without calls."""
    task = state.tasks[id_]
    if task.runs_on_worker:
        if task.status is not RUNNING:
            fold_dispatch(state, [task])
        state.running -= 1
        if task.calls:
            state.callers -= 1
    task.become(status)
    task.n += 1  # the answer has a number too
    task.scope.open_tasks -= 1
    if task.caller is not None:
        call_ended(state, task.caller)
    return task


def fold_failed(state: RunState, fact: TaskFailed) -> None:
    """The task has failed for good."""
    task = state.tasks[fact.task]
    if task.status is PLANNED and not task.runs_on_worker:  # its graph could not be entered
        task.become(RUNNING)
    end(state, fact.task, FAILED).writes = []  # where its graph goes on: with its handler, or with its caller
    if fact.waits:
        task.error, task.scope.fails = fact.error, True


def fold_handled(state: RunState, fact: ErrorHandled) -> None:
    """What `ErrorHandled` changes."""
    failed = state.tasks[fact.task]
    scope = failed.scope
    if failed.status is not FAILED:  # in an earlier run
        if failed.status is PLANNED:
            state.ready.pop(failed.id, None)
            failed.become(RUNNING)
        failed.become(FAILED)
        scope.open_tasks -= 1
        failed.writes = []
    node = scope.program.nodes[fact.name]
    task = Task(fact.id, fact.name, fact.path, path_key_of(fact.path), PUSHED, failed.input, node, scope)
    task.failed, task.error, task.first_ms = failed.name, fact.error, fact.at_ms
    scope.tasks[task.id] = state.tasks[task.id] = state.ready[task.id] = task
    scope.open_tasks += 1
