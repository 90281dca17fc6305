"""Draining: a run that somebody has asked to stop does so between two supersteps. Pure.

It ends as "paused", with a `GraphDrained` for its readers. On a thread it goes on from there.
"""

from __future__ import annotations

from drumline_coordinator.machine import Machine
from drumline_coordinator.state import RunStatus
from drumline_coordinator.task_ends import end_run
from drumline_coordinator.tasks import DELAYED, PARKED, Scope
from drumline_graph.errors import GraphDrained
from drumline_protocol.facts import DrainRequested
from drumline_protocol.messages import DrainRun

#: the reason where nobody has given one, as in LangGraph
DEFAULT_REASON = "shutdown"


def on_drain(machine: Machine, event: DrainRun) -> None:
    """Somebody asks for the end of the run behind its open superstep."""
    reason = event.reason or DEFAULT_REASON
    if machine.state.drain != reason:  # a worker may ask twice: the reply to it was lost
        machine.emit(DrainRequested(reason))


def drains(machine: Machine, scope: Scope) -> bool:
    """End the run in front of the next superstep of this graph, if that was asked for; True if so.

    A graph within another one stops only if nothing else of the run is at work, whose results would be lost.
    """
    reason = machine.state.drain or (machine.control.drain_reason if machine.control is not None else None)
    if reason is None or reason == "":
        return False
    state = machine.state
    if scope.parent is not None and (state.running or state.ready or _waits(machine)):
        return False
    end_run(machine, RunStatus.PAUSED, GraphDrained(reason))
    return True


def _waits(machine: Machine) -> bool:
    return any(task.status is DELAYED or task.status is PARKED for task in machine.state.tasks.values())
