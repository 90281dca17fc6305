"""Paths of graphs within a run: what `GraphEntered.path` holds, and what sketches are filed under. Pure."""

from __future__ import annotations


def child_path(path: str, node: str) -> str:
    """The path of the subgraph at `node` of the graph at `path` (`""` is the root)."""
    return f"{path}|{node}" if path else node
