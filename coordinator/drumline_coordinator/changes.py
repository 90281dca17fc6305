"""What a superstep changes: the writes of its tasks, merged, and told as data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline_coordinator.cells import keep_cells
from drumline_coordinator.machine import Machine
from drumline_coordinator.tasks import Scope, Task
from drumline_graph.channels.base import MISSING
from drumline_graph.delta import Change, diff
from drumline_graph.superstep import Applied, apply
from drumline_graph.written import refer
from drumline_protocol.facts import StepCommitted


def merge(machine: Machine, scope: Scope, done: Sequence[Task]) -> tuple[Applied, dict[str, Change]]:
    """Merge the writes of these tasks; the state stays as it is. On a wire changes are deltas where they can be.

    Raises what a reducer raises.
    """
    applied = apply(scope.program, scope.state, done)
    if machine.wire:
        return applied, _as_data(scope, applied.changes, done)
    return applied, _by_reference(applied.changes)


def step_fact(machine: Machine, scope: Scope, done: Sequence[Task]) -> tuple[Applied, StepCommitted]:
    """Merge the writes of a superstep into the fact that commits it; what the cell store gets goes to the effects.

    Raises what a reducer raises, and EncodeError.
    """
    applied, changes = merge(machine, scope, done)
    kept: dict[str, Any] = {}
    codec = machine.codec
    if codec is not None:
        names = {key: name for task in done if task.names for key, name in task.names.items()}
        keeping = keep_cells(codec, scope, machine.state.version + 1, changes, applied.changes, names)
        changes, kept = keeping.changes, keeping.kept
        machine.fx.rows += keeping.rows
    return applied, StepCommitted(scope.ns, scope.step, changes, applied.written, machine.now_ms, kept, applied.changes)


def _by_reference(changes: dict[str, Any]) -> dict[str, Change]:
    """New cells as changes that hand them over as they are: for readers in the same process."""
    return {name: ("s", cell) if cell is not MISSING else ("x",) for name, cell in changes.items()}


def _as_data(scope: Scope, changes: dict[str, Any], done: Sequence[Task]) -> dict[str, Change]:
    """New cells as deltas to the old ones: only for channels whose reducer is known to be a concatenation or merge.

    What tasks wrote, as the log tells, is referred to. START's writes stand in no log unless START has routers.
    """
    program, cells = scope.program, scope.state.cells
    writes: dict[str, list[Any]] = {}
    for task in sorted(done, key=lambda task: task.path_key):
        for channel, value in task.writes:
            if channel in changes:
                writes.setdefault(channel, []).append(value)
    told = bool(scope.tasks)
    found: dict[str, Change] = {}
    for name, cell in changes.items():
        written = writes.get(name, ())
        change = diff(program.channels[name], cells.get(name, MISSING), cell, written)
        found[name] = refer(change, written) if told else change
    return found
