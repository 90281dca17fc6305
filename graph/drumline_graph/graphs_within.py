"""Graphs inside a graph: those that are its nodes, and those that the functions of its nodes seem to call."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import CodeType
from typing import Any

from drumline_graph.annotations import closed_over
from drumline_graph.node_code import functions_of
from drumline_graph.program import Node, Program


def graph_within(node: Node) -> Any:
    """The graph that a node is, or else the first one that its code names; None if there is none.

    Code is looked at as LangGraph does it: what a function's closure holds, and the globals that it names. A graph that
    a name reaches later, or that a called function calls, is not found. Graphs that keep no checkpoints
    (`checkpointer=False`) count as none.
    """
    if node.subprogram is not None:
        return node.action if node.subprogram.persists is not False else None
    for function in functions_of(node.action):
        for value in _named(function):
            graph = getattr(value, "__self__", value)
            program = getattr(graph, "program", None)
            if isinstance(program, Program) and program.persists is not False:
                return graph
    return None


def graphs_within(program: Program) -> dict[str, Any]:
    """The graphs within a graph, by the names of their nodes."""
    found = {name: graph_within(node) for name, node in program.nodes.items()}
    return {name: graph for name, graph in found.items() if graph is not None}


def _named(function: Any) -> Iterator[Any]:
    """What a function's code names from outside of itself, and the attributes that it takes of that."""
    yield from closed_over(function).values()
    function = getattr(inspect.unwrap(function), "__func__", inspect.unwrap(function))
    code, globals_ = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    todo = [code] if isinstance(code, CodeType) else []
    while todo:
        inner = todo.pop()
        yield from (globals_[name] for name in inner.co_names if name in globals_)
        todo += [constant for constant in inner.co_consts if isinstance(constant, CodeType)]
