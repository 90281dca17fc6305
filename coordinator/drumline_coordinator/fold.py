"""The fold: what each fact means for the state of its run. This alone changes a `RunState`. Pure.

The live machine folds each fact as it emits it, recovery folds those of the log, and so do `status` and tests. A kind
that is not here changes nothing that decides what comes next: only views read it.

Two things about a run stand in its record and not in its log, because the log is for readers: which tasks have an
entry in a task stream (`fold_dispatch`), and which of them are to be sent again (`fold_requeue`). Whoever is heard of a
task had an entry of it, so that a log alone can be folded too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from drumline_coordinator.cells import fold_kept
from drumline_coordinator.fold_kept import KEPT_FOLDS
from drumline_coordinator.fold_threads import THREAD_FOLDS
from drumline_coordinator.state import RunState, RunStatus
from drumline_coordinator.tasks import (
    DONE,
    FAILED,
    INTERRUPTED,
    PARKED,
    PLANNED,
    ROUTE,
    RUNNING,
    Scope,
    Task,
    TaskStatus,
)
from drumline_graph.constants import PUSH, START, TASKS
from drumline_graph.delta import patched
from drumline_graph.superstep import path_key_of
from drumline_protocol.codec import unbox
from drumline_protocol.facts import (
    AttemptRetracted,
    Emitted,
    GraphEntered,
    GraphExited,
    GraphPaused,
    Noticed,
    PlanMade,
    PlannedTask,
    RoutingStarted,
    RunFinished,
    StepCommitted,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskLeft,
    TaskParked,
)
from drumline_protocol.graph_paths import task_of
from drumline_protocol.leaving import leaves
from drumline_protocol.named import Named
from drumline_protocol.step_changes import decoded_changes
from drumline_protocol.wire import decode_interrupts, decode_writes


def fold(state: RunState, fact: Any) -> None:
    """Change `state` as `fact` says. A fact that cannot follow raises, and the state is of no use any more.

    Raises ImpossibleTransition, KeyError for a task or graph that is not there, DecodeError for damaged values.
    """
    handler = FOLDS.get(type(fact))
    if handler is not None:
        handler(state, fact)


# -- graphs ----------------------------------------------------------------------------------------


def _entered(state: RunState, fact: GraphEntered) -> None:
    ns = fact.ns
    if ns == state.root_ns:
        scope = state.root = Scope(state.program, ns, fact.path, state.limit, None)
    else:
        parent = state.tasks[task_of(ns, fact.task)]
        program = parent.node.subprogram
        assert program is not None
        parent.become(RUNNING)
        scope = parent.child = Scope(program, ns, fact.path, state.limit, parent)
    scope.state.cells.update(fact.cells)  # an outline of a graph does not know them
    state.scopes[ns] = scope


def _exited(state: RunState, fact: GraphExited) -> None:
    scope = state.scopes[fact.ns]
    if scope.parent is not None:
        scope.parent.child = None
    _forget(state, scope)


def _forget(state: RunState, scope: Scope) -> None:
    """Leave out a graph, its tasks, and the graphs below it."""
    del state.scopes[scope.ns]
    for task in scope.tasks.values():
        if task.child is not None:
            _forget(state, task.child)
        state.running -= task.is_sent
        state.parked -= task.status is PARKED
        state.ready.pop(task.id, None)
        del state.tasks[task.id]


def _paused(state: RunState, fact: GraphPaused) -> None:
    state.scopes[fact.ns].paused = True


# -- supersteps ------------------------------------------------------------------------------------


def _planned(state: RunState, fact: PlanMade) -> None:
    scope = state.scopes[fact.ns]
    scope.step = fact.step
    nodes, inputs = scope.program.nodes, fact.inputs
    for index, row in enumerate(fact.tasks):
        has_run = row.name == START or scope.updates is not None  # all but its routers
        node = scope.program.start if row.name == START else nodes[row.name]
        input = _argument(scope, row) if inputs is None else inputs[index]
        key = node.path_key if row.path == node.path else path_key_of(row.path)
        task = Task(row.id, row.name, row.path, key, row.triggers, input, node, scope)
        if has_run:
            task.phase = ROUTE
            task.writes = row.arg
        scope.tasks[row.id] = state.tasks[row.id] = task
        if has_run or node.subprogram is None:
            state.ready[row.id] = task
    scope.open_tasks = len(fact.tasks)


def _argument(scope: Scope, row: PlannedTask) -> Any:
    """What a task gets beside the state: a PUSH task the argument of its Send, which lies in the state too."""
    sends = scope.state.cells.get(TASKS)
    if row.path[0] != PUSH or not sends:
        return row.arg
    return sends[row.path[1]].arg


def _committed(state: RunState, fact: StepCommitted) -> None:
    scope = state.scopes[fact.ns]
    program, held = scope.program, scope.state
    changed = fact.cells
    if changed is None:
        changed = patched(held.cells, decoded_changes(fact.changes, scope.written))
    if changed:
        state.version += 1
    ran, state.heard = [], {}
    for id_, task in scope.tasks.items():
        ran.append((task.name, task.triggers))
        state.heard[id_] = (task.attempt, task.n)
        del state.tasks[id_]
    scope.tasks = {}
    held.advance(program, changed, ran, state.version)
    if fact.kept or scope.kept:
        fold_kept(scope, state.version, fact.changes, fact.kept)
    if scope.keeps_output and not scope.output_keys.isdisjoint(fact.written):
        scope.output = held.read(program, program.output_keys)
    scope.resumed = False


# -- attempts --------------------------------------------------------------------------------------


def fold_dispatch(state: RunState, tasks: Sequence[Task]) -> None:
    """Each of these tasks has an entry in a task stream."""
    ready = state.ready
    for task in tasks:
        if task.status is PARKED:
            state.parked -= 1
            task.become(PLANNED)
        task.become(RUNNING)
        ready.pop(task.id, None)
    state.running += len(tasks)


def fold_requeue(state: RunState, tasks: Sequence[Task], *, in_front: bool = False) -> None:
    """These tasks wait for their dispatch: in front of the others, or behind them."""
    state.running -= sum(task.is_sent for task in tasks)
    state.parked -= sum(task.status is PARKED for task in tasks)
    for task in tasks:
        task.become(PLANNED)
    again = {task.id: task for task in tasks}
    state.ready = {**again, **state.ready} if in_front else {**state.ready, **again}


def _heard_of(state: RunState, id_: str) -> Task:
    """The task of which something was heard: it has an entry, whether we were told of its dispatch or not."""
    task = state.tasks[id_]
    if task.status is not RUNNING and task.runs_on_worker:
        fold_dispatch(state, [task])
    return task


def _emitted(state: RunState, fact: Emitted) -> None:
    task = _heard_of(state, fact.task)
    task.executor = fact.executor
    task.n = fact.n + len(fact.items)


def _retracted(state: RunState, fact: AttemptRetracted) -> None:
    task = _heard_of(state, fact.task)
    fold_requeue(state, [task], in_front=True)
    task.attempt = fact.attempt + 1
    task.lost += 1
    task.deaths += fact.died
    task.executor = None
    task.n = 0
    task.reason = fact.reason


def _parked(state: RunState, fact: TaskParked) -> None:
    task = _heard_of(state, fact.task)
    task.become(PARKED)
    state.running -= 1
    state.parked += 1
    task.attempt += 1
    task.executor = None
    task.reason = fact.reason
    if fact.values_gone:
        task.scope.kept.clear()  # tasks carry its cells until they change


# -- ends ------------------------------------------------------------------------------------------


def _end(state: RunState, id_: str, status: TaskStatus) -> Task:
    """The task has come to its end. What `_heard_of` says of its entry is said here again, without a call more."""
    task = state.tasks[id_]
    if task.runs_on_worker:
        if task.status is not RUNNING:
            fold_dispatch(state, [task])
        state.running -= 1
    task.become(status)
    task.n += 1  # the answer has a number too
    task.scope.open_tasks -= 1
    return task


def _finished(state: RunState, fact: TaskFinished) -> None:
    writes, names = fact.writes, None
    if type(writes) is not list:
        writes = _writes(state, writes)
    if fact.opened is not None:
        names = {id(new): old for (_, old), (_, new) in zip(writes, fact.opened, strict=True) if type(old) is Named}
        writes = fact.opened
    if fact.cached and (planned := state.tasks[fact.task]).status is PLANNED and not planned.runs_on_worker:
        planned.become(RUNNING)  # the node is a graph, which is not entered
    task = _end(state, fact.task, DONE)
    task.writes = writes
    task.names = names
    if leaves(writes):
        task.scope.leaving = True


def _interrupted(state: RunState, fact: TaskInterrupted) -> None:
    interrupts = decode_interrupts(fact.interrupts) if state.wire else unbox(fact.interrupts)
    task = _end(state, fact.task, INTERRUPTED)
    task.interrupts = interrupts
    task.scope.asks = True


def _left_its_graph(state: RunState, fact: TaskLeft) -> None:
    _end(state, fact.task, DONE)


def _failed(state: RunState, fact: TaskFailed) -> None:
    task = state.tasks[fact.task]
    if task.status is PLANNED and not task.runs_on_worker:  # its graph could not be entered
        task.become(RUNNING)
    _end(state, fact.task, FAILED)


def _routing_started(state: RunState, fact: RoutingStarted) -> None:
    writes = _writes(state, fact.writes)
    task = state.tasks[fact.task]
    task.become(PLANNED)
    task.phase = ROUTE
    task.writes = writes
    state.ready[task.id] = task


def _writes(state: RunState, writes: Any) -> Any:
    return decode_writes(writes) if state.wire else unbox(writes)


# -- the run ---------------------------------------------------------------------------------------


def _noticed(state: RunState, fact: Noticed) -> None:
    state.noticed.add(fact.key)


def _over(state: RunState, fact: RunFinished) -> None:
    state.status = RunStatus(fact.status)
    state.ready.clear()


FOLDS: dict[type, Callable[[RunState, Any], None]] = {
    GraphEntered: _entered,
    GraphExited: _exited,
    GraphPaused: _paused,
    PlanMade: _planned,
    StepCommitted: _committed,
    Emitted: _emitted,
    AttemptRetracted: _retracted,
    TaskParked: _parked,
    TaskFinished: _finished,
    TaskInterrupted: _interrupted,
    TaskLeft: _left_its_graph,
    TaskFailed: _failed,
    RoutingStarted: _routing_started,
    Noticed: _noticed,
    RunFinished: _over,
    **KEPT_FOLDS,
    **THREAD_FOLDS,
}
