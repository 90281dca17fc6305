"""Tasks and scopes of a run, and the one table that says how the status of a task may change. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from operator import attrgetter
from typing import Any

from drumline_graph.constants import PUSH, TASKS
from drumline_graph.errors import DrumlineError
from drumline_graph.program import Node, Program
from drumline_graph.superstep import State
from drumline_graph.types import TimeoutPolicy
from drumline_protocol.checkpoints import Outcome, PendingWrite
from drumline_protocol.limits import DEATHS_IN_COMPANY_MAX


class TaskStatus(Enum):
    """Where a task is in its life. The value is the letter under which the story of a task keeps it.

    `letter` is that again, and `follows` the row of `TRANSITIONS`: plain attributes, since each task asks for them.
    """

    #: it waits for its dispatch
    PLANNED = "P"
    #: an entry of it is in a task stream; of a subgraph's node: its graph is open
    RUNNING = "R"
    #: no worker that is there can run it
    PARKED = "K"
    #: its node failed, and is tried again when some time has passed
    DELAYED = "T"
    #: it has its result
    DONE = "D"
    #: it asks the caller
    INTERRUPTED = "I"
    #: it failed for good
    FAILED = "F"

    letter: str
    follows: tuple[TaskStatus, ...]


PLANNED, RUNNING, PARKED, DELAYED = TaskStatus.PLANNED, TaskStatus.RUNNING, TaskStatus.PARKED, TaskStatus.DELAYED
DONE, INTERRUPTED, FAILED = TaskStatus.DONE, TaskStatus.INTERRUPTED, TaskStatus.FAILED

#: The life of a task. A pair that is not here is a fault of ours, and raises.
TRANSITIONS: dict[TaskStatus, tuple[TaskStatus, ...]] = {
    # dispatched, or its subgraph was entered
    PLANNED: (RUNNING,),
    # retracted, back in line or left to its routers; refused; to be tried again; the three ways to end
    RUNNING: (DONE, PLANNED, PARKED, DELAYED, INTERRUPTED, FAILED),
    # offered to the workers again
    PARKED: (PLANNED,),
    # its time has come
    DELAYED: (PLANNED,),
    DONE: (),
    INTERRUPTED: (),
    FAILED: (),
}

for _status, _follows in TRANSITIONS.items():
    _status.letter, _status.follows = _status.value, _follows

#: statuses in which a task keeps its superstep open
OPEN = (PLANNED, RUNNING, PARKED, DELAYED)

#: phases of a task: its node's body and then its routers, or (after a subgraph) the routers alone
RUN, ROUTE = "run", "route"


_NOTHING: Mapping[str, Outcome] = {}
_by_path_key = attrgetter("path_key")


class ImpossibleTransition(DrumlineError):
    """A task was to change its status in a way that the table does not know: a fault of the run machine."""

    def __init__(self, task: Task, status: TaskStatus) -> None:
        story = " -> ".join(TaskStatus(letter).name for letter in task.story)
        super().__init__(f"{task!r} cannot become {status.name}; its story: {story}")


class Unusual:
    """What most tasks never have. They find it here, so that not each of them pays for it."""

    #: how often its node was tried; attempts that were lost with their workers do not count
    tries: int = 1
    #: when its node is tried again; 0: never
    due_ms: float = 0.0
    #: of an error handler: the node that failed
    failed: str = ""
    #: of an error handler the error of that node; of a called `@task`, or a task whose siblings go on, its own
    error: Any = None
    #: how many graphs its tries have called
    called: int = 0
    #: attempts that were retracted, and those of them whose worker vanished with them
    lost: int = 0
    deaths: int = 0
    #: the `Interrupt`s of an INTERRUPTED task
    interrupts: Any = ()
    #: what its questions have been answered so far, in their order
    answers: Sequence[Any] = ()
    #: why its last attempt was retracted, or what keeps it waiting
    reason: str = ""
    #: the graph of a subgraph's node, while it is open
    child: Scope | None = None
    #: of a called `@task`: the task whose code calls it, and which call it is (`TaskCalled.call`)
    caller: Task | None = None
    call: tuple[str, ...] = ()
    #: where workers find it
    code: str = ""
    #: how many of its own calls have not ended
    calls: int = 0
    #: the number of the next call, and that of the first one of this try; 0: of its first try
    calls_made: int = 0
    calls_from: int = 0


class Task(Unusual):
    """One task of the open superstep of a scope.

    `n` counts the events heard of the current attempt, `story` has the letter of each status that the task has had.
    """

    __slots__ = (
        "attempt",
        "executor",
        "first_ms",
        "id",
        "input",
        "n",
        "name",
        "names",
        "node",
        "path",
        "path_key",
        "phase",
        "scope",
        "status",
        "story",
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
        self.story = "P"
        self.phase = RUN
        self.attempt = 1
        #: when its node was tried first; 0: never
        self.first_ms = 0.0
        self.executor: str | None = None
        self.n = 0
        self.writes: Any = None
        #: names of those of its writes that lie elsewhere, by the identity of the value that was read
        self.names: dict[int, Any] | None = None

    def written_to(self, channel: str) -> list[Any]:
        """What it has written to a channel."""
        return [value for name, value in self.writes if name == channel]

    def become(self, status: TaskStatus) -> None:
        """Change the status. ImpossibleTransition if the table does not allow it."""
        if status not in self.status.follows:
            raise ImpossibleTransition(self, status)
        self.status = status
        self.story += status.letter

    @property
    def around(self) -> tuple[str, ...]:
        """The namespace that it runs in: that of its graph, and the tasks that have called it."""
        caller = self.caller
        return self.scope.ns if caller is None else (*caller.around, f"{caller.name}:{caller.id}")

    @property
    def callers(self) -> tuple[str, ...]:
        """The tasks that have called it, outermost first, as its namespace has them."""
        return self.around[len(self.scope.ns) :]

    @property
    def is_push(self) -> bool:
        """Whether a `Send` made this task, so that `input` is the Send's argument."""
        return bool(self.path[0] == PUSH)

    @property
    def sent_timeout(self) -> TimeoutPolicy | None:
        """The time limits that the `Send` of this task has asked for."""
        if self.path[0] != PUSH or self.failed or self.caller is not None:
            return None
        timeout: TimeoutPolicy | None = self.scope.state.cells[TASKS][self.path[1]].timeout
        return timeout

    @property
    def runs_on_worker(self) -> bool:
        """Whether the task is dispatched: a subgraph node is not, until its routers run."""
        return self.node.subprogram is None or self.phase == ROUTE

    @property
    def is_sent(self) -> bool:
        """Whether an entry of the task is in a task stream."""
        return self.status is RUNNING and (self.node.subprogram is None or self.phase == ROUTE)

    @property
    def is_suspect(self) -> bool:
        """Whether it has lost so many workers that it is to run alone."""
        return self.deaths >= DEATHS_IN_COMPANY_MAX

    def __repr__(self) -> str:
        return (
            f"<Task {self.name} {self.id} of {self.scope.name}, step {self.scope.step}, attempt {self.attempt}, "
            f"{self.status.name}>"
        )


