"""What a superstep changes: the writes of its tasks, merged, and told as data. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from drumline_coordinator.cells import keep_cells
from drumline_coordinator.machine import Machine
from drumline_coordinator.tasks import Scope, Task
from drumline_graph.channels.base import MISSING
from drumline_graph.delta import Change, as_changes, diff
from drumline_graph.superstep import Applied, apply
from drumline_graph.written import refer
from drumline_protocol.facts import InputTaken, StepCommitted


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


@dataclass(slots=True)
class Given:
    """Writes that no task of the superstep has made, or a task that does not run now, with what it has written."""

    name: str
    triggers: tuple[str, ...]
    writes: Sequence[tuple[str, Any]]
    path_key: str = ""


def taken_fact(
    machine: Machine, scope: Scope, writes: Sequence[tuple[str, Any]], dropped: Sequence[tuple[str, tuple[str, ...]]]
) -> tuple[InputTaken, set[str]]:
    """The fact that `writes` from outside change the state, and that tasks are dropped; the channels that may trigger.

    Raises what a reducer raises, and EncodeError.
    """
    return given_fact(
        machine, scope, [Given("input", (), writes), *(Given(name, triggers, ()) for name, triggers in dropped)]
    )


def given_fact(machine: Machine, scope: Scope, given: Sequence[Given]) -> tuple[InputTaken, set[str]]:
    """The same for any writes; those that have triggers are tasks that do not run any more."""
    applied = apply(scope.program, scope.state, given)
    if machine.wire:
        changes, kept = _as_data(scope, applied.changes, given), {}
        if machine.codec is not None:
            keeping = keep_cells(machine.codec, scope, machine.state.version + 1, changes, applied.changes, {})
            changes, kept = keeping.changes, keeping.kept
            machine.fx.rows += keeping.rows
    else:
        changes, kept = as_changes(applied.changes), {}
    dropped = tuple((each.name, each.triggers) for each in given if each.triggers)
    fact = InputTaken(scope.ns, changes, dropped, machine.now_ms, kept, applied.changes)
    return fact, applied.updated


def _referred(change: Change, told: Change, written: Sequence[Any]) -> Change:
    """What is told of a change: nothing but a reference, if the log holds what was written."""
    reference = refer(change, written)
    return told if reference is change else reference


def _as_data(scope: Scope, changes: dict[str, Any], done: Sequence[Any]) -> dict[str, Change]:
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
