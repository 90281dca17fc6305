"""Graphs inside a graph that a thread knows: those that are its nodes, and those that its nodes' code calls."""

from __future__ import annotations

from typing import Any

from drumline_graph.program import Node, Program


def graph_within(node: Node) -> Any:
    """The graph that a node is, or that its code calls as far as that shows; None if there is none.

    Graphs that keep no checkpoints (`checkpointer=False`) count as none, as in LangGraph.
    """
    graph = node.called if node.subprogram is None else node.action
    return None if graph is None or graph.program.persists is False else graph


def graphs_within(program: Program) -> dict[str, Any]:
    """The graphs within a graph, by the names of their nodes."""
    found = {name: graph_within(node) for name, node in program.nodes.items()}
    return {name: graph for name, graph in found.items() if graph is not None}
