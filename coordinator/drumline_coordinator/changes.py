"""What a superstep changes: the writes of its tasks, merged, and told as data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline_coordinator.cells import keep_cells
from drumline_coordinator.machine import Machine
from drumline_coordinator.tasks import Scope, Task
from drumline_graph.channels.base import MISSING
from drumline_graph.delta import Change, as_changes, diff
from drumline_graph.superstep import Applied, apply
from drumline_graph.written import refer
from drumline_protocol.facts import StepCommitted


def merge(machine: Machine, scope: Scope, done: Sequence[Task]) -> tuple[Applied, dict[str, Change]]:
    """Merge the writes of these tasks; the state stays as it is. On a wire changes are deltas where they can be.

    Raises what a reducer raises.
    """
    applied = apply(scope.program, scope.state, done)
    return applied, _as_data(scope, applied.changes, done) if machine.wire else as_changes(applied.changes)


def step_fact(machine: Machine, scope: Scope, done: Sequence[Task]) -> tuple[Applied, StepCommitted]:
    """Merge the writes of a superstep into the fact that commits it; what the cell store gets goes to the effects.

    Raises what a reducer raises, and EncodeError.
    """
    if not machine.wire:  # the new cells tell it
        applied = apply(scope.program, scope.state, done)
        return applied, StepCommitted(scope.ns, scope.step, {}, applied.written, machine.now_ms, {}, applied.changes)
    applied, changes = merge(machine, scope, done)
    told, kept = changes, {}
    if machine.codec is not None:
        names = {key: name for task in done if task.names for key, name in task.names.items()}
        keeping = keep_cells(machine.codec, scope, machine.state.version + 1, changes, applied.changes, names)
        told, kept = keeping.changes, keeping.kept
        machine.fx.rows += keeping.rows
    if scope.tasks:  # START's writes stand in no log unless START has routers
        told = {name: _referred(change, told[name], scope.written(name)) for name, change in changes.items()}
    return applied, StepCommitted(scope.ns, scope.step, told, applied.written, machine.now_ms, kept, applied.changes)


def _referred(change: Change, told: Change, written: Sequence[Any]) -> Change:
    """What is told of a change: nothing but a reference, if the log holds what was written."""
    reference = refer(change, written)
    return told if reference is change else reference


def _as_data(scope: Scope, changes: dict[str, Any], done: Sequence[Task]) -> dict[str, Change]:
    """New cells as deltas to the old ones: only for channels whose reducer is known to be a concatenation or merge."""
    program, cells = scope.program, scope.state.cells
    writes: dict[str, list[Any]] = {}
    for task in done:
        for channel, value in task.writes:
            if channel in changes:
                writes.setdefault(channel, []).append(value)
    return {
        name: diff(program.channels[name], cells.get(name, MISSING), cell, writes.get(name, ()))
        for name, cell in changes.items()
    }
