"""Time limits of supersteps (`step_timeout`): one timer for each, which rings for all of its tasks. Pure.

It bears the name of the superstep's first task, and `STEP` in place of an attempt. A superstep that ends in time drops
it. One that rings for a superstep that is over does nothing.
"""

from __future__ import annotations

from drumline_coordinator.effects import STEP
from drumline_coordinator.machine import Machine
from drumline_coordinator.tasks import OPEN, Scope
from drumline_graph.errors import StepTimeoutError


def begin_limit(machine: Machine, scope: Scope) -> None:
    """A superstep of a graph begins."""
    limit = scope.program.step_timeout
    if limit is not None and scope.updates is None and scope.tasks:
        machine.fx.timers = [*machine.fx.timers, (machine.now_ms + limit * 1000, next(iter(scope.tasks)), STEP)]


def end_limit(machine: Machine, scope: Scope) -> None:
    """A superstep of a graph has ended in time."""
    if scope.program.step_timeout is not None and scope.tasks:
        machine.fx.timers_dropped = [*machine.fx.timers_dropped, (next(iter(scope.tasks)), STEP)]


def broken_limit(scope: Scope) -> StepTimeoutError | None:
    """What is told of a superstep whose time is up; None if all of its tasks have ended."""
    waits = [task.name for task in scope.tasks.values() if task.status in OPEN]
    limit = scope.program.step_timeout
    return None if limit is None or not waits else StepTimeoutError(scope.name, scope.step, limit, waits)
