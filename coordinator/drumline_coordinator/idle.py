"""List edges that never fired: what a run tells of a graph that has ended. Pure."""

from __future__ import annotations

from collections.abc import Collection

from drumline_coordinator.tasks import Scope
from drumline_graph.mistakes import idle_joins
from drumline_protocol.facts import Noticed


def idle_notices(scope: Scope, noticed: Collection[str]) -> list[Noticed]:
    """A notice for each list edge of the graph that still waits.

    `noticed` has the keys of earlier notices: each edge is told of once in a run, in however many graphs it waits.
    """
    if not scope.program.joins:
        return []
    told = [(f"{scope.path}:{channel}", text) for channel, text in idle_joins(scope.program, scope.state)]
    return [Noticed(text, key) for key, text in told if key not in noticed]
