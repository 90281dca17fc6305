"""The graphs that a coordinator serves, and the codec that knows their types. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from drumline_graph.differences import summary_of
from drumline_graph.program import Program
from drumline_protocol.codec import Codec
from drumline_protocol.codec_types import TypeTable
from drumline_protocol.errors import GraphMismatch, UnknownGraph
from drumline_protocol.wire import VERSION


class Apps:
    """Programs by name, and the codec that knows their types. `version` is the protocol that the cluster speaks."""

    def __init__(self, programs: Mapping[str, Program], version: int = VERSION) -> None:
        self.programs = dict(programs)
        types = TypeTable()
        for program in self.programs.values():
            types = types.with_types(program.schema_types())
        self.codec = Codec(types, version)

    def find(self, name: str, fingerprint: str | None = None) -> Program:
        """The graph of that name. UnknownGraph lists the known ones; GraphMismatch if the client's differs."""
        return self.programs[self.served_name(name, fingerprint)]

    def served_name(self, name: str, fingerprint: str | None = None) -> str:
        """The name under which a graph is served here: `name`, or that of an equal graph. UnknownGraph, GraphMismatch.

        A graph that its client compiled without a name, or under another one, is found by its fingerprint.
        """
        program = self.programs.get(name)
        if program is None:
            equal = (served for served, held in self.programs.items() if held.fingerprint == fingerprint)
            found = next(equal, None) if fingerprint is not None else None
            if found is None:
                raise UnknownGraph(name, sorted(self.programs))
            return found
        if fingerprint is not None and fingerprint != program.fingerprint:
            raise GraphMismatch(name, fingerprint, [program.fingerprint], summary_of(program))
        return name

    def pools(self) -> list[str]:
        """Every pool that a node of these graphs names, `default` among them."""
        found = {"default"}
        for program in self.programs.values():
            _pools(program, found)
        return sorted(found)


def _pools(program: Program, into: set[str]) -> None:
    for node in program.nodes.values():
        into.add(node.pool)
        if node.subprogram is not None:
            _pools(node.subprogram, into)
