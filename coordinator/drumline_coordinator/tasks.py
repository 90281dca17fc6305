"""Tasks and graph scopes of a run, as the machine keeps them. Pure.

The life of a task::

    PLANNED ──dispatch──▶ RUNNING ──result──▶ DONE
       ▲                    │ │ └──interrupt──▶ INTERRUPTED
       └──refused, parked───┘ └──error──▶ FAILED      (abandoned: stays RUNNING under the next attempt)

A task whose node is a subgraph is never dispatched: it is RUNNING while its child scope lives, and only its tail
(its node's routers) runs on a worker, as phase `route` of the same task.
"""

from __future__ import annotations

from typing import Any

from drumline_graph.constants import PUSH
from drumline_graph.program import Node, Program
from drumline_graph.superstep import State
from drumline_protocol.limits import DEATHS_IN_COMPANY_MAX

PLANNED, RUNNING, PARKED, DONE, FAILED = "planned", "running", "parked", "done", "failed"
INTERRUPTED = "interrupted"

#: phases of a task: its node's body and then its routers, or (after a subgraph) the routers alone
RUN, ROUTE = "run", "route"


class Task:
    """One task of the open superstep of a scope. `n` counts the events heard of the current attempt.

    `interrupts` are the `Interrupt`s of an INTERRUPTED task.
    """

    __slots__ = (
        "arg",
        "attempt",
        "deaths",
        "executor",
        "id",
        "input",
        "interrupts",
        "lost",
        "n",
        "name",
        "node",
        "path",
        "path_key",
        "phase",
        "scope",
        "status",
        "triggers",
        "writes",
    )

    def __init__(
        self,
        id: str,
        name: str,
        path: tuple[Any, ...],
        path_key: str,
        triggers: tuple[str, ...],
        input: Any,
        node: Node,
        scope: Scope,
    ) -> None:
        self.id = id
        self.name = name
        self.path = path
        self.path_key = path_key
        self.triggers = triggers
        self.input = input
        self.node = node
        self.scope = scope
        self.status = PLANNED
        self.phase = RUN
        self.attempt = 1
        #: attempts that are void, and those of them whose worker vanished with them
        self.lost = 0
        self.deaths = 0
        self.executor: str | None = None
        self.n = 0
        self.writes: Any = None
        self.interrupts: Any = ()

    @property
    def is_push(self) -> bool:
        """Whether a `Send` made this task, so that `input` is the Send's argument."""
        return bool(self.path[0] == PUSH)

    @property
    def runs_on_worker(self) -> bool:
        """Whether the task is dispatched: a subgraph node is not, until its routers run."""
        return self.node.subprogram is None or self.phase == ROUTE

    @property
    def is_suspect(self) -> bool:
        """Whether it has lost so many workers that it is to run alone."""
        return self.deaths >= DEATHS_IN_COMPANY_MAX

    def __repr__(self) -> str:
        return f"<Task {self.name} {self.id} step {self.scope.step} attempt {self.attempt} {self.status}>"


class Scope:
    """One graph of a run: the root, or a subgraph that is a node of its parent's open superstep."""

    __slots__ = (
        "leaving",
        "left",
        "ns",
        "open",
        "output",
        "output_keys",
        "parent",
        "path",
        "program",
        "state",
        "step",
        "stop",
        "tasks",
    )

    def __init__(self, program: Program, ns: tuple[str, ...], path: str, stop: int, parent: Task | None) -> None:
        self.program = program
        self.ns = ns
        self.path = path
        self.stop = stop
        self.parent = parent
        self.state = State.initial(program)
        self.step = 0
        self.tasks: dict[str, Task] = {}
        self.open = 0
        self.left = False
        #: a task wants to leave the graph for the one around it; its siblings come to their end first
        self.leaving = False
        #: what the graph returns if it ended now: read whenever an output key was written
        self.output: Any = None
        keys = program.output_keys
        self.output_keys = frozenset((keys,) if isinstance(keys, str) else keys)

    def __repr__(self) -> str:
        return f"<Scope {'|'.join(self.ns) or 'root'} step {self.step}, {self.open} open>"
