"""Updates of a thread from outside: supersteps in which no node runs, each of them a checkpoint. Pure.

An update says what a node is to have returned. Its writes, edges and routers follow as if it had (routers on a worker),
and what they lead to is planned, but does not run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

from drumline_coordinator.changes import Given, given_fact, step_fact
from drumline_coordinator.checkpointing import make_checkpoint, planned_rows
from drumline_coordinator.machine import Machine
from drumline_coordinator.nesting import start_writes
from drumline_coordinator.passing import returning_writes
from drumline_coordinator.resuming import due, restore
from drumline_coordinator.state import RunStatus
from drumline_coordinator.task_ends import end_run, finish
from drumline_coordinator.tasks import Scope, Task
from drumline_graph.constants import END, INTERRUPT, START
from drumline_graph.errors import InvalidUpdateError
from drumline_graph.functional import begins_at_once, entry_writes
from drumline_graph.program import Program
from drumline_graph.superstep import Planned, State, path_key_of
from drumline_graph.types import StateUpdate, StateUpdates
from drumline_protocol.checkpoints import (
    FORK,
    INPUT,
    UPDATE,
    Checkpoint,
    PendingWrite,
    Saved,
    null_writes,
    outcomes,
)
from drumline_protocol.facts import PlanMade, PlannedTask, UpdateBegun
from drumline_protocol.ids import task_id
from drumline_protocol.names import fault_of_name

#: as a node: the values are a new input, and a copy of the checkpoint is made beside it
AS_INPUT, COPY = "__input__", "__copy__"


def begin_update(machine: Machine, saved: Saved | None, updates: StateUpdates) -> None:
    """Apply the updates to where the thread stands, or to a new one.

    Raises InvalidUpdateError for updates that cannot be, and what a reducer raises.
    """
    thread, ns = machine.thread, machine.state.root_ns
    assert thread is not None
    known = saved is not None
    if saved is None:
        initial = State.initial(machine.program)
        saved = Saved(Checkpoint("", updates.ns, "", "", -1, machine.now_ms, initial.cells, {}, {}), [])
    thread.parents = dict(saved.checkpoint.parents)
    scope = restore(machine, ns, "", saved)
    pending = saved.pending if known else []
    if not saved.is_head:  # what others have made of the checkpoint stays as it is
        thread.keeps_results = False
    thread.settled |= {id_ for id_, outcome in outcomes(pending).items() if outcome.has_ended}
    _superstep(machine, scope, updates.supersteps, pending, saved.checkpoint.parent)


def end_update(machine: Machine, scope: Scope, done: Sequence[Task]) -> None:
    """Commit a superstep whose nodes were said to have run; the next one begins, or the run ends.

    Raises what a reducer raises.
    """
    _, fact = step_fact(machine, scope, done)
    machine.emit(fact)
    _checkpoint(machine, scope, UPDATE, scope.step)
    assert scope.updates is not None
    _go_on(machine, scope, scope.updates)


def _go_on(machine: Machine, scope: Scope, rest: Sequence[Sequence[StateUpdate]]) -> None:
    assert machine.thread is not None
    if rest:
        machine.thread.keeps_results = True
        _superstep(machine, scope, rest, [], "")
    else:
        end_run(machine, RunStatus.DONE)


def _superstep(
    machine: Machine,
    scope: Scope,
    supersteps: Sequence[Sequence[StateUpdate]],
    pending: Sequence[PendingWrite],
    parent: str,
) -> None:
    """Apply the first of these, and all that needs no worker. `parent` is that of the checkpoint."""
    updates, rest = [StateUpdate(*each) for each in supersteps[0]], list(supersteps[1:])
    values, as_node = updates[0].values, updates[0].as_node
    if values is None and as_node == END:
        _alone(updates, "Cannot apply multiple updates when clearing state")
        _clear(machine, scope, pending)
    elif as_node == AS_INPUT:
        _alone(updates, "Cannot apply multiple updates when updating as input")
        _give_input(machine, scope, values)
    elif as_node == COPY:
        _alone(updates, "Cannot copy checkpoint with multiple updates")
        if not scope.checkpoint:
            raise InvalidUpdateError("Cannot copy a non-existent checkpoint")
        _checkpoint(machine, scope, FORK, scope.step + 1, parent=parent)
        if isinstance(values, list) and values:
            rest.insert(0, _by_node(values))
    else:
        _say_they_ran(machine, scope, _named(scope, updates), rest)
        return
    _go_on(machine, scope, rest)


def _alone(updates: Sequence[StateUpdate], refusal: str) -> None:
    if len(updates) > 1:
        raise InvalidUpdateError(refusal)


def _clear(machine: Machine, scope: Scope, pending: Sequence[PendingWrite]) -> None:
    """Nothing is to run next; what tasks of the open superstep have written counts."""
    planned = due(scope, scope.step + 1) if scope.checkpoint else []
    if null := null_writes(pending):
        machine.emit(given_fact(machine, scope, [Given("input", (), null)])[0])
    found = outcomes(pending)
    ids = [row.id for row in _rows(scope, planned)]
    ended = [
        Given(item.name, item.triggers, found[id_].output if id_ in found else (), item.path_key)
        for item, id_ in zip(planned, ids, strict=True)
    ]
    if ended:
        machine.emit(given_fact(machine, scope, ended)[0])
    _checkpoint(machine, scope, UPDATE, scope.step + 1)


def _give_input(machine: Machine, scope: Scope, values: Any) -> None:
    channel = scope.program.start.triggers[0]
    if values is None:
        raise InvalidUpdateError(f"Received no input writes for {channel}")
    machine.emit(given_fact(machine, scope, [Given("input", (), [(channel, values)])])[0])
    _checkpoint(machine, scope, INPUT, scope.step + 1 if scope.checkpoint else -1)


def _checkpoint(machine: Machine, scope: Scope, source: str, step: int, *, parent: str | None = None) -> None:
    """The state is a checkpoint, of `parent` in place of the one that it was made from."""
    try:
        planned = due(scope, step + 1)
    except Exception:  # a schema refuses the state: whoever goes on from here is told
        planned = []
    make_checkpoint(machine, scope, source, step, planned, None, runs=False, parent=parent)


def _by_node(values: Sequence[Any]) -> list[StateUpdate]:
    """The updates that follow a copy, those of one node together."""
    groups: dict[str | None, list[StateUpdate]] = {}
    for item in values:
        if not isinstance(item, Sequence) or isinstance(item, str):
            raise InvalidUpdateError(f"Invalid update item: {item} when copying checkpoint")
        update = StateUpdate(*item[:2])
        groups.setdefault(update.as_node, []).append(update)
    return [update for group in groups.values() for update in group]


def _named(scope: Scope, updates: Sequence[StateUpdate]) -> list[tuple[str, StateUpdate]]:
    """The updates with the node of each."""
    found: list[tuple[str, StateUpdate]] = []
    for update in updates:
        name = update.as_node
        if name is None and len(updates) > 1:
            raise InvalidUpdateError("as_node is required when applying multiple updates")
        if name is None:
            name = _ran_last(scope.program, scope.state)
        if name is None:
            raise InvalidUpdateError("Ambiguous update, specify as_node")
        has_start = not begins_at_once(scope.program)
        if name not in scope.program.nodes and not (name == START and has_start):
            raise InvalidUpdateError(f"Node {name} does not exist")
        if update.task_id and (fault := fault_of_name(update.task_id)):
            raise InvalidUpdateError(f"The task_id of an update of node {name!r} {fault}")
        found.append((name, update))
    return found


def _ran_last(program: Program, state: State) -> str | None:
    """The node that ran last: START if nothing did, None if there are several. Of an entrypoint it is the one node."""
    if begins_at_once(program):
        return next(iter(program.nodes))
    seen = {name: versions for name, versions in state.seen.items() if versions}
    if not seen:
        return START
    last = sorted(
        (version, name)
        for name, versions in seen.items()
        if name == START or name in program.nodes
        for version in versions.values()
    )
    if len(last) == 1 or (last and last[-1][0] != last[-2][0]):
        return last[-1][1]
    return None


def _say_they_ran(
    machine: Machine, scope: Scope, updates: Sequence[tuple[str, StateUpdate]], rest: Sequence[Any]
) -> None:
    """Open a superstep with what these nodes are to have returned; routers run on a worker."""
    step = scope.step + 1
    free = _ids_by_name(scope)
    rows: list[PlannedTask] = []
    for index, (name, update) in enumerate(updates):
        path = (INTERRUPT, index)
        own = task_id(scope.checkpoint or machine.id, scope.ns, step, path_key_of(path))
        waiting = free.get(name)
        id_ = update.task_id or (waiting.popleft() if waiting else own)
        if any(row.id == id_ for row in rows):
            id_ = own
        # Messages are named after `own`: a caller may give the same id to one update after the other.
        arg = _writes(machine, scope, PlannedTask(own, name, path, (INTERRUPT,), None), update.values)
        rows.append(PlannedTask(id_, name, path, (INTERRUPT,), arg, name == START))
    machine.emit(UpdateBegun(scope.ns, list(rest)))
    machine.emit(PlanMade(scope.ns, step, scope.stop, rows, machine.now_ms, [update.values for _, update in updates]))
    for task in list(scope.tasks.values()):
        if begins_at_once(scope.program) or not (task.node.branches or task.node.makes_writes):
            finish(machine, task, task.writes)


def _writes(machine: Machine, scope: Scope, row: PlannedTask, values: Any) -> list[tuple[str, Any]]:
    """What a node that returned `values` writes, without what its routers add."""
    if row.name == START:
        if values is None:  # no new input, but START's edges are followed once more
            return list(scope.program.start.edges)
        return start_writes(machine, scope, row, values)
    if begins_at_once(scope.program):
        return entry_writes(values)
    node = scope.program.nodes[row.name]
    writes: list[tuple[str, Any]] = returning_writes(
        Task(row.id, row.name, row.path, path_key_of(row.path), row.triggers, None, node, scope),
        values,
        named=machine.wire or "messages" in machine.shared.recorded,
    )
    return writes


def _ids_by_name(scope: Scope) -> dict[str, deque[str]]:
    """The ids of the tasks that would run next, by the names of their nodes."""
    free: dict[str, deque[str]] = {}
    if scope.checkpoint:
        for row in _rows(scope, due(scope, scope.step + 1)):
            free.setdefault(row.name, deque()).append(row.id)
    return free


def _rows(scope: Scope, planned: Sequence[Planned]) -> list[PlannedTask]:
    return planned_rows(scope.program, scope.checkpoint, scope.ns, planned, scope.step + 1)
