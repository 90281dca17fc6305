"""What a view knows of a called `@task`. Pure."""

from __future__ import annotations

from typing import Any

from drumline.views.graphs import GraphView, OpenTask
from drumline_graph.constants import PUSH
from drumline_protocol.codec import unbox
from drumline_protocol.facts import PlannedTask, TaskCalled


class CalledTask(OpenTask):
    """A called `@task`, of the open superstep of its caller's graph. Custom events of it lie below its caller."""

    __slots__ = ()

    is_call = True

    def __init__(self, graph: GraphView, planned: PlannedTask, caller: OpenTask) -> None:
        super().__init__(graph, planned)
        self.ns = (*caller.ns, f"{caller.planned.name}:{caller.planned.id}")


def planned_call(fact: TaskCalled) -> PlannedTask:
    """The task that a call is."""
    return PlannedTask(fact.task, fact.name, fact.path, (PUSH,))


def given_to(fact: TaskCalled) -> Any:
    """The arguments of a call, as LangGraph shows them: those by position as a tuple, those by name as a dict."""
    args, kwargs = unbox(fact.args)
    return tuple(args), kwargs
