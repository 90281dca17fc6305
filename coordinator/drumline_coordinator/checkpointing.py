"""What a run adds to its thread: checkpoints, and what its tasks have written. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from drumline_coordinator.cells import Kept
from drumline_coordinator.machine import Machine
from drumline_coordinator.tasks import Scope, Task
from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.channels import UntrackedValue
from drumline_graph.constants import TAG_HIDDEN, TASKS
from drumline_graph.program import Program
from drumline_graph.superstep import Planned
from drumline_graph.types import Send
from drumline_graph.weakly import once_per_object
from drumline_protocol.checkpoint_ids import next_checkpoint_id
from drumline_protocol.checkpoints import (
    CALL,
    NO_WRITES,
    RESUME,
    Checkpoint,
    PendingWrite,
    Saved,
    TaskWrites,
    joined_ns,
)
from drumline_protocol.codec import unbox
from drumline_protocol.errors import DecodeError
from drumline_protocol.facts import Checkpointed, PlannedTask, TaskAnswered
from drumline_protocol.failure import Failure
from drumline_protocol.ids import task_id


def planned_rows(
    program: Program, base: str, ns: tuple[str, ...], planned: Sequence[Planned], step: int
) -> list[PlannedTask]:
    """What facts say of the planned tasks of a superstep that starts from `base`."""
    nodes, rows = program.nodes, []
    for item in planned:  # each task of each step comes by here
        node = nodes.get(item.name)
        hidden = node is None or TAG_HIDDEN in node.tags
        rows.append(
            PlannedTask(task_id(base, ns, step, item.path_key), item.name, item.path, item.triggers, None, hidden)
        )
    return rows


def make_checkpoint(
    machine: Machine,
    scope: Scope,
    source: str,
    step: int,
    planned: Sequence[Planned],
    updated: set[str] | None,
    *,
    runs: bool,
    pending: Sequence[PendingWrite] = (),
    parent: str | None = None,
    goes_on: bool = False,
) -> None:
    """The state of a graph becomes a checkpoint of the thread. `planned` is what follows it; `runs`: right now.

    `parent` is another checkpoint than the one that the graph stands at.
    """
    thread, state = machine.thread, scope.state
    assert thread is not None
    # It sorts behind all that it stands on, also what other hosts have made by clocks of their own: who goes back to
    # this one finds, of the graphs that nodes call, what is older.
    behind = max(machine.state.checkpoint, thread.last, *thread.parents.values())
    id_ = next_checkpoint_id(behind, machine.now_ms, machine.id)
    parents = parents_of(thread, scope)
    rows = planned_rows(scope.program, id_, scope.ns, planned, step + 1)
    checkpoint = Checkpoint(
        id_,
        joined_ns(scope.ns),
        scope.checkpoint if parent is None else parent,
        source,
        step,
        machine.now_ms,
        tracked(scope.program, state.cells),
        dict(state.versions),
        {name: dict(seen) for name, seen in state.seen.items()},
        None if updated is None else tuple(sorted(updated)),
        rows,
        parents,
        thread.metadata,
        scope.program.fingerprint,
        kept={name: list(how) if type(how) is Kept else how for name, how in scope.kept.items()},
    )
    machine.save(checkpoint)
    if scope.program.persists is True:  # its next call goes on from here
        thread.saved[checkpoint.ns] = Saved(checkpoint, [])
    tell(machine, scope, checkpoint, pending, runs=runs, is_new=True, goes_on=goes_on)


def tell(
    machine: Machine,
    scope: Scope,
    checkpoint: Checkpoint,
    pending: Sequence[PendingWrite],
    *,
    runs: bool,
    is_new: bool = False,
    goes_on: bool = False,
) -> None:
    """The fact that a graph stands at a checkpoint, with what an earlier run has begun of its tasks.

    `goes_on`: those of them that have ended there do not run again.
    """
    machine.emit(
        Checkpointed(
            scope.ns,
            checkpoint.id,
            checkpoint.parent,
            checkpoint.source,
            checkpoint.step,
            checkpoint.at_ms,
            checkpoint.parents,
            None if runs else list(checkpoint.tasks),
            list(pending),
            {} if is_new else checkpoint.metadata,  # LangGraph shows those of its saver only where it has read them
            goes_on,
        )
    )


def parents_of(thread: ThreadRun, scope: Scope) -> dict[str, str]:
    """The checkpoints that the graphs around a graph stand at, by namespace."""
    parents = dict(thread.parents)
    around = scope.parent
    while around is not None:
        parents[joined_ns(around.scope.ns)] = around.scope.checkpoint
        around = around.scope.parent
    return parents


def tracked(program: Program, cells: Mapping[str, Any]) -> dict[str, Any]:
    """The cells that a checkpoint keeps: all but those of `UntrackedValue` channels, which Sends carry neither."""
    untracked = _untracked(program)
    if not untracked:
        return dict(cells)
    found = {name: cell for name, cell in cells.items() if name not in untracked}
    if type(found.get(TASKS)) in (list, tuple):
        found[TASKS] = type(found[TASKS])(_tracked_send(send, untracked) for send in found[TASKS])
    return found


def tracked_writes(program: Program, writes: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """The writes that a thread keeps: none to `UntrackedValue` channels, and no values of such in what Sends carry."""
    untracked = _untracked(program)
    if not untracked:
        return writes
    return [(channel, _tracked_send(value, untracked)) for channel, value in writes if channel not in untracked]


def _tracked_send(value: Any, untracked: frozenset[str]) -> Any:
    if type(value) is not Send or not isinstance(value.arg, dict) or untracked.isdisjoint(value.arg):
        return value
    arg = {name: each for name, each in value.arg.items() if name not in untracked}
    return Send(value.node, arg, timeout=value.timeout)


@once_per_object
def _untracked(program: Program) -> frozenset[str]:
    return frozenset(name for name, channel in program.channels.items() if isinstance(channel, UntrackedValue))


def keep_writes(machine: Machine, task: Task, writes: Any) -> None:
    """The thread keeps what a task has written, or what became of it; not of a graph without checkpoints."""
    scope = task.scope
    if not scope.lasts:
        return
    kept = tracked_writes(scope.program, [(c, v) for c, v in unbox(writes)]) or [(NO_WRITES, None)]
    machine.save(TaskWrites(joined_ns(scope.ns), scope.checkpoint, task.id, kept, task.path))


def keep_result(machine: Machine, task: Task, writes: Any) -> None:
    """The thread keeps the result of a task: also one that has written nothing has ended.

    What a checkpoint has of a task already stays, and so does a checkpoint that others follow, if it is updated.
    """
    thread = machine.thread
    assert thread is not None
    if task.id in thread.settled:
        return
    if task.scope.updates is not None and not (task.scope.checkpoint and thread.keeps_results and unbox(writes)):
        return
    keep_writes(machine, task, [*(unbox(writes) or [(NO_WRITES, None)]), *call_of(task)])


def call_of(task: Task) -> list[tuple[str, Any]]:
    """Behind what the thread keeps of a called `@task`: which call it was."""
    return [(CALL, list(task.call))] if task.call else []


def late_writes(task: Task, writes: Any) -> TaskWrites:
    """What a task has written that came to its end behind that of its run."""
    scope = task.scope
    found = tracked_writes(scope.program, [(channel, value) for channel, value in unbox(writes)])
    found = found or [(NO_WRITES, None)]
    return TaskWrites(joined_ns(scope.ns), scope.checkpoint, task.id, [*found, *call_of(task)], task.path)


def keep_answers(machine: Machine, task: Task, answers: list[Any]) -> None:
    """The questions of a task have these answers from now on, in their order; the thread keeps them."""
    machine.emit(TaskAnswered(task.scope.ns, task.id, answers))
    if machine.thread is not None:
        keep_writes(machine, task, [(RESUME, answers)])


#: values whose repr is that of the process that raised
_PLAIN = (str, int, float, bool, type(None))


def _arguments(failure: Failure) -> str:
    """The arguments of an exception that another process raised, as its repr shows them; else its message."""
    try:
        args = unbox(failure.args)
    except DecodeError:
        args = None
    if type(args) is not list or not all(type(each) in _PLAIN for each in args):
        return repr(failure.message)
    return ", ".join(map(repr, args))


def error_text(error: Any) -> str:
    """What a thread keeps of an error: its text alone, as LangGraph's savers do."""
    if type(error) is Failure:
        return f"{error.class_name.rpartition('.')[2]}({_arguments(error)})"
    try:
        return repr(error)
    except Exception:  # an exception is user code too
        return f"{type(error).__name__}(...)"
