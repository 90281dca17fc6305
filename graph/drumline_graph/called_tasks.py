"""`@task`s that the code of a graph names: how another process finds the one that a call means.

A call crosses the wire as text, and a worker builds nothing by a name that it finds in bytes. It looks among the tasks
that the code of the graph names, and among those at the top of modules that its process has loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drumline_graph.annotations import closed_over
from drumline_graph.graphs_within import graph_within
from drumline_graph.node_code import AnyTask, attributes_in, codes_of, functions_of
from drumline_graph.program import Node, Program
from drumline_graph.weakly import once_per_object

#: Behind the name of a pool: the stream holds calls. A worker whose tasks all wait takes from it all the same.
CALLS = "@calls"

#: tasks at the top of modules, by their texts; of those that have the same text the newest
_loaded: dict[str, Node] = {}


def note_loaded(node: Node) -> None:
    """A `@task` was made. One that a function has made is found only where the code of a graph names it."""
    text = _text_of(node)
    if "<locals>" not in text:
        _loaded[text] = node


def code_of(program: Program, node: Node) -> str | None:
    """The text by which other processes find a `@task` that the code of a graph calls; None if they would not.

    It says where the function was defined, and the task's name. Of tasks that have these in common the second and later
    ones are numbered in the order in which the graph's code names them.
    """
    text = _text_of(node)
    for known in (_named, _walk):  # a module that was loaded since then may have brought it
        for code, found in known(program).items():
            if found is node:
                return code
        if _loaded.get(text) is node:
            return text
    return None


def find_task(program: Program, code: str) -> Node | None:
    """The node of the `@task` that `code_of` has given this text; None if it is not known here."""
    return _named(program).get(code) or _loaded.get(code) or _walk(program).get(code)


def _text_of(node: Node) -> str:
    function = node.action.function
    inner = function if hasattr(function, "__qualname__") else type(function)
    return f"{inner.__module__}:{inner.__qualname__}:{node.name}"


@once_per_object
def calls_tasks(program: Program) -> bool:
    """Whether the code of a graph's own nodes names `@task`s."""
    return any(True for node in program.nodes.values() for _ in tasks_in(node.action))


def calls_pool(pool: str) -> str:
    """The pool of the calls that tasks of `pool` make: of calls within calls the same."""
    return pool if is_calls_pool(pool) else pool + CALLS


def is_calls_pool(pool: str) -> bool:
    """Whether a pool is one of calls."""
    return pool.endswith(CALLS)


def pools_of(program: Program) -> set[str]:
    """Every pool that tasks of a graph, or of one that is its node, may come to."""
    found = {node.pool for node in program.nodes.values()}
    if calls_tasks(program):
        found |= {calls_pool(pool) for pool in found}
    for node in program.nodes.values():
        if node.subprogram is not None:
            found |= pools_of(node.subprogram)
    return found


def _walk(program: Program) -> dict[str, Node]:
    """The tasks that the nodes of a graph, and of those within it, name, by their codes."""
    found: dict[str, Node] = {}
    met: dict[str, list[Node]] = {}
    todo, seen = [program], set[int]()
    while todo:
        current = todo.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        for node in current.nodes.values():
            within = graph_within(node)
            if within is not None:
                todo.append(within.program)
            for task in tasks_in(node.action):
                text = _text_of(task.node)
                alike = met.setdefault(text, [])
                if task.node not in alike:
                    alike.append(task.node)
                    found[text if len(alike) == 1 else f"{text}#{len(alike)}"] = task.node
    return found


#: `_walk`, once for each graph
_named = once_per_object(_walk)


def tasks_in(action: Any) -> Iterator[AnyTask]:
    """The `@task`s that an action's functions name, and those that the functions of these name."""
    for function in functions_of(action):
        for value in (*_values_in(function), *attributes_in(function)):
            if isinstance(value, AnyTask):
                yield value


def _values_in(function: Any) -> Iterator[Any]:
    """What the names in a function's code stand for, those of functions and comprehensions within it too."""
    globals_ = getattr(function, "__globals__", {})
    yield from (globals_[name] for code in codes_of(function) for name in code.co_names if name in globals_)
    yield from closed_over(function).values()
