"""What a cluster of the kit is given to serve: drumline's graphs and LangGraph's, as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline.langgraph import adapt, is_langgraph
from drumline_graph.called_tasks import tasks_in
from drumline_graph.program import Program


def served_graph(graph: Any) -> Any:
    """A graph that can be served: drumline's as it is, LangGraph's adapted. TypeError for anything else."""
    if isinstance(getattr(graph, "program", None), Program):
        return graph
    if is_langgraph(graph):
        return adapt(graph)
    hint = ": it is not compiled yet, add .compile()" if callable(getattr(graph, "compile", None)) else ""
    raise TypeError(f"a cluster serves compiled graphs, not a {type(graph).__name__}{hint}")


def served_graphs(graphs: Mapping[str, Any]) -> dict[str, Any]:
    """The graphs of a cluster by name. TypeError for what is no compiled graph, ValueError for none at all."""
    if not graphs:
        raise ValueError("graphs= names no graph: give a dict of names and compiled graphs")
    return {name: served_graph(graph) for name, graph in graphs.items()}


def node_names(program: Program) -> set[str]:
    """The names of all nodes of a graph, those of its subgraphs and of the `@task`s that its code names too."""
    found = set(program.nodes)
    for node in program.nodes.values():
        found.update(task.node.name for task in tasks_in(node.action))
        if node.subprogram is not None:
            found |= node_names(node.subprogram)
    return found
