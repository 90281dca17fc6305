"""Checks on what was declared of a graph: everything that can be known to be wrong before a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drumline_graph.constants import END, START
from drumline_graph.errors import GraphDefinitionError
from drumline_graph.specs import GraphSpecs


def validate(specs: GraphSpecs, interrupt: Sequence[str] | None = None) -> None:
    """Raise GraphDefinitionError for dangling edges, a missing entry, or unknown names in `interrupt`."""
    sources = _sources(specs)
    for name in sources:
        if name != START and name not in specs.nodes:
            raise GraphDefinitionError(f"Found edge starting at unknown node {name!r}. {_known(specs)}")
    if START not in sources:
        raise GraphDefinitionError(
            "The graph has no entrypoint: add at least one edge from START to a node, "
            "for example add_edge(START, 'first')."
        )
    for source, branches in specs.branches.items():
        for branch in branches.values():
            _check_ends(specs, source, branch.name, (branch.ends or {}).values())
    for name, origin in _targets(specs):
        if name != END and name not in specs.nodes:
            raise GraphDefinitionError(f"Found edge ending at unknown node {name!r}, from {origin}. {_known(specs)}")
    for name in interrupt or ():
        if name not in specs.nodes:
            raise GraphDefinitionError(f"Interrupt node {name!r} not found. {_known(specs)}")


def _sources(specs: GraphSpecs) -> dict[str, None]:
    sources = {source: None for source, _ in specs.edge_pairs}
    for names, _ in specs.join_pairs:
        sources.update(dict.fromkeys(names))
    sources.update(dict.fromkeys(specs.branches))
    return sources


def _targets(specs: GraphSpecs) -> Iterable[tuple[str, str]]:
    for source, target in specs.edge_pairs:
        yield target, repr(source)
    for sources, target in specs.join_pairs:
        yield target, repr(list(sources))
    for node in specs.nodes.values():
        for target in node.ends:
            yield target, f"the destinations of node {node.name!r}"


def _check_ends(specs: GraphSpecs, source: str, branch: str, ends: Iterable[str]) -> None:
    for end in ends:
        if end != END and end not in specs.nodes:
            raise GraphDefinitionError(
                f"At node {source!r}, branch {branch!r} has an unknown target {end!r}. {_known(specs)}"
            )


def _known(specs: GraphSpecs) -> str:
    names = ", ".join(repr(name) for name in specs.nodes) or "none"
    return f"Known nodes: {names}."
