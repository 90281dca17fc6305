"""A job: everything needed to run one attempt of one task, wherever that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from drumline_graph.node import Node
from drumline_graph.program import Program
from drumline_protocol.codec import Codec
from drumline_protocol.facts import TaskFailed
from drumline_protocol.failure import describe
from drumline_protocol.messages import RunShared

#: takes (kind, payload, header) of one event; kinds are in `drumline_protocol.facts`
Emit = Callable[[int, Any, Any], None]


@dataclass(slots=True)
class Job:
    """One attempt of one task.

    `input` is what the node gets (a PULL task's mapped state, or a Send's argument). `cells` are the raw cells that
    its routers read. In phase `route` the body is left out and `writes` is what it would have written. `base` is the
    namespace of the run's root graph, `above` the subgraph nodes between that and this graph, outermost first.
    """

    program: Program
    node: Node
    shared: RunShared
    ns: tuple[str, ...]
    task: str
    attempt: int
    step: int
    stop: int
    path: tuple[Any, ...]
    triggers: tuple[str, ...]
    phase: str
    input: Any
    context: Any
    cells: Mapping[str, Any]
    writes: Any
    emit: Emit
    executor: str
    base: tuple[str, ...] = ()
    above: tuple[Node, ...] = ()

    @property
    def is_heard(self) -> bool:
        """Whether somebody asked for live events of this task's graph: those of subgraphs are often left out."""
        return self.ns == self.base or self.shared.subgraphs

    @property
    def needs_loop(self) -> bool:
        """Whether some of the code to call is async only, so that the job must run on an event loop."""
        node = self.node
        return node.is_async or any(branch.is_async for branch in node.branches)


def portable_event(payload: Any, codec: Codec) -> Any:
    """A task's event as it may cross a wire: the exception in a called graph's fact becomes data."""
    if type(payload) is TaskFailed and isinstance(payload.error, BaseException):
        return replace(payload, error=describe(payload.error, codec))
    return payload
