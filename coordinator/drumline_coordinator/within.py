"""Runs that the code of a task waits for: where they go on, and what they leave with that task. Pure but for a reader.

Such a run is on no thread, for the run of the task holds it. But it goes on as a graph does that the task's code calls
in its own process: it begins from rows that came with its request, and its last fact has those for the next time. They
are made of the state, so a takeover in between changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from drumline_coordinator.checkpointing import call_of, tracked, tracked_writes
from drumline_coordinator.heads import scopes_below
from drumline_coordinator.loading import load
from drumline_coordinator.machine import Machine
from drumline_coordinator.state import RunStatus
from drumline_coordinator.tasks import DONE, INTERRUPTED, Scope, Task
from drumline_coordinator.thread_config import metadata_kept
from drumline_coordinator.thread_loading import asking, loaded, take_fields
from drumline_coordinator.thread_run import ThreadRun
from drumline_graph.constants import INTERRUPT
from drumline_graph.program import Program
from drumline_protocol.checkpoints import (
    CALLS_FROM,
    LOOP,
    NO_WRITES,
    RESUME,
    Checkpoint,
    Save,
    TaskWrites,
    joined_ns,
)
from drumline_protocol.codec import Codec, unbox
from drumline_protocol.errors import EncodeError
from drumline_protocol.facts import PlannedTask, RunFinished
from drumline_protocol.graph_paths import has_one_history
from drumline_protocol.history import CHECKPOINT, WRITES, History
from drumline_protocol.keys import owner_of_run
from drumline_protocol.limits import CARRIED_BYTES_MAX
from drumline_protocol.messages import RunShared, TaskThread
from drumline_protocol.reading_cells import ReadValues
from drumline_protocol.thread_rows import row_data, save_in
from drumline_transport.broker import FieldValue, HistoryRow


def place_within(codec: Codec, program: Program, below: TaskThread, config: dict[str, Any], input: Any) -> ThreadRun:
    """What a run must know that begins where an earlier one has left `below.rows`. DecodeError, and as `load`."""
    rows = [_as_found(number, save_in(codec, data), data) for number, data in enumerate(below.rows)]
    history = History(codec, "", rows, _nothing)
    run = ThreadRun(
        "",
        resumes=below.resumes,
        answers=dict(below.answers),
        single=below.single,
        metadata=metadata_kept(config),
        within=True,
    )
    run.saved = loaded(load(program, run, "", input), history)
    run.called = history.called(asking(run.saved.values()), run.saved.keys())
    run.called_one = history.called_one(run.saved.keys())
    return run


def place_within_again(codec: Codec, program: Program, shared: RunShared, record: Mapping[str, bytes]) -> ThreadRun:
    """The same of a run that was begun by an owner before. `record` is the run's."""
    below = TaskThread(*codec.decode(record["below"]))
    run = place_within(codec, program, below, shared.config, None)
    run.saved = {ns: saved for ns, saved in run.saved.items() if has_one_history(ns)}  # the others are entered
    take_fields(codec, run, record)
    return run


def below_kept(codec: Codec, below: TaskThread) -> dict[str, FieldValue]:
    """The field of a run's record that says where it has begun."""
    return {"below": codec.encode([below.checkpoint, below.parents, below.resumes, below.answers, below.rows])}


def _as_found(number: int, save: Save, data: bytes) -> HistoryRow:
    is_checkpoint = isinstance(save, Checkpoint)
    id_ = save.id if isinstance(save, Checkpoint) else save.checkpoint
    return HistoryRow(f"0-{number}", CHECKPOINT if is_checkpoint else WRITES, save.ns, id_, data)


def _nothing(*_asked: Any) -> Any:
    """These rows hold their values."""
    return [], []


def leave(machine: Machine, end: RunFinished, read: ReadValues) -> None:
    """Put what the task is to keep into the last fact. `read` reads the run's cells and large values.

    EncodeError if that cannot be written, or is more than may travel, and the run asks: else the task can do without.
    BlobMissing, CellMissing, NoBroker.
    """
    root, codec = machine.state.root, machine.codec
    if end.status == RunStatus.CANCELLED.value or root is None or codec is None:
        return
    asks = end.status == RunStatus.PAUSED.value
    try:
        end.rows = _fitting(_rows(machine, root, codec, read))
    except EncodeError:
        if asks:
            raise


def _fitting(rows: list[bytes]) -> list[bytes]:
    size = sum(map(len, rows))
    if size > CARRIED_BYTES_MAX:
        raise EncodeError(
            "checkpoints",
            "bytes",
            f"the states of the run that asks take {size} bytes, and go to the task that waits for it; the limit is "
            f"{CARRIED_BYTES_MAX}. Give it a thread of its own, or keep less in its state",
        )
    return rows


def _rows(machine: Machine, root: Scope, codec: Codec, read: ReadValues) -> list[bytes]:
    thread = machine.thread
    assert thread is not None
    history = History(codec, "", [], read, resolves=True, owner=owner_of_run(machine.id, ""))
    rows: list[bytes] = []
    open_now: set[str] = set()
    for scope in scopes_below(root):
        if scope.lasts and scope.checkpoint:
            open_now.add(joined_ns(scope.ns))
            rows += [row_data(codec, history.whole(save)) for save in _saves(scope)]
            for task in scope.tasks.values():
                rows += thread.called.get(task.id, ()) if task.status is not DONE else ()
    rows += [
        row_data(codec, history.whole(saved.checkpoint)) for ns, saved in thread.saved.items() if ns not in open_now
    ]
    rows += [row for ns, found in thread.called_one.items() if ns not in open_now for row in found]
    return rows


def _saves(scope: Scope) -> Iterator[Save]:
    """The checkpoint that a graph stands at, and what its tasks have come to since."""
    state, ns = scope.state, joined_ns(scope.ns)
    planned = [PlannedTask(task.id, task.name, task.path, task.triggers) for task in scope.tasks.values()]
    yield Checkpoint(
        scope.checkpoint,
        ns,
        "",
        LOOP,
        scope.step - bool(planned),
        0.0,
        tracked(scope.program, state.cells),
        dict(state.versions),
        {name: dict(seen) for name, seen in state.seen.items()},
        None,
        planned,
        fingerprint=scope.program.fingerprint,
    )
    left: dict[str, list[tuple[str, Any]]] = {}
    for id_, channel, value in scope.pending:
        if id_ not in scope.tasks:
            left.setdefault(id_, []).append((channel, value))
    for id_, writes in left.items():
        yield TaskWrites(ns, scope.checkpoint, id_, writes)
    for task in scope.tasks.values():
        writes = list(_writes(scope, task))
        if writes:
            yield TaskWrites(ns, scope.checkpoint, task.id, writes, task.path)


def _writes(scope: Scope, task: Task) -> Iterator[tuple[str, Any]]:
    if task.answers:
        yield RESUME, list(task.answers)
    if task.calls_from:
        yield CALLS_FROM, task.calls_from
    if task.status is INTERRUPTED and task.interrupts:
        yield INTERRUPT, list(unbox(task.interrupts))
    elif task.status is DONE:
        yield from tracked_writes(scope.program, [(c, v) for c, v in unbox(task.writes or [])]) or [(NO_WRITES, None)]
        yield from call_of(task)
