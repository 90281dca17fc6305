"""Paths of graphs within a run: what `GraphEntered.path` holds, and what sketches are filed under. Pure."""

from __future__ import annotations


def child_path(path: str, node: str) -> str:
    """The path of the subgraph at `node` of the graph at `path` (`""` is the root)."""
    return f"{path}|{node}" if path else node


def thread_ns(ns: str, *, stable: bool = True) -> str:
    """The namespace under which a thread keeps the graph at `ns`.

    `stable`: one for all calls of a graph that has one history (`checkpointer=True`), without the ids of the tasks.
    """
    return "|".join(part.partition(":")[0] for part in ns.split("|")) if stable and ns else ns
