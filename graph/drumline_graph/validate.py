"""Checks on a finished builder: everything that can be known to be wrong before a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from drumline_graph.constants import END, START
from drumline_graph.errors import GraphDefinitionError

if TYPE_CHECKING:
    from drumline_graph.builder import StateGraph


def validate(builder: StateGraph[Any, Any, Any, Any], interrupt: Sequence[str] | None = None) -> None:
    """Raise GraphDefinitionError for dangling edges, a missing entry, or unknown names in
    `interrupt`.
    """
    sources = _sources(builder)
    for name in sources:
        if name != START and name not in builder.nodes:
            raise GraphDefinitionError(f"Found an edge starting at unknown node {name!r}. {_known(builder)}")
    if START not in sources:
        raise GraphDefinitionError(
            "The graph has no entrypoint: add at least one edge from START to a node, "
            "for example add_edge(START, 'first')."
        )
    for source, branches in builder.branches.items():
        for branch in branches.values():
            _check_ends(builder, source, branch.name, (branch.ends or {}).values())
    for name, origin in _targets(builder):
        if name != END and name not in builder.nodes:
            raise GraphDefinitionError(
                f"Found an edge ending at unknown node {name!r}, from {origin}. {_known(builder)}"
            )
    for name in interrupt or ():
        if name not in builder.nodes:
            raise GraphDefinitionError(f"Interrupt node {name!r} not found. {_known(builder)}")


def _sources(builder: StateGraph[Any, Any, Any, Any]) -> dict[str, None]:
    sources = {source: None for source, _ in builder._edges}
    for names, _ in builder._joins:
        sources.update(dict.fromkeys(names))
    sources.update(dict.fromkeys(builder.branches))
    return sources


def _targets(builder: StateGraph[Any, Any, Any, Any]) -> Iterable[tuple[str, str]]:
    for source, target in builder._edges:
        yield target, repr(source)
    for sources, target in builder._joins:
        yield target, repr(list(sources))
    for node in builder.nodes.values():
        for target in node.ends:
            yield target, f"the destinations of node {node.name!r}"


def _check_ends(builder: StateGraph[Any, Any, Any, Any], source: str, branch: str, ends: Iterable[str]) -> None:
    for end in ends:
        if end != END and end not in builder.nodes:
            raise GraphDefinitionError(
                f"At node {source!r}, branch {branch!r} has an unknown target {end!r}. {_known(builder)}"
            )


def _known(builder: StateGraph[Any, Any, Any, Any]) -> str:
    names = ", ".join(repr(name) for name in builder.nodes) or "none"
    return f"Known nodes: {names}."
