"""Breakpoints: nodes that a run stops in front of, or behind, until its thread is told to go on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drumline_coordinator.machine import Machine
from drumline_coordinator.tasks import Scope, Task
from drumline_graph.constants import INTERRUPT, TAG_HIDDEN
from drumline_graph.superstep import Planned

#: stands for all nodes
ALL = "*"


def stops_before(machine: Machine, scope: Scope, planned: Sequence[Planned]) -> bool:
    """Whether a graph stops before the superstep in which these tasks run."""
    if machine.stopping and scope.parent is None:
        return True
    points = (scope.parent is None and machine.shared.stops_before) or scope.program.stops_before
    return bool(points) and _is_one(scope, points, [item.name for item in planned]) and _has_changed(scope)


def stops_after(machine: Machine, scope: Scope, done: Sequence[Task]) -> bool:
    """Whether a graph stops after the superstep in which these tasks ran."""
    points = (scope.parent is None and machine.shared.stops_after) or scope.program.stops_after
    return bool(points) and _is_one(scope, points, [task.name for task in done]) and _has_changed(scope)


def _is_one(scope: Scope, points: Sequence[str], names: Iterable[str]) -> bool:
    if ALL not in points:
        return any(name in points for name in names)
    nodes = scope.program.nodes
    return any(name in nodes and TAG_HIDDEN not in nodes[name].tags for name in names)


def _has_changed(scope: Scope) -> bool:
    """Whether any channel has changed since the graph went on last: so it does not stop twice at one place."""
    versions, seen = scope.state.versions, scope.state.seen.get(INTERRUPT, {})
    return any(version > seen.get(channel, 0) for channel, version in versions.items())
