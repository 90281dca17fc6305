"""What the machine says at a barrier: what changed in each channel, and which tasks come next. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline_coordinator.tasks import Scope, Task
from drumline_graph.channels.base import MISSING
from drumline_graph.constants import TAG_HIDDEN
from drumline_graph.delta import Change, diff
from drumline_graph.message_ids import messages_in_fields
from drumline_graph.program import Program
from drumline_protocol.facts import PlanMade, PlannedTask


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


def plan_fact(scope: Scope, tasks: Sequence[Task], now_ms: float) -> PlanMade:
    """The fact that these tasks are the next superstep of a graph."""
    planned = [
        PlannedTask(t.id, t.name, t.path, t.triggers, t.input if t.is_push else None, TAG_HIDDEN in t.node.tags)
        for t in tasks
    ]
    return PlanMade(scope.ns, scope.step, scope.stop, planned, now_ms, [t.input for t in tasks])


def given_ids(tasks: Sequence[Task]) -> dict[str, list[str]] | None:
    """Ids of the messages that the subgraph nodes among these tasks are given; None if there are no such nodes.

    Noted before the graphs are entered: a reducer in there may name messages in place, and those are news.
    """
    children = [task for task in tasks if task.node.subprogram is not None]
    return {t.id: [m.id for m in messages_in_fields(t.input) if m.id] for t in children} or None
