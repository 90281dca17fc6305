"""Recovery: a run machine from the log of its run. Pure.

The log is the run's state: facts carry cells as they were committed and writes as they were made, so nothing is
computed again, no reducer runs twice, and a new owner of the partition continues where the last commit left off. What
the log does not tell (which planned tasks have an entry in a task stream) stands in the run record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from drumline_coordinator.passing import leaves
from drumline_coordinator.run import ENDED, Run
from drumline_coordinator.tasks import DONE, INTERRUPTED, PLANNED, ROUTE, RUNNING, Scope, Task
from drumline_graph.channels.base import MISSING
from drumline_graph.constants import START
from drumline_graph.delta import patch
from drumline_graph.program import Program
from drumline_graph.superstep import path_key_of
from drumline_protocol.codec import unbox
from drumline_protocol.facts import (
    AttemptRetracted,
    Emitted,
    Fact,
    GraphEntered,
    GraphLeft,
    PlanMade,
    RunFinished,
    StepCommitted,
    TailOpened,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskLeft,
    TaskParked,
)
from drumline_protocol.messages import RunShared


def slot_of(task: str, attempt: int) -> str:
    """The name under which the run record keeps the stream entry of an attempt."""
    return f"{task}:{attempt}"


def recover(program: Program, shared: RunShared, facts: Iterable[Fact], slots: Collection[str]) -> Run:
    """The machine as it was after the last of `facts`. `slots` names the attempts that have a stream entry."""
    run = Run(program, shared, wire=True)
    folder = _Folder(run)
    for fact in facts:
        folder.fold(fact)
    for task in run.tasks.values():
        if not task.runs_on_worker or task.status in (DONE, INTERRUPTED):
            continue
        # A parked task may have been sent again since; if not, the new owner tries again.
        if slot_of(task.id, task.attempt) in slots:
            task.status = RUNNING
            run.running += 1
        else:
            task.status = PLANNED
            run.ready.append(task)
    return run


class _Folder:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._scopes: dict[tuple[str, ...], Scope] = {}

    def fold(self, fact: Fact) -> None:
        handler = _FOLDS.get(type(fact))
        if handler is not None:
            handler(self, fact)

    def _entered(self, fact: GraphEntered) -> None:
        run, ns = self._run, fact.ns
        parent: Task | None = None
        program: Program | None = run.program
        if ns:
            parent = run.tasks[ns[-1].rpartition(":")[2]]
            parent.status = RUNNING
            program = parent.node.subprogram
        assert program is not None
        scope = Scope(program, ns, fact.path, run.limit, parent)
        start = program.start
        first = Task(
            f"{START}:{fact.path}",
            START,
            start.path,
            start.path_key,
            start.triggers,
            None,
            start,
            scope,
        )
        first.status = DONE
        first.writes = []
        scope.tasks[first.id] = first
        self._scopes[ns] = scope
        if parent is None:
            run.root = scope

    def _planned(self, fact: PlanMade) -> None:
        run, scope = self._run, self._scopes[fact.ns]
        scope.step = fact.step
        scope.tasks = {}
        nodes = scope.program.nodes
        for row in fact.tasks:
            start = row.name == START
            node = scope.program.start if start else nodes[row.name]
            task = Task(
                row.id,
                row.name,
                row.path,
                path_key_of(row.path),
                row.triggers,
                row.arg,
                node,
                scope,
            )
            if start:
                task.phase = ROUTE
                task.writes = row.arg
                task.input = dict(row.arg)
            scope.tasks[task.id] = run.tasks[task.id] = task
        scope.open = len(fact.tasks)

    def _emitted(self, fact: Emitted) -> None:
        task = self._run.tasks[fact.task]
        task.executor = fact.executor
        task.n = fact.n + len(fact.items)

    def _finished(self, fact: TaskFinished) -> None:
        task = self._run.tasks[fact.task]
        task.status = DONE
        task.n += 1  # the answer has a number too
        task.writes = unbox(fact.writes)
        task.scope.leaving = task.scope.leaving or leaves(task.writes)
        task.scope.open -= 1

    def _interrupted(self, fact: TaskInterrupted) -> None:
        task = self._run.tasks[fact.task]
        task.status = INTERRUPTED
        task.interrupts = unbox(fact.interrupts)
        task.scope.open -= 1

    def _retracted(self, fact: AttemptRetracted) -> None:
        task = self._run.tasks[fact.task]
        task.attempt = fact.attempt + 1
        task.lost += 1
        task.deaths += fact.died
        task.executor = None
        task.n = 0
        task.status = PLANNED

    def _parked(self, fact: TaskParked) -> None:
        task = self._run.tasks[fact.task]
        task.attempt += 1
        task.executor = None

    def _tail(self, fact: TailOpened) -> None:
        task = self._run.tasks[fact.task]
        task.phase = ROUTE
        task.status = PLANNED
        task.writes = unbox(fact.writes)

    def _committed(self, fact: StepCommitted) -> None:
        scope = self._scopes[fact.ns]
        cells = scope.state.cells
        changes = {channel: patch(cells.get(channel, MISSING), change) for channel, change in fact.changes.items()}
        ran = [(task.name, task.triggers) for task in scope.tasks.values()]
        scope.state.advance(scope.program, changes, ran)
        self._run.step_over(scope, fact.written)

    def _left(self, fact: GraphLeft) -> None:
        depth = len(fact.ns)
        tasks = self._run.tasks
        for id_ in [id_ for id_, task in tasks.items() if task.scope.ns[:depth] == fact.ns]:
            del tasks[id_]
        for ns in [ns for ns in self._scopes if ns[:depth] == fact.ns]:
            del self._scopes[ns]

    def _task_over(self, fact: TaskLeft | TaskFailed) -> None:
        task = self._run.tasks.get(fact.task)
        if task is not None:
            task.status = DONE

    def _ended(self, _fact: RunFinished) -> None:
        self._run.status = ENDED


_FOLDS: dict[type, Callable[[_Folder, Any], None]] = {
    GraphEntered: _Folder._entered,
    PlanMade: _Folder._planned,
    Emitted: _Folder._emitted,
    TaskFinished: _Folder._finished,
    TaskInterrupted: _Folder._interrupted,
    AttemptRetracted: _Folder._retracted,
    TaskParked: _Folder._parked,
    TailOpened: _Folder._tail,
    StepCommitted: _Folder._committed,
    GraphLeft: _Folder._left,
    TaskLeft: _Folder._task_over,
    TaskFailed: _Folder._task_over,
    RunFinished: _Folder._ended,
}
