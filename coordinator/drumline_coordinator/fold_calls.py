"""The fold of calls of `@task`s. Pure."""

from __future__ import annotations

from drumline_coordinator.state import RunState
from drumline_coordinator.tasks import OPEN, Task
from drumline_graph.called_tasks import calls_pool, calls_tasks
from drumline_graph.constants import PREVIOUS
from drumline_graph.program import Node, Program
from drumline_graph.superstep import PUSH_TRIGGERS, path_key_of
from drumline_protocol.facts import TaskCalled


def called(state: RunState, fact: TaskCalled) -> None:
    """One more task of the open superstep; its caller waits for it."""
    scope, caller = state.scopes[fact.ns], state.tasks[fact.caller]
    node = fact.node or called_node(scope.program, fact.name, caller)
    task = Task(fact.task, fact.name, fact.path, path_key_of(fact.path), PUSH_TRIGGERS, fact.args, node, scope)
    note_caller(state, task, caller, fact.call, fact.code)
    caller.calls_made = max(caller.calls_made, fact.path[2] + 1)
    scope.tasks[task.id] = state.tasks[task.id] = state.ready[task.id] = task
    scope.open_tasks += 1


def called_node(program: Program, name: str, caller: Task) -> Node:
    """What stands for a `@task` where its code is not: in a coordinator."""
    pool = calls_pool(caller.node.pool) if calls_tasks(program) else caller.node.pool
    return Node(name, None, triggers=PUSH_TRIGGERS, router_keys=(PREVIOUS,), pool=pool)


def note_caller(state: RunState, task: Task, caller: Task, call: tuple[str, ...], code: str) -> None:
    """Who has called a task, and waits for it as long as it is open."""
    task.caller, task.call, task.code = caller, call, code
    if task.status in OPEN:
        caller.calls += 1
        state.callers += caller.is_sent and caller.calls == 1


def call_ended(state: RunState, caller: Task) -> None:
    """A call of this task has ended."""
    caller.calls -= 1
    state.callers -= caller.is_sent and not caller.calls
