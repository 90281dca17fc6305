"""Which edges a drawing has: those that LangGraph's own drawing finds when it walks the graph in supersteps.

The walk runs no code. Each node takes all of its edges, those of its routers once. A deferred node comes when nothing
else is left. If none of the nodes that lead to it is in the superstep before it, dashed edges say what it waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drumline_graph.channels.barrier import Barrier
from drumline_graph.constants import BRANCH_PREFIX, END, START
from drumline_graph.drawing import DrawnEdge
from drumline_graph.program import Node, Program

#: supersteps of a walk: a graph that goes round has all of its edges long before
STEPS_MAX = 251


def drawn_edges(program: Program) -> list[DrawnEdge]:
    """All edges in sorted order, END's last. A node without outgoing edges leads to END."""
    walk = _Walk(program)
    last = walk.run()
    found: dict[tuple[str, str], DrawnEdge] = {}
    for edge in sorted(walk.edges, key=lambda edge: (edge.source, edge.target, edge.conditional)):
        found.setdefault((edge.source, edge.target), edge)
    edges = list(found.values())
    ends = {edge.target for edge in edges if edge.target != END} - {edge.source for edge in edges}
    edges += [DrawnEdge(name, END) for name in sorted(ends)]
    if not ends and len(last) == 1 and not any(edge.target == END for edge in edges):
        edges.append(DrawnEdge(last[0], END, conditional=True))  # all paths go round: it may still be where a run ends
    return edges


@dataclass(slots=True)
class _Walk:
    program: Program
    edges: set[DrawnEdge] = field(default_factory=set)
    #: what each node that has run leads to, as its last superstep stands: the edge by the channel that it writes
    leading: dict[str, dict[str, DrawnEdge]] = field(default_factory=dict)
    #: what has come of each list edge
    come: dict[str, set[str]] = field(default_factory=dict)
    #: deferred nodes that something leads to
    waiting: set[str] = field(default_factory=set)

    def run(self) -> list[str]:
        """Walk to the end; the nodes of the last superstep."""
        nodes = last = [START]
        for _ in range(STEPS_MAX):
            if not nodes:
                break
            last = nodes
            first = {name for name in nodes if name not in self.leading}
            for name in nodes:
                self.leading[name] = _leading(self.program, name)
                self.edges.update(edge for edge in self.leading[name].values() if edge.target == END)
            nodes = self._following(nodes, first)
            for name in nodes:
                self._edges_to(name, last)
        return last

    def _following(self, nodes: list[str], first: set[str]) -> list[str]:
        """Those that run next. The edges of a router count the first time only: else a loop would never end."""
        reached: set[str] = set()
        for name in nodes:
            always = {channel for channel, _ in _node(self.program, name).edges}
            for channel, edge in self.leading[name].items():
                if edge.target == END or (edge.conditional and name not in first and channel not in always):
                    continue
                if channel in self.program.joins:
                    come = self.come.setdefault(channel, set())
                    come.add(name)
                    if come < _names(self.program, channel):
                        continue
                reached.add(edge.target)
        deferred = {name for name in reached if self.program.nodes[name].defer}
        self.waiting |= deferred
        ready = reached - deferred
        if not ready:
            ready, self.waiting = self.waiting, set()
        for channel in self.program.joins:
            targets = self.program.trigger_to_nodes.get(channel, ())
            if self.come.get(channel, set()) >= _names(self.program, channel) and ready.intersection(targets):
                del self.come[channel]
        return sorted(ready)

    def _edges_to(self, name: str, nodes: list[str]) -> None:
        """The edges that a node of the next superstep was reached by; `nodes` are those of this one."""
        is_fresh = False
        for channel in self.program.nodes[name].triggers:
            for source, leading in self.leading.items():
                edge = leading.get(channel)
                if edge is None:
                    continue
                self.edges.add(edge)
                if source in nodes:
                    is_fresh = True
                else:
                    del leading[channel]
        if not is_fresh:
            self.edges.update(DrawnEdge(source, name, None, True) for source in nodes)


def _node(program: Program, name: str) -> Node:
    return program.start if name == START else program.nodes[name]


def _names(program: Program, channel: str) -> frozenset[str]:
    spec = program.channels[channel]
    assert isinstance(spec, Barrier)
    return spec.names


def _leading(program: Program, name: str) -> dict[str, DrawnEdge]:
    """All that a node may lead to, by the channel that it writes; END has none, and stands by its name."""
    node = _node(program, name)
    found: dict[str, DrawnEdge] = {}

    def declare(target: str, label: str | None) -> None:
        channel = END if target == END else BRANCH_PREFIX + target
        found.setdefault(channel, DrawnEdge(name, target, None if label == target else label, True))

    for branch in node.branches:
        for value, target in (branch.ends or {}).items():
            declare(target, str(value))
    for target in node.ends:
        declare(target, node.ends[target] if isinstance(node.ends, Mapping) else None)
    for channel, _ in node.edges:
        for target in program.trigger_to_nodes.get(channel, ()):
            if channel.startswith(BRANCH_PREFIX) or channel in program.joins:
                found.setdefault(channel, DrawnEdge(name, target))
    return found
