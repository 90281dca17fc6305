"""Drawing a program: nodes and edges as data, as Mermaid text, and as JSON. Needs no other package.

The picture is LangGraph's: only edges that a run can reach are drawn, in sorted order; a node without outgoing edges
leads to END; dashed edges are conditional and carry the router's value as label.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from drumline_graph.constants import END, START
from drumline_graph.drawing import DrawnEdge, DrawnNode
from drumline_graph.drawn_edges import drawn_edges
from drumline_graph.mermaid import mermaid_text
from drumline_graph.program import Node, Program


@dataclass(slots=True)
class DrawableGraph:
    """What `get_graph()` gives: nodes by id, edges, and ways to write them down."""

    nodes: dict[str, DrawnNode] = field(default_factory=dict)
    edges: list[DrawnEdge] = field(default_factory=list)

    def first_node(self, *, without: str | None = None) -> DrawnNode | None:
        """The only node without incoming edges (`without` left out), or None if there are several."""
        targets = {edge.target for edge in self.edges if edge.source != without}
        return self._only(targets, without)

    def last_node(self, *, without: str | None = None) -> DrawnNode | None:
        """The only node without outgoing edges (`without` left out), or None if there are several."""
        sources = {edge.source for edge in self.edges if edge.target != without}
        return self._only(sources, without)

    def _only(self, taken: set[str], without: str | None) -> DrawnNode | None:
        found = [n for n in self.nodes.values() if n.id != without and n.id not in taken]
        return found[0] if len(found) == 1 else None

    def trim_first_node(self) -> None:
        """Take the first node out, if one node alone follows it: a chain goes on there."""
        node = self.first_node()
        if node is not None and sum(edge.source == node.id for edge in self.edges) == 1:
            self._trim(node, self.first_node(without=node.id))

    def trim_last_node(self) -> None:
        """Take the last node out, if one node alone leads to it."""
        node = self.last_node()
        if node is not None and sum(edge.target == node.id for edge in self.edges) == 1:
            self._trim(node, self.last_node(without=node.id))

    def _trim(self, node: DrawnNode, next_node: DrawnNode | None) -> None:
        if next_node is not None:
            self.remove(node)

    def remove(self, node: DrawnNode) -> None:
        """Take a node and its edges out."""
        del self.nodes[node.id]
        self.edges = [e for e in self.edges if node.id not in (e.source, e.target)]

    def draw_mermaid(self, *, with_styles: bool = True, curve_style: str = "linear") -> str:
        """Mermaid text, as LangGraph writes it."""
        marks = {}
        first, last = self.first_node(), self.last_node()
        if last is not None:
            marks[last.id] = "last"
        if first is not None:
            marks[first.id] = "first"
        return mermaid_text(self.nodes, self.edges, marks, with_styles=with_styles, curve_style=curve_style)

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """`{"nodes": [...], "edges": [...]}` of plain data."""
        nodes: list[dict[str, Any]] = []
        for node in self.nodes.values():
            item: dict[str, Any] = {"id": node.id}
            if node.name != END:
                item |= {"type": "runnable", "data": {"id": list(node.kind), "name": node.id}}
            if node.metadata:
                item["metadata"] = dict(node.metadata)
            nodes.append(item)
        edges: list[dict[str, Any]] = []
        for edge in self.edges:
            item = {"source": edge.source, "target": edge.target}
            if edge.data is not None:
                item["data"] = edge.data
            if edge.conditional:
                item["conditional"] = True
            edges.append(item)
        return {"nodes": nodes, "edges": edges}


def drawn_alone(name: str) -> DrawableGraph:
    """The drawing of a graph of which only the name is known: one node."""
    nodes = {id_: DrawnNode(id_, id_) for id_ in (START, name, END)}
    return DrawableGraph(nodes, [DrawnEdge(START, name), DrawnEdge(name, END)])


def drawable(program: Program, xray: int | bool = False, within: tuple[Program, ...] = ()) -> DrawableGraph:
    """The drawing of a program. `xray=True` opens subgraphs at every depth, a number so many levels.

    A graph that a node's code calls is opened too, as far as that shows, but not within itself: `within` has those
    around it.
    """
    graph = DrawableGraph({START: DrawnNode(START, START)})
    for node in program.nodes.values():
        graph.nodes[node.name] = DrawnNode(node.name, node.name, _metadata(node, program), kind=_kind(node))
    graph.edges = drawn_edges(program)
    if any(edge.target == END for edge in graph.edges):
        graph.nodes[END] = DrawnNode(END, END)
    if xray:
        deeper = xray if xray is True else xray - 1
        for node in program.nodes.values():
            inner = node.subprogram or getattr(node.called, "program", None)
            if inner is not None and inner not in within:
                _open(graph, node.name, drawable(inner, deeper, (*within, program)))
    return graph


def _metadata(node: Node, program: Program) -> dict[str, Any] | None:
    """What the node was given, and in LangGraph's words what else is to be seen: deferral, breakpoints, tools."""
    metadata = dict(node.metadata or {})
    if node.defer:
        metadata["defer"] = True
    stops = [
        word for word, names in (("before", program.stops_before), ("after", program.stops_after)) if node.name in names
    ]
    if stops:
        metadata["__interrupt"] = ",".join(stops)
    tools = getattr(node.action, "tools_by_name", None)
    if isinstance(tools, Mapping) and tools:
        metadata["__tools"] = list(tools)
    return metadata or None


def _kind(node: Node) -> tuple[str, ...]:
    """The class of a node, as LangChain's JSON has it: a Runnable that can be written down says it itself."""
    if node.subprogram is not None:
        return ("drumline", "graph", "state", "CompiledStateGraph")
    own = getattr(type(node.action), "lc_id", None)
    parts: Any = own() if callable(own) else ("drumline", "Node")
    return tuple(parts)


def _open(graph: DrawableGraph, name: str, inner: DrawableGraph) -> None:
    """Replace a node by the drawing of its subgraph, without START and END where nothing is lost."""
    first, last = inner.first_node(), inner.last_node()
    if (
        first is not None
        and inner.first_node(without=first.id) is not None
        and sum(edge.source == first.id for edge in inner.edges) == 1
    ):
        inner.remove(first)
    if (
        last is not None
        and inner.last_node(without=last.id) is not None
        and sum(edge.target == last.id for edge in inner.edges) == 1
    ):
        inner.remove(last)
    entry, leave = inner.first_node(), inner.last_node()
    if entry is None or leave is None:
        return
    del graph.nodes[name]
    for node in inner.nodes.values():
        inner_id = f"{name}:{node.id}"
        graph.nodes[inner_id] = replace(node, id=inner_id)
    graph.edges = [
        edge.copy(
            source=f"{name}:{leave.id}" if edge.source == name else edge.source,
            target=f"{name}:{entry.id}" if edge.target == name else edge.target,
        )
        for edge in graph.edges
    ]
    graph.edges += [DrawnEdge(f"{name}:{e.source}", f"{name}:{e.target}", e.data, e.conditional) for e in inner.edges]
