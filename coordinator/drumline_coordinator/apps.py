"""The graphs that a coordinator serves, and the codecs that know their types. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, cast

from drumline_graph.differences import summary_of
from drumline_graph.program import Program
from drumline_protocol import wire
from drumline_protocol.codec import Codec
from drumline_protocol.errors import GraphMismatch, UnknownGraph
from drumline_protocol.graph_codecs import GraphCodecs
from drumline_protocol.wire import VERSION

T = TypeVar("T")

#: Values that no coordinator builds. To compile a regular expression may take a second, and a value may hold many;
#: only nodes need them.
PASSED_ON = ("python:re.Pattern",)


class Apps:
    """Programs by name, and the codecs that know their types. `version` is the protocol that the cluster speaks.

    `codec` reads and writes messages; `codec_of(graph)` the values of a graph.
    """

    def __init__(self, programs: Mapping[str, Program], version: int = VERSION) -> None:
        self.programs = dict(programs)
        self._codecs = GraphCodecs(self.programs, version, PASSED_ON)
        self.codec = self._codecs.general
        #: whether graphs have different classes of one name, so that some of them have a codec of their own
        self.apart = self._codecs.apart

    def codec_of(self, graph: str) -> Codec:
        """The codec for values of that graph."""
        return self._codecs.of(graph)

    def as_of(self, graph: str, message: T, data: bytes) -> T:
        """A message that was read from `data`, with the classes of that graph in it."""
        return cast("T", wire.decode(self.codec_of(graph), data)) if self.apart else message

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
