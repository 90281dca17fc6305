"""The barrier: a superstep whose tasks have all ended is committed, and the next one planned. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from drumline_coordinator.breakpoints import stops_after, stops_before
from drumline_coordinator.changes import step_fact
from drumline_coordinator.checkpointing import make_checkpoint, planned_rows, tell
from drumline_coordinator.draining import drains
from drumline_coordinator.handlers import resume_handler
from drumline_coordinator.idle import idle_notices
from drumline_coordinator.machine import Machine
from drumline_coordinator.nesting import Ending, end_graph, enter_child, fail_late, run_start, start_writes
from drumline_coordinator.passing import commands_of
from drumline_coordinator.resuming import due, take_up
from drumline_coordinator.state import RUN_OPEN
from drumline_coordinator.step_limits import begin_limit, end_limit
from drumline_coordinator.tasks import PLANNED, Scope, Task
from drumline_coordinator.thread_run import GoingOn
from drumline_coordinator.updating import end_update
from drumline_graph.constants import START
from drumline_graph.errors import GraphRecursionError
from drumline_graph.message_ids import messages_in_fields
from drumline_graph.program import Program
from drumline_graph.superstep import Planned, State, plan
from drumline_protocol.checkpoint_ids import NEXT
from drumline_protocol.checkpoints import FORK, LOOP, Outcome
from drumline_protocol.facts import GraphResumed, PlanMade, PlannedTask

_input_of = attrgetter("input")


def settle(machine: Machine) -> None:
    """Commit every step that is due, and whatever becomes due by that."""
    due, state, going_on = machine.due, machine.state, machine.going_on
    while (due or going_on) and state.status is RUN_OPEN:
        if going_on:
            _go_on(machine, going_on.popleft())
            continue
        scope, done = due.popleft()
        if scope.parent is not None and state.scopes.get(scope.ns) is not scope:
            continue  # it was left meanwhile
        try:
            _commit(machine, scope, done)
        except BaseException as error:  # of a reducer or a schema: SystemExit too is the run's, not the process's
            end_graph(machine, scope, Ending.FAILED, error)


def _commit(machine: Machine, scope: Scope, done: Sequence[Task]) -> None:
    if scope.updates is not None:
        end_update(machine, scope, done)
        return
    if scope.guarded:
        end_limit(machine, scope)
    if scope.fails:
        fail_late(machine, scope, done)
        return
    if scope.asks:
        # What a called task asks its caller asks too.
        asked = {item.id: item for task in done for item in task.interrupts}
        end_graph(machine, scope, Ending.ASKED, list(asked.values()))
        return
    if scope.leaving:
        end_graph(machine, scope, Ending.BUBBLED, commands_of(done))
        return
    applied, fact = step_fact(machine, scope, done)
    if scope.step == 0 and scope.parent is None and machine.thread is None:
        # The graph may refuse its input only now, when the first step is planned: then nothing has happened.
        ahead = scope.state.copy()
        ahead.advance(scope.program, applied.changes, ())
        planned = _next_step(machine, scope, ahead, applied.updated)
        machine.emit(fact)
    else:
        machine.emit(fact)
        if machine.thread is not None and scope.lasts:
            planned = _next_on_thread(machine, scope, applied.updated, done)
        else:
            planned = _next_step(machine, scope, scope.state, applied.updated)
    control = machine.control
    may_pause = scope.guarded or machine.may_pause or machine.state.drain or (control and control.drain_reason)
    if may_pause and _pauses(machine, scope, done, planned):
        return
    if planned:
        begin_step(machine, scope, planned)
    else:
        _return(machine, scope)


def _pauses(machine: Machine, scope: Scope, done: Sequence[Task], planned: Sequence[Planned]) -> bool:
    """Whether the run stops between what is done and what is planned. Then it has."""
    if stops_after(machine, scope, done) or (planned and stops_before(machine, scope, planned)):
        end_graph(machine, scope, Ending.ASKED, [])
        return True
    return bool(planned) and drains(machine, scope)


def _next_on_thread(machine: Machine, scope: Scope, updated: set[str], done: Sequence[Task]) -> list[Planned]:
    """The next superstep of a graph of a thread; the state in front of it is a checkpoint."""
    step = scope.step + 1
    thread = machine.thread
    if scope.parent is None and not machine.state.root_ns and thread is not None and not thread.within:
        thread.answers.pop(NEXT, None)  # it was for the superstep that the run went on with
    planned: list[Planned] = []
    runs = False
    try:
        planned = plan(scope.program, scope.state, updated, step=step, stop=scope.stop)
        runs = (
            bool(planned)
            and step <= scope.stop
            and not stops_after(machine, scope, done)
            and not stops_before(machine, scope, planned)
        )
    finally:  # also if the plan fails: what was done stays
        make_checkpoint(machine, scope, LOOP, scope.step, planned, updated, runs=runs)
    if step > scope.stop:
        raise _too_many(machine, scope)
    return planned


def _return(machine: Machine, scope: Scope) -> None:
    """Nothing is left to do in a graph."""
    for notice in idle_notices(scope, machine.state.noticed):
        machine.emit(notice)
    end_graph(machine, scope, Ending.RETURNED, scope.output)


def _next_step(machine: Machine, scope: Scope, state: State, updated: set[str]) -> list[Planned]:
    step = scope.step + 1
    if step > scope.stop:
        raise _too_many(machine, scope)
    return plan(scope.program, state, updated, step=step, stop=scope.stop)


def _too_many(machine: Machine, scope: Scope) -> GraphRecursionError:
    return GraphRecursionError.of(scope.stop, namespace=scope.ns[len(machine.state.root_ns) :])


def _go_on(machine: Machine, going: GoingOn) -> None:
    """Open the superstep behind a checkpoint: tasks that have ended keep their results, the others run (again)."""
    scope, pending = going.scope, going.pending
    try:
        machine.emit(GraphResumed(scope.ns, machine.now_ms))
        planned = due(scope, scope.step + 1 + going.forks, going.updated)
        runs = bool(planned) and scope.step + going.forks < scope.stop
        goes_on = bool(pending) and not going.replays
        if going.forks:
            make_checkpoint(
                machine, scope, FORK, scope.step + 1, planned, None, runs=runs, pending=pending, goes_on=goes_on
            )
        else:
            tell(machine, scope, going.saved.checkpoint, pending, runs=runs, goes_on=goes_on)
        if scope.step >= scope.stop:
            raise _too_many(machine, scope)
        if planned and drains(machine, scope):
            return
        if planned:
            begin_step(machine, scope, planned, scope.left)
        else:
            _return(machine, scope)
    except BaseException as error:
        end_graph(machine, scope, Ending.FAILED, error)


def begin_step(
    machine: Machine, scope: Scope, planned: Sequence[Planned], found: Mapping[str, Outcome] | None = None
) -> None:
    """Open a superstep. `found` tells what an earlier run has left of its tasks; None: it is a new one."""
    step = scope.step + 1
    rows = planned_rows(scope.program, scope.checkpoint or machine.id, scope.ns, planned, step)
    inputs = list(map(_input_of, planned))
    if machine.thread is not None:  # elsewhere START is no planned task
        for row, input in zip(rows, inputs, strict=True):
            if row.name == START:
                row.arg = start_writes(machine, scope, row, input)
    noted = not machine.wire and "messages" in machine.shared.recorded
    given = given_ids(scope.program, rows, inputs) if noted else None
    machine.emit(PlanMade(scope.ns, step, scope.stop, rows, machine.now_ms, inputs, given))
    if scope.guarded:
        begin_limit(machine, scope)
    if found is not None:
        for row in rows:
            task = machine.state.tasks[row.id]
            handler = resume_handler(machine, task, found.get(row.id))
            task = task if handler is None else handler
            take_up(machine, task, found.get(task.id))
    for task in list(scope.tasks.values()):
        is_graph = task.node.subprogram is not None
        if (is_graph or task.name == START) and task.status is PLANNED and machine.state.is_open:
            enter_child(machine, task) if is_graph else run_start(machine, task)
    if found is not None and not any(scope is over for over, _ in machine.due):
        machine.note_end(scope)


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
