"""Graphs inside graphs: how one is entered, how it ends, and what its end means around it. Pure.

A graph ends in one of four ways, and is one of three things. `ENDS` is the table of what follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from typing import Any

from drumline_coordinator.cells import kept_below, names_by_value
from drumline_coordinator.changes import merge, taken_fact
from drumline_coordinator.checkpointing import (
    call_of,
    error_text,
    keep_writes,
    make_checkpoint,
    planned_rows,
)
from drumline_coordinator.direct import open_at_once, stops_at_once
from drumline_coordinator.handlers import begin_handler, catcher_of, what_failed
from drumline_coordinator.machine import Machine
from drumline_coordinator.passing import entering_writes, returning_writes, waits_to_leave
from drumline_coordinator.resuming import due, go_on, journey, loosen_answer, restore, single_answer
from drumline_coordinator.state import RunState, RunStatus
from drumline_coordinator.step_limits import begin_limit
from drumline_coordinator.task_ends import end_run, finish, interrupt, tell_caller, withdraw
from drumline_coordinator.tasks import DONE, FAILED, Scope, Task
from drumline_graph.cancelled import not_cancelled
from drumline_graph.channels.base import MISSING
from drumline_graph.constants import START
from drumline_graph.errors import GraphInterrupt, InvalidUpdateError, NoParentGraph, ParentCommand
from drumline_graph.functional import begins_at_once
from drumline_graph.program import Program
from drumline_graph.types import Command
from drumline_graph.writes import input_writes, joined
from drumline_protocol.checkpoints import INPUT, RESUME, joined_ns, split_ns
from drumline_protocol.facts import (
    GraphEntered,
    GraphExited,
    GraphPaused,
    PlanMade,
    PlannedTask,
    RoutingStarted,
    TaskFailed,
    TaskLeft,
)
from drumline_protocol.graph_paths import child_path, thread_ns
from drumline_protocol.ids import task_id
from drumline_protocol.leaving import LEAVE
from drumline_protocol.named import Named


class Ending(Enum):
    """How a graph ends, and what it says by that."""

    #: nothing is left to do; it says its output
    RETURNED = auto()
    #: a reducer, a schema or the plan raised; it says the error. (A task that fails fails all above it: `fail_task`.)
    FAILED = auto()
    #: its tasks have ended, some of them with a question; it says the `Interrupt`s
    ASKED = auto()
    #: its tasks have commands for the graph around it; it says those
    BUBBLED = auto()


class Place(Enum):
    """What a graph is in its run."""

    ROOT = auto()
    #: the node of another graph
    NODE = auto()
    #: the root of a run that the code of a node has started
    CALLED = auto()


def place_of(state: RunState, scope: Scope) -> Place:
    """What this graph is in its run."""
    if scope.parent is not None:
        return Place.NODE
    return Place.CALLED if state.root_ns else Place.ROOT


# -- in --------------------------------------------------------------------------------------------


def enter(machine: Machine, program: Program, ns: tuple[str, ...], path: str, input: Any, node_task: str = "") -> None:
    """Step 0 of a graph: its input's writes, and START's edges, which need no worker unless START has routers.

    Raises what `input_writes` raises for an input that the graph does not take.
    """
    cells = {key: program.channels[key].initial() for key in program.channels if key in program.state_keys}
    found = {key: cell for key, cell in cells.items() if cell is not MISSING}
    machine.emit(GraphEntered(ns, path, found, task=node_task))
    scope = machine.state.scopes[ns]
    if machine.thread is not None and scope.lasts:
        take_input(machine, scope, input, _NEW)
        return
    if begins_at_once(program):
        entering_writes(scope, "", input, wire=machine.wire)
        machine.emit(taken_fact(machine, scope, [(program.start.triggers[0], input)], ())[0])
        planned = due(scope, 0)
        if not open_at_once(machine, scope, planned_rows(program, machine.id, ns, planned, 0), 0, planned):
            end_graph(machine, scope, Ending.ASKED, [])
        return
    start = program.start
    id_ = task_id(machine.id, ns, 0, start.path_key)
    writes = [*entering_writes(scope, id_, input, wire=machine.wire), *start.edges]
    if start.branches or start.makes_writes:
        row = PlannedTask(id_, START, start.path, start.triggers, writes, True)
        machine.emit(PlanMade(ns, 0, scope.stop, [row], machine.now_ms, [input]))
        begin_limit(machine, scope)
    else:
        task = Task(id_, START, start.path, start.path_key, start.triggers, input, start, scope)
        task.writes = writes
        machine.due.append((scope, [task]))


#: the step before the input of a new thread
_NEW = -2


def take_input(machine: Machine, scope: Scope, input: Any, step: int) -> None:
    """A graph of a thread gets an input behind `step`: what it still had to do is dropped, and START is next.

    Raises what `input_writes` raises for an input that the graph does not take.
    """
    start = scope.program.start
    input_writes(scope.program, input)  # refuses it before anything has happened
    dropped = [] if step == _NEW else [(item.name, item.triggers) for item in due(scope, step + 1)]
    fact, updated = taken_fact(machine, scope, [(start.triggers[0], input)], dropped)
    machine.emit(fact)
    planned = due(scope, step + 2)
    runs = not stops_at_once(machine, scope, planned)
    make_checkpoint(machine, scope, INPUT, step + 1, planned, updated, runs=runs)
    rows = planned_rows(scope.program, scope.checkpoint, scope.ns, planned, step + 2)
    if begins_at_once(scope.program):
        if not open_at_once(machine, scope, rows, step + 2, planned):
            end_graph(machine, scope, Ending.ASKED, [])
    else:
        start_task(machine, scope, rows[0], input)


def start_task(machine: Machine, scope: Scope, row: PlannedTask, input: Any) -> None:
    """Open the superstep of START, of a graph of a thread."""
    row.arg = start_writes(machine, scope, row, input)
    machine.emit(PlanMade(scope.ns, scope.step + 1, scope.stop, [row], machine.now_ms, [input]))
    run_start(machine, machine.state.tasks[row.id])
    begin_limit(machine, scope)


def start_writes(machine: Machine, scope: Scope, row: PlannedTask, input: Any) -> list[tuple[str, Any]]:
    """What START writes before its routers run. Raises what `input_writes` raises."""
    return [*entering_writes(scope, row.id, input, wire=machine.wire), *scope.program.start.edges]


def run_start(machine: Machine, task: Task) -> None:
    """START has its result, unless it has routers: those run on a worker."""
    if not (task.node.branches or task.node.makes_writes):
        finish(machine, task, task.writes)


def enter_child(machine: Machine, task: Task) -> None:
    """Begin the graph that is the node of `task`. If it does not take its input, the task has failed.

    On a thread it goes on from its checkpoint, if an earlier run has left one.
    """
    scope, program = task.scope, task.node.subprogram
    assert program is not None
    try:
        ns = (*scope.ns, f"{task.name}:{task.id}")
        path = child_path(scope.path, task.name)
        if machine.thread is None:
            enter(machine, program, ns, path, task.input)
        else:
            _enter_on_thread(machine, program, task, ns, path)
    except BaseException as error:
        if task.child is not None:
            end_graph(machine, task.child, Ending.FAILED, error)
        else:
            fail_task(machine, task, error)


def _enter_on_thread(machine: Machine, program: Program, task: Task, ns: tuple[str, ...], path: str) -> None:
    thread, scope, is_one = machine.thread, task.scope, program.persists is True
    assert thread is not None
    if is_one and scope.lasts:
        ns = split_ns(thread_ns(joined_ns(ns)))
        if ns in machine.state.scopes:
            raise InvalidUpdateError(
                f"Node {task.name!r} of {scope.name} runs twice in one superstep, but its graph has one history for "
                "all its calls (checkpointer=True). Compile it without, or send to it in supersteps of their own."
            )
    key = joined_ns(ns)
    saved = thread.saved.get(key) if is_one else thread.saved.pop(key, None)
    if saved is None:
        enter(machine, program, ns, path, task.input, task.id)
        return
    way = journey(thread, key, saved, task.input, scope.resumed)
    pending = [write for write in saved.pending if not (way.travels and write[1] == RESUME)]
    child = restore(machine, ns, path, saved, task.id)
    loosen_answer(thread, single_answer(thread, task.id), () if way.forks else pending)
    if not go_on(machine, child, saved, pending, way):
        take_input(machine, child, task.input, saved.checkpoint.step)


# -- out -------------------------------------------------------------------------------------------


def end_graph(machine: Machine, scope: Scope, ending: Ending, said: Any) -> None:
    """A graph has come to its end; `said` is what it says by that (`Ending`)."""
    ENDS[ending, place_of(machine.state, scope)](machine, scope, said)


def _run_is_done(machine: Machine, _scope: Scope, _output: Any) -> None:
    end_run(machine, RunStatus.DONE)


def _run_failed(machine: Machine, _scope: Scope, error: BaseException) -> None:
    end_run(machine, RunStatus.FAILED, error)


def _run_pauses(machine: Machine, scope: Scope, interrupts: Sequence[Any]) -> None:
    """What the finished tasks wrote is shown; the step is not over, and the state stays as it was."""
    done = [task for task in scope.tasks.values() if task.status is DONE]
    changes: dict[str, Any] = {}
    written: tuple[str, ...] = ()
    if done:
        applied, changes = merge(machine, scope, done)
        written = applied.written
    machine.emit(GraphPaused(scope.ns, scope.step, changes, written, machine.now_ms, not interrupts))
    end_run(machine, RunStatus.PAUSED)


def _node_returned(machine: Machine, scope: Scope, output: Any) -> None:
    assert scope.parent is not None
    names = names_by_value(scope)
    _leave(machine, scope)
    _resolve(machine, scope.parent, output, names)


def _node_failed(machine: Machine, scope: Scope, error: BaseException) -> None:
    assert scope.parent is not None
    _leave(machine, scope)
    fail_task(machine, scope.parent, error)


def _node_asks(machine: Machine, scope: Scope, interrupts: Sequence[Any]) -> None:
    """The graph stays, with what its tasks wrote, until it is answered."""
    assert scope.parent is not None
    machine.emit(GraphPaused(scope.ns, scope.step, {}, (), machine.now_ms))
    interrupt(machine, scope.parent, interrupts)


def _node_is_left(machine: Machine, scope: Scope, commands: Sequence[Command[Any]]) -> None:
    """The commands are the answer of the node, in planning order."""
    _node_returned(machine, scope, commands[0] if len(commands) == 1 else list(commands))


def _caller_asks(machine: Machine, scope: Scope, interrupts: Sequence[Any]) -> None:
    machine.emit(GraphPaused(scope.ns, scope.step, {}, (), machine.now_ms))
    end_run(machine, RunStatus.PASSED_ON, control=GraphInterrupt(tuple(interrupts)))


def _caller_answers(machine: Machine, _scope: Scope, commands: Sequence[Command[Any]]) -> None:
    end_run(machine, RunStatus.PASSED_ON, control=ParentCommand(joined(list(commands))))


#: What follows when a graph ends. A root that bubbles is not here: the task that has such a command fails (`bubble`).
ENDS: dict[tuple[Ending, Place], Callable[[Machine, Scope, Any], None]] = {
    (Ending.RETURNED, Place.ROOT): _run_is_done,
    (Ending.RETURNED, Place.NODE): _node_returned,
    (Ending.RETURNED, Place.CALLED): _run_is_done,
    (Ending.FAILED, Place.ROOT): _run_failed,
    (Ending.FAILED, Place.NODE): _node_failed,
    (Ending.FAILED, Place.CALLED): _run_failed,
    (Ending.ASKED, Place.ROOT): _run_pauses,
    (Ending.ASKED, Place.NODE): _node_asks,
    (Ending.ASKED, Place.CALLED): _caller_asks,
    (Ending.BUBBLED, Place.NODE): _node_is_left,
    (Ending.BUBBLED, Place.CALLED): _caller_answers,
}


def _leave(machine: Machine, scope: Scope) -> None:
    """Forget a subgraph and everything below it; what of it still runs is cancelled."""
    withdraw(machine, _tasks_below(scope))
    machine.fx.dropped += kept_below(scope)
    machine.emit(GraphExited(scope.ns))


def _tasks_below(scope: Scope) -> Iterator[Task]:
    for task in scope.tasks.values():
        yield task
        if task.child is not None:
            yield from _tasks_below(task.child)


def _resolve(machine: Machine, task: Task, result: Any, names: Mapping[int, Named]) -> None:
    """A subgraph's output becomes the result of its node: writes, edges, and (on a worker) routers.

    `names` has the names of what lies in a blob already, by identity: it is named again, not written again.
    """
    try:
        writes = returning_writes(task, result, named=machine.wire or "messages" in machine.shared.recorded)
    except BaseException as error:
        fail_task(machine, task, error)
        return
    if task.node.branches or task.node.makes_writes:
        machine.emit(RoutingStarted(task.scope.ns, task.id, writes))
    elif names and any(id(value) in names for _, value in writes):
        finish(machine, task, [(channel, names.get(id(value), value)) for channel, value in writes], opened=writes)
    else:
        finish(machine, task, writes)


# -- how a task ends -------------------------------------------------------------------------------


def bubble(machine: Machine, task: Task, command: Command[Any], executor: str) -> None:
    """The task has a command for the graph around its own, which is left once its siblings have ended."""
    scope = task.scope
    if task.caller is not None:
        fail_task(machine, task, ParentCommand(command))
    elif place_of(machine.state, scope) is Place.ROOT:
        fail_task(machine, task, NoParentGraph(command, task.name))
    elif waits_to_leave(scope, task):
        finish(machine, task, [(LEAVE, command)], executor)
    else:
        machine.emit(TaskLeft(scope.ns, task.id))
        end_graph(machine, scope, Ending.BUBBLED, [command])


def fail_task(machine: Machine, task: Task, error: Any, executor: str = "", *, waits: bool = False) -> None:
    """The task, the tasks above it, and the run have failed; or all up to a node that has an error handler.

    Of a called `@task`: that alone, its caller is told. `waits`: the siblings of the task come to their end first, so
    that what they did with answers of their own counts.
    """
    error = not_cancelled(error, task.name)
    if task.caller is not None:
        fail_call(machine, task, error, executor)
        return
    catcher = catcher_of(task, error)
    if waits and catcher is None:
        _note_failure(machine, task, error, executor)
        return
    current: Task | None = task
    while current is not None:
        scope = current.scope
        by = executor if current is task else ""
        machine.emit(TaskFailed(scope.ns, current.id, current.attempt, error, machine.now_ms, executor=by))
        if machine.thread is not None and scope.updates is None:
            keep_writes(machine, current, what_failed(current, error_text(error), handled=current is catcher))
        if current is catcher:
            begin_handler(machine, current, error)
            return
        if catcher is not None:
            _leave(machine, scope)
        current = scope.parent
    end_run(machine, RunStatus.FAILED, error)


def fail_call(machine: Machine, task: Task, error: Any, executor: str = "") -> None:
    """A called `@task` has failed, or its caller has cancelled it: the caller is told, and nobody else fails."""
    machine.emit(TaskFailed(task.scope.ns, task.id, task.attempt, error, machine.now_ms, executor=executor))
    if machine.thread is not None:
        keep_writes(machine, task, [*what_failed(task, error_text(error), handled=False), *call_of(task)])
    tell_caller(machine, task, error=error)
    machine.note_end(task.scope)


def _note_failure(machine: Machine, task: Task, error: Any, executor: str = "") -> None:
    machine.emit(TaskFailed(task.scope.ns, task.id, task.attempt, error, machine.now_ms, waits=True, executor=executor))
    if machine.thread is not None:
        keep_writes(machine, task, what_failed(task, error_text(error), handled=False))
    machine.note_end(task.scope)


def fail_late(machine: Machine, scope: Scope, done: Sequence[Task]) -> None:
    """The superstep of a graph is over, and one of its tasks has failed meanwhile: the graph fails, and those above."""
    error = next(task.error for task in done if task.status is FAILED and task.caller is None)
    if scope.parent is None:
        end_run(machine, RunStatus.FAILED, error)
        return
    parent = scope.parent
    _leave(machine, scope)
    _note_failure(machine, parent, error)
