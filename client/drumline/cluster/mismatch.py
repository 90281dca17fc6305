"""What differs between the graph of this client and the one that a cluster serves under its name. Pure."""

from __future__ import annotations

from collections.abc import Callable

from drumline_graph.differences import differences, summary_of
from drumline_graph.program import Program
from drumline_protocol.errors import GraphMismatch

_NAMES = "here", "on the coordinator"


def explained(program: Program) -> Callable[[BaseException], BaseException]:
    """What makes of a run's failure the one to raise: as the graph has it, and a `GraphMismatch` with its reasons."""

    def raised(failure: BaseException) -> BaseException:
        if isinstance(failure, GraphMismatch) and failure.served:
            told = differences(summary_of(program), failure.served, _NAMES)
            failure = GraphMismatch(failure.name, failure.wanted, failure.held, failure.served, told)
        return failure if program.raised_as is None else program.raised_as(failure)

    return raised
