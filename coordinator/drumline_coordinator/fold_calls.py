"""The fold of calls of `@task`s. Pure."""

from __future__ import annotations

from drumline_coordinator.state import RunState
from drumline_coordinator.tasks import Task
from drumline_graph.program import Node
from drumline_graph.superstep import PUSH_TRIGGERS, path_key_of
from drumline_protocol.facts import TaskCalled


def called(state: RunState, fact: TaskCalled) -> None:
    """One more task of the open superstep; its caller waits for it."""
    scope, caller = state.scopes[fact.ns], state.tasks[fact.caller]
    node = fact.node or Node(fact.name, None, triggers=PUSH_TRIGGERS)
    task = Task(fact.task, fact.name, fact.path, path_key_of(fact.path), PUSH_TRIGGERS, fact.args, node, scope)
    task.caller, task.call = caller, fact.call
    caller.calls += 1
    caller.calls_made = max(caller.calls_made, fact.path[2] + 1)
    state.callers += caller.is_sent and caller.calls == 1
    scope.tasks[task.id] = state.tasks[task.id] = state.ready[task.id] = task
    scope.open_tasks += 1


def call_ended(state: RunState, caller: Task) -> None:
    """A call of this task has ended."""
    caller.calls -= 1
    state.callers -= caller.is_sent and not caller.calls
