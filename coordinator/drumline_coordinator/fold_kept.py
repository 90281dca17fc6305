"""What the facts mean that say at once what many others had made of a run: a part of the fold. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drumline_coordinator.cells import Kept
from drumline_coordinator.fold_calls import called_node, note_caller
from drumline_coordinator.state import RunState
from drumline_coordinator.tasks import OPEN, PARKED, PLANNED, ROUTE, RUNNING, Scope, Task, TaskStatus
from drumline_graph.constants import START
from drumline_graph.program import Node
from drumline_graph.superstep import State, path_key_of
from drumline_protocol.checkpoints import outcomes
from drumline_protocol.graph_paths import task_of
from drumline_protocol.kept_facts import GraphKept, RunKept, TaskKept


def _graph_kept(state: RunState, fact: GraphKept) -> None:
    """A graph of a head: all at once what its facts had made of it."""
    ns, parent = fact.ns, None
    if ns != state.root_ns:
        parent = state.tasks[task_of(ns, fact.task)]
    program = state.program if parent is None else parent.node.subprogram
    assert program is not None
    scope = Scope(program, ns, fact.path, state.limit, parent)
    if parent is None:
        state.root = scope
    else:
        parent.child = scope
        if parent.status is PLANNED and parent.phase != ROUTE:  # its graph goes on from a checkpoint
            parent.become(RUNNING)
    state.scopes[ns] = scope
    seen = {name: dict(versions) for name, versions in fact.seen.items()}
    cells = {**fact.cells, **(fact.opened or {})}
    scope.state = State(cells, dict(fact.versions), seen, max(fact.versions.values(), default=0))
    scope.kept = {key: Kept(*how) if type(how) is list else how for key, how in fact.kept.items()}
    state.version = max(state.version, scope.state.top)  # numbers of one graph go on rising from run to run
    state.checkpoint = max(state.checkpoint, fact.checkpoint)
    scope.step, scope.checkpoint = fact.step, fact.checkpoint
    scope.stop = fact.stop or scope.stop
    scope.updates = fact.updates
    for flag in Scope.FLAGS:
        setattr(scope, flag, flag in fact.flags)
    scope.output = scope.state.read(program, program.output_keys) if "now" in fact.flags else fact.output
    for row in fact.tasks:
        _task_kept(state, scope, row)
    scope.pending, scope.left = fact.left, outcomes(fact.left)
    scope.open_tasks = sum(task.status in OPEN for task in scope.tasks.values())


def _task_kept(state: RunState, scope: Scope, row: TaskKept) -> None:
    node = _node(state, scope, row)
    key = node.path_key if row.path == node.path else path_key_of(row.path)
    task = Task(row.id, row.name, row.path, key, row.triggers, row.input, node, scope)
    task.status, task.story, task.phase = TaskStatus(row.story[-1:]), row.story, row.phase
    task.attempt, task.lost, task.deaths = row.attempt, row.lost, row.deaths
    task.executor, task.n, task.reason = row.executor or None, row.n, row.reason
    task.tries, task.first_ms, task.due_ms, task.called = row.tries, row.first_ms, row.due_ms, row.called
    task.failed, task.error = row.failed, row.error
    task.writes = None if row.writes is None else [(channel, value) for channel, value in row.writes]
    task.interrupts, task.answers = row.interrupts, row.answers
    if row.caller:
        note_caller(state, task, state.tasks[row.caller], row.call, row.code)
    if row.calls_made:
        task.calls_made, task.calls_from = row.calls_made, row.calls_from
    scope.tasks[task.id] = state.tasks[task.id] = task
    state.running += task.is_sent
    state.parked += task.status is PARKED
    if task.status is PLANNED and task.runs_on_worker:
        state.ready[task.id] = task


def _node(state: RunState, scope: Scope, row: TaskKept) -> Node:
    if row.caller:  # which stands before it
        return called_node(scope.program, row.name, state.tasks[row.caller])
    return scope.program.start if row.name == START else scope.program.nodes[row.name]


def _run_kept(state: RunState, fact: RunKept) -> None:
    state.version = fact.version
    state.checkpoint = fact.checkpoint
    state.drain = fact.drain
    state.noticed = set(fact.noticed)
    state.heard = {id_: (attempt, n) for id_, (attempt, n) in fact.heard.items()}


KEPT_FOLDS: dict[type, Callable[[RunState, Any], None]] = {RunKept: _run_kept, GraphKept: _graph_kept}
