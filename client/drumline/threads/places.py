"""Which graph a namespace of a thread means. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drumline_graph.graphs_within import graphs_within
from drumline_protocol.checkpoints import split_ns


def graph_at(graph: Any, ns: str) -> Any:
    """The graph that a namespace of a thread means; None if the graph has none there that it knows of."""
    for name in names_of(ns):
        below: Mapping[str, Any] = graphs_within(graph.program)
        if name not in below:
            return None
        graph = below[name]
    return graph


def names_of(ns: str) -> list[str]:
    """The names of the nodes in a namespace: without the ids of tasks and the numbers of calls."""
    return [part.partition(":")[0] for part in split_ns(ns) if not part.isdigit()]
