"""Snapshots of a thread: what `get_state` shows of a checkpoint and of the tasks behind it. Pure.

They are made of a `Saved` and the graph alone, so a store of this process and rows of a cluster give the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from drumline.threads.loading import state_of, tasks_of
from drumline_coordinator.changes import Given
from drumline_graph.program import Program
from drumline_graph.superstep import State, apply, path_key_of
from drumline_graph.types import PregelTask, StateSnapshot
from drumline_graph.writes import result_of
from drumline_protocol.checkpoints import Checkpoint, Outcome, Saved, metadata_of, null_writes, outcomes
from drumline_protocol.facts import PlannedTask


def no_snapshot(config: Any) -> StateSnapshot:
    """What is shown of a thread that has no such checkpoint."""
    return StateSnapshot({}, (), config, None, None, None, (), ())


def snapshot(
    program: Program, thread: str, saved: Saved, *, live: bool, below: Mapping[str, Any] | None = None
) -> StateSnapshot:
    """The snapshot of a checkpoint of the graph `program`.

    A `live` one shows how the thread stands: the values with what ended tasks have written, tasks that are still to
    run, questions that wait. Any other is a record of the superstep: the values in front of it, all its tasks with what
    they wrote and asked. `below` has what is shown of the graphs in tasks, by the tasks' ids. Raises what building a
    node's input raises, and what a reducer raises.
    """
    checkpoint = saved.checkpoint
    state, rows, found = state_of(saved), tasks_of(program, saved), outcomes(saved.pending)
    if null := null_writes(saved.pending):
        _take(program, state, [Given("input", (), null)])
    done = {row.id: found[row.id] for row in rows if row.id in found and found[row.id].has_ended}
    if live and done:
        _take(program, state, [_given(row, done[row.id]) for row in rows if row.id in done])
    tasks = tuple(_task(program, row, found.get(row.id) or Outcome(), below or {}, live=live) for row in rows)
    return StateSnapshot(
        _values(program, state),
        tuple(row.name for row in rows if not (live and row.id in done)),
        config_of(thread, checkpoint, checkpoint.id),
        metadata_of(checkpoint),
        datetime.fromtimestamp(checkpoint.at_ms / 1000, timezone.utc).isoformat(timespec="microseconds"),
        config_of(thread, checkpoint, checkpoint.parent) if checkpoint.parent else None,
        tasks,
        tuple(question for task in tasks for question in task.interrupts),
    )


def config_of(thread: str, checkpoint: Checkpoint, id_: str) -> dict[str, Any]:
    """The config that names the checkpoint `id_`, which is this one or its parent."""
    found: dict[str, Any] = {"thread_id": thread, "checkpoint_ns": checkpoint.ns, "checkpoint_id": id_}
    if checkpoint.parents:
        found["checkpoint_map"] = {**checkpoint.parents, checkpoint.ns: id_}
    return {"configurable": found}


def _take(program: Program, state: State, given: Sequence[Given]) -> None:
    applied = apply(program, state, given)
    state.advance(program, applied.changes, [(each.name, each.triggers) for each in given])


def _given(row: PlannedTask, outcome: Outcome) -> Given:
    return Given(row.name, row.triggers, outcome.output, path_key_of(row.path))


def _values(program: Program, state: State) -> Any:
    """The state as it is shown: of an unkeyed one the value, None if there is none."""
    keys, cells = program.stream_keys, state.cells
    held = {name: cells[name] for name in ([keys] if isinstance(keys, str) else keys) if name in cells}
    if program.special_keys:
        channels = program.channels
        held = {n: channels[n].read(cell) for n, cell in held.items() if channels[n].available(cell)}
    return held.get(keys) if isinstance(keys, str) else held


def _task(program: Program, row: PlannedTask, outcome: Outcome, below: Mapping[str, Any], *, live: bool) -> PregelTask:
    questions = outcome.open_interrupts if live else outcome.interrupts
    return PregelTask(
        row.id,
        row.name,
        tuple(row.path),
        outcome.error,
        tuple(questions),
        below.get(row.id),
        _result(program, outcome) if outcome.has_ended else None,
    )


def _result(program: Program, outcome: Outcome) -> Any:
    keys = program.stream_keys
    written = result_of(outcome.output, keys)
    return written.get(keys) if isinstance(keys, str) else written
