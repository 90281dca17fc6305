"""What is known of an open run. Only `fold` changes it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from drumline_coordinator.tasks import INTERRUPTED, OPEN, PARKED, PLANNED, Scope, Task
from drumline_graph.program import Program

#: LangGraph's default; `config["recursion_limit"]` overrides it
RECURSION_LIMIT = 10_007


class RunStatus(Enum):
    """Where a run is in its life. The value is what the run record and the last fact say."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    #: it asked, and nothing else of it is left to do
    PAUSED = "paused"
    #: of a graph that a node called: it asked, or it answered with a command for the graph around that node
    PASSED_ON = "passed on"


#: by itself, since each decision asks for it
RUN_OPEN = RunStatus.OPEN


class RunState:
    """The state of one run: what its facts, and its record, add up to.

    `root_ns` is the namespace of its root: not empty for a graph that a node called. `wire` tells whether values in
    facts may still be encoded. `config` is that of the run's caller.
    """

    __slots__ = (
        "callers",
        "checkpoint",
        "drain",
        "heard",
        "limit",
        "max_open",
        "noticed",
        "parked",
        "program",
        "ready",
        "root",
        "root_ns",
        "running",
        "scopes",
        "status",
        "tasks",
        "version",
        "wire",
    )

    def __init__(
        self,
        program: Program,
        *,
        root_ns: tuple[str, ...] = (),
        wire: bool = False,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        config = config or {}
        self.program = program
        self.root_ns = root_ns
        self.wire = wire
        self.limit: int = config.get("recursion_limit") or RECURSION_LIMIT
        self.max_open: int = config.get("max_concurrency") or 0
        self.status = RUN_OPEN
        self.root: Scope | None = None
        self.scopes: dict[tuple[str, ...], Scope] = {}
        self.tasks: dict[str, Task] = {}
        #: PLANNED tasks for workers, in the order in which they are sent
        self.ready: dict[str, Task] = {}
        #: tasks that have an entry in a task stream
        self.running = 0
        #: those of them whose code has called a `@task` that has not ended: they wait for that
        self.callers = 0
        #: PARKED tasks
        self.parked = 0
        #: (attempt, events heard) of the tasks of the superstep that was committed last
        self.heard: dict[str, tuple[int, int]] = {}
        #: the number of the last change of cells, in whatever graph of the run
        self.version = 0
        #: the id of the newest checkpoint, of a run on a thread: ids sort in the order in which they were made
        self.checkpoint = ""
        #: why it is to stop at the end of its open superstep; empty: it is not
        self.drain = ""
        #: keys of the notices that the caller was given
        self.noticed: set[str] = set()

    @property
    def is_open(self) -> bool:
        """Whether the run has not ended."""
        return self.status is RUN_OPEN

    @property
    def waits(self) -> bool:
        """Whether tasks wait without an entry: for a worker, or for the next window."""
        return bool(self.ready or self.parked)

    def let_go(self) -> None:
        """Nobody asks for its tasks any more: a graph and its open tasks keep each other until the collector comes."""
        for scope in self.scopes.values():
            scope.tasks.clear()


def troubles(state: RunState) -> list[str]:
    """What in a state contradicts itself, one line each; empty for a sound one."""
    if not state.is_open:
        return []
    found: list[str] = []
    sent = sum(task.is_sent for task in state.tasks.values())
    if state.running != sent:
        found.append(f"running is {state.running}, {sent} tasks are")
    callers = sum(task.is_sent and task.calls > 0 for task in state.tasks.values())
    if state.callers != callers:
        found.append(f"callers is {state.callers}, {callers} tasks are")
    parked = sum(task.status is PARKED for task in state.tasks.values())
    if state.parked != parked:
        found.append(f"parked is {state.parked}, {parked} tasks are")
    waiting = {id_ for id_, task in state.tasks.items() if task.runs_on_worker and task.status is PLANNED}
    if waiting != set(state.ready):
        found.append(f"ready holds {sorted(state.ready)}, {sorted(waiting)} wait for their dispatch")
    known: dict[str, Any] = {}
    for ns, scope in state.scopes.items():
        known.update(scope.tasks)
        found += _troubles_of(state, ns, scope)
    if known != state.tasks:
        found.append(f"tasks {sorted(state.tasks.keys() ^ known.keys())} are not both in the run and in a graph of it")
    return found


def _troubles_of(state: RunState, ns: tuple[str, ...], scope: Scope) -> list[str]:
    found: list[str] = []
    open_tasks = sum(task.status in OPEN for task in scope.tasks.values())
    if scope.open_tasks != open_tasks:
        found.append(f"{scope} has {open_tasks} open tasks")
    if scope.ns != ns:
        found.append(f"{scope} is kept as {ns}")
    parent = scope.parent
    if parent is None:
        if scope is not state.root:
            found.append(f"{scope} has no parent, and is not the root")
    elif state.tasks.get(parent.id) is not parent or parent.child is not scope:
        found.append(f"{scope} is not the graph of its parent {parent}")
    elif scope.paused != (parent.status is INTERRUPTED):
        found.append(f"{scope} is {'' if scope.paused else 'not '}paused, and its node is {parent}")
    return found
