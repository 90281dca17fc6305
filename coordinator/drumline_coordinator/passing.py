"""What passes between a graph and the graph around it: the input in, the output or a command out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from drumline_coordinator.tasks import DONE, Scope, Task
from drumline_graph.constants import RETURN
from drumline_graph.message_ids import identify_output, with_delta_ids, with_own_messages
from drumline_graph.types import Command
from drumline_graph.writes import input_writes, result_writes
from drumline_protocol.leaving import LEAVE

Writes = list[tuple[str, Any]]


def entering_writes(scope: Scope, task: str, input: Any, *, wire: bool) -> Writes:
    """What a graph's input writes. `task` is the id of its START. Raises what `input_writes` raises."""
    writes = input_writes(scope.program, input)
    if wire and scope.parent is not None:  # what the graph around it holds, and has told of, stays as it is
        writes = with_own_messages(writes)
    return with_delta_ids(scope.program, task, writes)


def returning_writes(task: Task, result: Any, *, named: bool) -> Writes:
    """What a subgraph's output, or the commands that left it, write as the result of its node.

    `named`: messages without id get one. Raises what `result_writes` raises.
    """
    if named:
        identify_output(task.id, result)
    program = task.scope.program
    writes = [(RETURN, result)] if task.node.makes_writes else result_writes(program, task.node, result)
    return with_delta_ids(program, task.id, writes)


def waits_to_leave(scope: Scope, task: Task) -> bool:
    """Whether a task that wants to leave its graph has siblings that are not done, or that want to leave too.

    LangGraph lets them end and then follows one command, whichever it finds first. We follow all of them.
    """
    return scope.leaving or any(other.status is not DONE for other in scope.tasks.values() if other is not task)


def commands_of(tasks: Sequence[Task]) -> list[Command[Any]]:
    """The commands for the graph above that tasks answered with, in planning order."""
    return [value for task in tasks for channel, value in task.writes if channel == LEAVE]
