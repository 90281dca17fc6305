"""The barrier: a superstep whose tasks have all ended is committed, and the next one planned. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline_coordinator.changes import step_fact
from drumline_coordinator.idle import idle_notices
from drumline_coordinator.machine import Machine
from drumline_coordinator.nesting import Ending, end_graph, enter_child
from drumline_coordinator.passing import commands_of
from drumline_coordinator.state import RUN_OPEN
from drumline_coordinator.tasks import Scope, Task
from drumline_graph.constants import TAG_HIDDEN
from drumline_graph.errors import GraphRecursionError
from drumline_graph.message_ids import messages_in_fields
from drumline_graph.program import Program
from drumline_graph.superstep import Planned, State, plan
from drumline_protocol.facts import PlanMade, PlannedTask
from drumline_protocol.ids import task_id


def settle(machine: Machine) -> None:
    """Commit every step that is due, and whatever becomes due by that."""
    due, state = machine.due, machine.state
    while due and state.status is RUN_OPEN:
        scope, done = due.popleft()
        if scope.parent is not None and state.scopes.get(scope.ns) is not scope:
            continue  # it was left meanwhile
        try:
            _commit(machine, scope, done)
        except BaseException as error:  # of a reducer or a schema: SystemExit too is the run's, not the process's
            end_graph(machine, scope, Ending.FAILED, error)


def _commit(machine: Machine, scope: Scope, done: Sequence[Task]) -> None:
    if scope.asks:
        end_graph(machine, scope, Ending.ASKED, [item for task in done for item in task.interrupts])
        return
    if scope.leaving:
        end_graph(machine, scope, Ending.BUBBLED, commands_of(done))
        return
    applied, fact = step_fact(machine, scope, done)
    if scope.step == 0 and scope.parent is None:
        # The graph may refuse its input only now, when the first step is planned: then nothing has happened.
        ahead = scope.state.copy()
        ahead.advance(scope.program, applied.changes, ())
        planned = _next_step(machine, scope, ahead, applied.updated)
        machine.emit(fact)
    else:
        machine.emit(fact)
        planned = _next_step(machine, scope, scope.state, applied.updated)
    if planned:
        _begin_step(machine, scope, planned)
        return
    for notice in idle_notices(scope, machine.state.noticed):
        machine.emit(notice)
    end_graph(machine, scope, Ending.RETURNED, scope.output)


def _next_step(machine: Machine, scope: Scope, state: State, updated: set[str]) -> list[Planned]:
    step = scope.step + 1
    if step > scope.stop:
        raise GraphRecursionError.of(scope.stop, namespace=scope.ns[len(machine.state.root_ns) :])
    return plan(scope.program, state, updated, step=step, stop=scope.stop)


def _begin_step(machine: Machine, scope: Scope, planned: Sequence[Planned]) -> None:
    ns, step, nodes = scope.ns, scope.step + 1, scope.program.nodes
    rows, inputs = [], []
    for item in planned:
        id_ = task_id(machine.id, ns, step, item.path_key)
        hidden = TAG_HIDDEN in nodes[item.name].tags
        rows.append(PlannedTask(id_, item.name, item.path, item.triggers, None, hidden))
        inputs.append(item.input)
    noted = not machine.wire and "messages" in machine.shared.recorded
    given = given_ids(scope.program, rows, inputs) if noted else None
    machine.emit(PlanMade(ns, step, scope.stop, rows, machine.now_ms, inputs, given))
    for task in list(scope.tasks.values()):
        if task.node.subprogram is not None and machine.state.is_open:
            enter_child(machine, task)


def given_ids(program: Program, rows: Sequence[PlannedTask], inputs: Sequence[Any]) -> dict[str, list[str]] | None:
    """Ids of the messages that the subgraph nodes among these tasks are given; None if there are no such nodes.

    They are noted before the graphs are entered: a reducer in there may name messages in place, and those are news.
    """
    given = {
        row.id: [message.id for message in messages_in_fields(input) if message.id]
        for row, input in zip(rows, inputs, strict=True)
        if program.nodes[row.name].subprogram is not None
    }
    return given or None
