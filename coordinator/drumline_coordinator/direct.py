"""Graphs whose nodes the input triggers itself, without a hidden START before them: entrypoints. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from drumline_coordinator.breakpoints import stops_before
from drumline_coordinator.machine import Machine
from drumline_coordinator.step_limits import begin_limit
from drumline_coordinator.tasks import Scope
from drumline_graph.functional import begins_at_once
from drumline_graph.superstep import Planned
from drumline_protocol.facts import PlanMade, PlannedTask


def stops_at_once(machine: Machine, scope: Scope, planned: Sequence[Planned]) -> bool:
    """Whether it stops at a breakpoint before anything has run."""
    return begins_at_once(scope.program) and stops_before(machine, scope, planned)


def open_at_once(
    machine: Machine, scope: Scope, rows: list[PlannedTask], step: int, planned: Sequence[Planned]
) -> bool:
    """Open the first superstep. False if the graph stops at a breakpoint instead. None of its nodes is a graph."""
    if stops_at_once(machine, scope, planned):
        return False
    inputs = [item.input for item in planned]
    machine.emit(PlanMade(scope.ns, step, scope.stop, rows, machine.now_ms, inputs))
    begin_limit(machine, scope)
    return True
