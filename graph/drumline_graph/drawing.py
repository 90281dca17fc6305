"""The parts of a drawing: nodes and edges as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple


@dataclass(slots=True)
class DrawnNode:
    """A node of a drawing. `id` is the name, prefixed by `subgraph:` inside drawn subgraphs."""

    id: str
    name: str
    metadata: dict[str, Any] | None = None
    data: Any = None
    """Nothing: drawings of LangChain's chains, into which this one is put, hold a Runnable here."""
    kind: tuple[str, ...] = ("drumline", "Node")
    """The class of the node, as JSON has it."""

    def copy(self, *, id: str) -> DrawnNode:
        """The same node under another id."""
        return replace(self, id=id)


class DrawnEdge(NamedTuple):
    """An edge of a drawing, equal to LangChain's. `data` is its label, if that says more than the target's name."""

    source: str
    target: str
    data: str | None = None
    conditional: bool = False

    def copy(self, *, source: str, target: str) -> DrawnEdge:
        """The same edge between other nodes."""
        return self._replace(source=source, target=target)
