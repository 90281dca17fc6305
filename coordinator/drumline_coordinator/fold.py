"""The fold: what each fact means for the state of its run. This alone changes a `RunState`. Pure.

The live machine folds each fact as it emits it, recovery folds those of the log, and so do `status` and tests. A kind
that is not here changes nothing that decides what comes next: only views read it.

Two things about a run stand in its record and not in its log, because the log is for readers: which tasks have an
entry in a task stream (`fold_dispatch`), and which of them are to be sent again (`fold_requeue`). Whoever is heard of a
task had an entry of it, so that a log alone can be folded too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drumline_coordinator.cells import fold_kept
from drumline_coordinator.fold_calls import called
from drumline_coordinator.fold_kept import KEPT_FOLDS
from drumline_coordinator.fold_tasks import (
    end,
    fold_emitted,
    fold_failed,
    fold_handled,
    fold_parked,
    fold_retracted,
    fold_retried,
)
from drumline_coordinator.fold_threads import THREAD_FOLDS
from drumline_coordinator.state import RunState, RunStatus
from drumline_coordinator.tasks import (
    DONE,
    INTERRUPTED,
    PARKED,
    PLANNED,
    ROUTE,
    RUNNING,
    Scope,
    Task,
)
from drumline_graph.constants import PUSH, START, TASKS
from drumline_graph.delta import patched
from drumline_graph.superstep import path_key_of
from drumline_protocol.codec import unbox
from drumline_protocol.facts import (
    AttemptRetracted,
    DrainRequested,
    Emitted,
    ErrorHandled,
    GraphEntered,
    GraphExited,
    GraphPaused,
    Noticed,
    PlanMade,
    PlannedTask,
    RoutingStarted,
    RunFinished,
    StepCommitted,
    TaskCalled,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskLeft,
    TaskParked,
    TaskRetried,
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
        state.callers -= task.is_sent and task.calls > 0
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
        task.first_ms = fact.at_ms
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
    if scope.pending:
        scope.pending, scope.left = (), {}


# -- ends ------------------------------------------------------------------------------------------


def _finished(state: RunState, fact: TaskFinished) -> None:
    writes, names = fact.writes, None
    if type(writes) is not list:
        writes = _writes(state, writes)
    if fact.opened is not None:
        names = {id(new): old for (_, old), (_, new) in zip(writes, fact.opened, strict=True) if type(old) is Named}
        writes = fact.opened
    if fact.cached and (planned := state.tasks[fact.task]).status is PLANNED and not planned.runs_on_worker:
        planned.become(RUNNING)  # the node is a graph, which is not entered
    task = end(state, fact.task, DONE)
    task.writes = writes
    task.names = names
    if leaves(writes):
        task.scope.leaving = True


def _interrupted(state: RunState, fact: TaskInterrupted) -> None:
    interrupts = decode_interrupts(fact.interrupts) if state.wire else unbox(fact.interrupts)
    task = end(state, fact.task, INTERRUPTED)
    task.interrupts = interrupts
    task.scope.asks = True


def _left_its_graph(state: RunState, fact: TaskLeft) -> None:
    end(state, fact.task, DONE)


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


def _drain_requested(state: RunState, fact: DrainRequested) -> None:
    state.drain = fact.reason


def _over(state: RunState, fact: RunFinished) -> None:
    state.status = RunStatus(fact.status)
    state.ready.clear()


FOLDS: dict[type, Callable[[RunState, Any], None]] = {
    GraphEntered: _entered,
    GraphExited: _exited,
    GraphPaused: _paused,
    PlanMade: _planned,
    StepCommitted: _committed,
    TaskCalled: called,
    Emitted: fold_emitted,
    AttemptRetracted: fold_retracted,
    TaskRetried: fold_retried,
    TaskParked: fold_parked,
    TaskFinished: _finished,
    TaskInterrupted: _interrupted,
    TaskLeft: _left_its_graph,
    TaskFailed: fold_failed,
    ErrorHandled: fold_handled,
    RoutingStarted: _routing_started,
    Noticed: _noticed,
    DrainRequested: _drain_requested,
    RunFinished: _over,
    **KEPT_FOLDS,
    **THREAD_FOLDS,
}
