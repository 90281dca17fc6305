"""Time limits of supersteps (`step_timeout` of a graph). Pure.

A superstep with tasks that somebody works on sets a timer, which is dropped when it is over. If the timer rings first,
the graph fails, and its tasks are cancelled. A superstep is known by its first task.
"""

from __future__ import annotations

from drumline_coordinator.machine import Machine
from drumline_coordinator.tasks import Scope
from drumline_protocol.messages import TimerDue

_PREFIX = "step-"


def set_limit(machine: Machine, scope: Scope) -> None:
    """A superstep was opened."""
    seconds = scope.program.step_timeout
    if seconds is not None and scope.open_tasks and machine.state.is_open:
        machine.fx.timers = [*machine.fx.timers, (machine.now_ms + seconds * 1000, _timer(scope), 1)]


def drop_limit(machine: Machine, scope: Scope) -> None:
    """A superstep is over."""
    if scope.program.step_timeout is not None and scope.tasks:
        machine.fx.timers_dropped = [*machine.fx.timers_dropped, (_timer(scope), 1)]


def is_limit(event: TimerDue) -> bool:
    """Whether a timer is that of a superstep."""
    return event.task.startswith(_PREFIX)


def scope_at_its_limit(machine: Machine, event: TimerDue) -> Scope | None:
    """The graph whose superstep has taken too long; None if that is over."""
    task = machine.state.tasks.get(event.task[len(_PREFIX) :])
    scope = None if task is None else task.scope
    return scope if scope is not None and scope.tasks and _timer(scope) == event.task and scope.open_tasks else None


def timed_out(scope: Scope) -> TimeoutError:
    """What the graph fails with."""
    return TimeoutError(
        f"Timed out: superstep {scope.step} of graph {scope.program.name!r} took longer than its step_timeout of "
        f"{scope.program.step_timeout} s."
    )


def _timer(scope: Scope) -> str:
    return f"{_PREFIX}{next(iter(scope.tasks))}"
