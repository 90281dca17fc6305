"""A runner of a few lines for programs: sync, in one thread, no subgraphs. It drives plan and apply as an engine would,
so that these tests need no other room.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from drumline_graph.errors import GraphRecursionError
from drumline_graph.program import Node, Program
from drumline_graph.routing import router_input
from drumline_graph.superstep import Applied, State, apply, plan
from drumline_graph.writes import input_writes, result_writes, route_writes, updates_of


@dataclass
class Task:
    """A finished task."""

    name: str
    path_key: str
    triggers: tuple[str, ...]
    writes: list[tuple[str, Any]] = field(default_factory=list)


@dataclass
class Run:
    """What a run showed: `values` after each superstep that wrote keys, and the updates of each superstep."""

    values: list[Any] = field(default_factory=list)
    updates: list[list[Any]] = field(default_factory=list)
    planned: list[list[str]] = field(default_factory=list)
    recursion: bool = False
    state: State | None = None


def route(program: Program, node: Node, state: State, task: Task, result: Any, step: int, stop: int) -> None:
    """Call the routers of a node and add their writes to the task."""
    own = list(task.writes)
    for branch in node.branches:
        value = router_input(program, branch, state.cells, own, result, step=step, stop=stop)
        task.writes += route_writes(program, branch, branch.path(value))


def run(program: Program, value: Any, *, limit: int = 25) -> Run:
    """Run a program to its end, or to its recursion limit."""
    seen, state, stop = Run(), State.initial(program), limit
    start = program.start
    task = Task(start.name, start.path_key, start.triggers, input_writes(program, value))
    task.writes += start.edges
    route(program, start, state, task, value, 0, stop)
    done, step = [task], 0
    while True:
        applied: Applied = apply(program, state, done)
        state.advance(program, applied.changes, [(t.name, t.triggers) for t in done])
        if applied.written:
            seen.values.append(state.read(program, program.stream_keys))
        step += 1
        if step > stop:
            seen.recursion = True
            break
        tasks = plan(program, state, applied.updated, step=step, stop=stop)
        if not tasks:
            break
        seen.planned.append([t.name for t in tasks])
        done, updates = [], []
        for planned in tasks:
            node = program.nodes[planned.name]
            result = node.action(planned.input)
            task = Task(planned.name, planned.path_key, planned.triggers)
            task.writes = result_writes(program, node, result)
            route(program, node, state, task, result, step, stop)
            updates.append({planned.name: updates_of(task.writes, program.stream_keys)})
            done.append(task)
        seen.updates.append(updates)
    seen.state = state
    return seen


def outcome(program: Program, value: Any, *, limit: int = 25) -> Any:
    """Last values of a run, raising GraphRecursionError at its limit."""
    seen = run(program, value, limit=limit)
    if seen.recursion:
        raise GraphRecursionError.of(limit)
    return seen.values[-1] if seen.values else None