class Scope:
    """One graph of a run: the root, or a subgraph that is a node of its parent's open superstep."""

    #: what a head says of a graph by a word, if it is so (`GraphKept.flags`)
    FLAGS = ("leaving", "asks", "fails", "paused", "resumed")

    __slots__ = (
        "asks",
        "checkpoint",
        "fails",
        "guarded",
        "keeps_output",
        "kept",
        "lasts",
        "leaving",
        "left",
        "ns",
        "open_tasks",
        "output",
        "output_keys",
        "parent",
        "path",
        "paused",
        "pending",
        "program",
        "resumed",
        "state",
        "step",
        "stop",
        "tasks",
        "updates",
    )

    def __init__(self, program: Program, ns: tuple[str, ...], path: str, stop: int, parent: Task | None) -> None:
        self.program = program
        #: its graph has breakpoints, or a limit for the time of supersteps
        self.guarded = bool(program.stops_before or program.stops_after or program.step_timeout is not None)
        self.ns = ns
        self.path = path
        self.stop = stop
        self.parent = parent
        self.state = State.initial(program)
        self.step = 0
        #: of a graph of a thread: the id of the checkpoint that the open superstep starts from
        self.checkpoint = ""
        #: its open superstep is one that an earlier run had begun
        self.resumed = False
        #: what that run has left of its tasks, and the same by their ids: those that are called later take it up then
        self.pending: Sequence[PendingWrite] = ()
        self.left: Mapping[str, Outcome] = _NOTHING
        #: whether a thread keeps it
        self.lasts: bool = program.persists is not False and (parent is None or parent.scope.lasts)
        #: the tasks of the open superstep, in planning order, and how many of them have not ended
        self.tasks: dict[str, Task] = {}
        self.open_tasks = 0
        #: a task is to leave the graph for the one around it; its siblings come to their end first
        self.leaving = False
        #: a task asks the caller; its siblings come to their end first
        self.asks = False
        #: a task has failed; its siblings come to their end first
        self.fails = False
        #: all tasks have ended, some of them with a question
        self.paused = False
        #: its state is changed from outside: the updates behind those of the open superstep; None: it runs
        self.updates: Sequence[Any] | None = None
        #: how large cells are kept (`cells.Kept`, or the `Named` of a blob), by channel
        self.kept: dict[str, Any] = {}
        #: what the graph returns if it ended now: read whenever an output key was written
        self.output: Any = None
        keys = program.output_keys
        self.output_keys = frozenset((keys,) if isinstance(keys, str) else keys)
        #: whether `output` is kept: the node above gets it, or a later step may clear what a late reader is to be told
        self.keeps_output = parent is not None or not all(
            self.output_keys.isdisjoint(fading) for fading in (program.volatile, program.consumable, program.finishing)
        )

    def written(self, channel: str) -> list[Any]:
        """What the tasks of the open superstep wrote to a channel, in the order in which writes are merged."""
        tasks = sorted(self.tasks.values(), key=_by_path_key)
        return [value for task in tasks for value in task.written_to(channel)]

    @property
    def name(self) -> str:
        """The graph and its namespace, for a reader."""
        return f"graph {self.program.name!r}" + (f" at {'|'.join(self.ns)}" if self.ns else "")

    def __repr__(self) -> str:
        return f"<Scope {'|'.join(self.ns) or 'root'} step {self.step}, {self.open_tasks} open>"
