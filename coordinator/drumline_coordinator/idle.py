"""List edges that never fired: what a run tells of a graph that has ended. Pure."""

from __future__ import annotations

from drumline_coordinator.tasks import Scope
from drumline_graph.mistakes import idle_joins
from drumline_protocol.facts import Noticed


def idle_notices(scope: Scope, told: set[tuple[str, str]]) -> list[Noticed]:
    """A notice for each list edge of the graph that still waits.

    `told` remembers (path of the graph, channel): each is told of once in a run, in however many graphs it waits.
    """
    if not scope.program.joins:
        return []
    notices = []
    for channel, text in idle_joins(scope.program, scope.state):
        if (scope.path, channel) not in told:
            told.add((scope.path, channel))
            notices.append(Noticed(text))
    return notices
