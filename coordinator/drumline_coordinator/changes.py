"""What a superstep changes: the writes of its tasks, merged, and told as data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline_coordinator.tasks import Scope, Task
from drumline_graph.channels.base import MISSING
from drumline_graph.delta import Change, diff
from drumline_graph.program import Program
from drumline_graph.superstep import Applied, apply


def merge(scope: Scope, done: Sequence[Task], *, wire: bool) -> tuple[Applied, dict[str, Change]]:
    """Merge the writes of these tasks; the state stays as it is. `wire`: changes are deltas where they can be.

    Raises what a reducer raises.
    """
    applied = apply(scope.program, scope.state, done)
    if wire:
        return applied, changes_as_data(scope.program, scope.state.cells, applied.changes, done)
    return applied, changes_by_reference(applied.changes)


def changes_by_reference(changes: dict[str, Any]) -> dict[str, Change]:
    """New cells as changes that hand them over as they are: for readers in the same process."""
    return {name: ("s", cell) if cell is not MISSING else ("x",) for name, cell in changes.items()}


def changes_as_data(
    program: Program, cells: dict[str, Any], changes: dict[str, Any], done: Sequence[Task]
) -> dict[str, Change]:
    """New cells as deltas to `cells`: only for channels whose reducer is known to be a concatenation or merge."""
    writes: dict[str, list[Any]] = {}
    for task in done:
        for channel, value in task.writes:
            if channel in changes:
                writes.setdefault(channel, []).append(value)
    return {
        name: diff(program.channels[name], cells.get(name, MISSING), cell, writes.get(name, ()))
        for name, cell in changes.items()
    }
