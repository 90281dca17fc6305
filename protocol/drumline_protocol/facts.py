"""Facts: what the log of a run holds, once, in order, with dense numbers.

Stream modes are views of facts (`drumline.views`), and the coordinator's memory of a run is nothing but its facts,
folded (`drumline_coordinator.fold`): after a takeover the new owner folds the log. So a fact carries data, never
something to be computed again: cells as they were committed, writes as they were made.

Values inside a fact are live objects in the embedded mode. On a wire they are `Boxed` (encoded once by the process
that made them, passed on undecoded) or plain decoded values.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from drumline_protocol.kept_facts import GraphKept as GraphKept
from drumline_protocol.kept_facts import Namespace as Namespace
from drumline_protocol.kept_facts import RunKept as RunKept
from drumline_protocol.kept_facts import TaskKept as TaskKept
from drumline_protocol.task_facts import CUSTOM as CUSTOM
from drumline_protocol.task_facts import MESSAGE as MESSAGE
from drumline_protocol.task_facts import NESTED as NESTED
from drumline_protocol.task_facts import STREAMED as STREAMED
from drumline_protocol.task_facts import AttemptRetracted as AttemptRetracted
from drumline_protocol.task_facts import Emitted as Emitted
from drumline_protocol.task_facts import ErrorHandled as ErrorHandled
from drumline_protocol.task_facts import RoutingStarted as RoutingStarted
from drumline_protocol.task_facts import TaskAnswered as TaskAnswered
from drumline_protocol.task_facts import TaskCalled as TaskCalled
from drumline_protocol.task_facts import TaskFailed as TaskFailed
from drumline_protocol.task_facts import TaskFinished as TaskFinished
from drumline_protocol.task_facts import TaskInterrupted as TaskInterrupted
from drumline_protocol.task_facts import TaskLeft as TaskLeft
from drumline_protocol.task_facts import TaskParked as TaskParked
from drumline_protocol.task_facts import TaskRetried as TaskRetried


@dataclass(slots=True)
class RunStarted:
    """The first fact of every run: all that a view needs to know before anything happens.

    `sketches` maps a graph path (`""` for the root, `"sub"`, `"sub|inner"` for subgraph nodes) to that graph's
    `Sketch` as plain data. `recorded` names the stream modes that the run records, `subgraphs` tells whether also
    those of subgraphs; `metadata` and `tags` are those of the run's config. `digest` is that of the request.
    """

    run_id: str
    graph: str
    fingerprint: str
    recorded: tuple[str, ...]
    sketches: Any
    metadata: dict[str, Any]
    tags: tuple[str, ...]
    at_ms: float
    subgraphs: bool = True
    digest: str = ""
    #: of a run on a thread: the `configurable` that configs of its checkpoints repeat
    thread: dict[str, Any] = field(default_factory=dict)
    #: the namespace of the graph that is run: one within another if a node called it, or its state is changed
    ns: Namespace = ()


@dataclass(slots=True)
class GraphEntered:
    """A graph begins under `ns`: the root at `()`, a subgraph under `(..., "node:task id")`.

    `path` names its sketch in `RunStarted.sketches`. A graph that a node called itself brings `sketches`, `metadata`
    and `tags` of its own, which hold for its subgraphs too, and the `keys` that its caller asked for. `cells` are the
    initial cells of state channels (defaults of reducers).
    """

    ns: Namespace
    path: str
    cells: dict[str, Any]
    sketches: Any = None
    metadata: dict[str, Any] | None = None
    tags: tuple[str, ...] = ()
    keys: Any = None
    #: the task that it is the node of, if `ns` does not end in that: of a graph with one history for all its calls
    task: str = ""


@dataclass(slots=True)
class PlannedTask:
    """One task of a plan.

    `arg` holds the writes that a hidden START task begins with. The input of a PULL task is read from the state, the
    argument of a PUSH task from the Sends in it.
    """

    id: str
    name: str
    path: tuple[Any, ...]
    triggers: tuple[str, ...]
    arg: Any = None
    hidden: bool = False


@dataclass(slots=True)
class PlanMade:
    """The tasks of superstep `step` of the graph at `ns`, in planning order. `stop` is its step limit."""

    ns: Namespace
    step: int
    stop: int
    tasks: list[PlannedTask]
    at_ms: float
    inputs: list[Any] | None = None  # embedded only: the very objects that the nodes get
    #: embedded only: ids of the messages that subgraph nodes are given, by task, before their graphs name the others
    given: dict[str, list[str]] | None = None


@dataclass(slots=True)
class StepCommitted:
    """The barrier of superstep `step`: what changed in each channel.

    An embedded run tells it by `cells`, and has no `changes`. A change is one of `drumline_graph.delta`, or a reference
    to what the step's tasks wrote (`drumline_graph.written`). `written` names the state keys that tasks wrote, which
    decides whether `values` is yielded. `kept` says of large cells how their new version is kept: in the cell store, as
    `[version of its base, rows, bytes, bytes of the value]`, or as the `Named` that was written.
    """

    ns: Namespace
    step: int
    changes: dict[str, Any]
    written: tuple[str, ...]
    at_ms: float
    kept: dict[str, Any] = field(default_factory=dict)
    #: in the process that made the fact: the new cells themselves, of each channel that changed (MISSING: cleared)
    cells: dict[str, Any] | None = None


@dataclass(slots=True)
class GraphPaused:
    """All tasks of superstep `step` of the graph at `ns` have ended, some of them with a question.

    The step is not over: the state stays as it was, and the graph stays open with what its tasks wrote. `changes` and
    `written` tell what the tasks that have a result would change, for a reader who is shown that.
    `stopped`: nobody asked, the graph stands at a breakpoint.
    """

    ns: Namespace
    step: int
    changes: dict[str, Any]
    written: tuple[str, ...]
    at_ms: float
    stopped: bool = False


@dataclass(slots=True)
class Checkpointed:
    """The state of the graph at `ns` is a checkpoint of its thread from now on.

    `parent` is the id of the one that it follows. `tasks` are those of the next superstep; None: the `PlanMade` that
    follows has them. `pending` tells what became of those of them that an earlier run had begun.
    """

    ns: Namespace
    id: str
    parent: str
    source: str
    step: int
    at_ms: float
    parents: dict[str, str]
    tasks: list[PlannedTask] | None = None
    pending: list[Any] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    #: tasks go on from `pending`: those that have ended there do not run again
    goes_on: bool = False


@dataclass(slots=True)
class InputTaken:
    """Something from outside changes the state of the graph at `ns`: an input, or what a `Command` writes.

    `dropped` are (name, triggers) of tasks that will not run any more. `changes` and `cells` are as in `StepCommitted`.
    """

    ns: Namespace
    changes: dict[str, Any]
    dropped: tuple[Any, ...]
    at_ms: float
    kept: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, Any] | None = None


@dataclass(slots=True)
class UpdateBegun:
    """The state of the graph at `ns` is changed from outside: the next plan has what nodes are made to have written.

    `rest` are the updates of the supersteps behind that one. Nothing else of the graph runs.
    """

    ns: Namespace
    rest: Any


@dataclass(slots=True)
class GraphResumed:
    """The graph at `ns` goes on from a checkpoint, behind whatever breakpoint it stood at."""

    ns: Namespace
    at_ms: float


@dataclass(slots=True)
class GraphExited:
    """The graph at `ns` (a subgraph) ended."""

    ns: Namespace


@dataclass(slots=True)
class Noticed:
    """Something the caller should be told once, as a warning. `key` tells one notice of a run from another."""

    text: str
    key: str = ""


@dataclass(slots=True)
class RunFinished:
    """The last fact of every run. `status` is "done", "failed", "cancelled" or "paused".

    A graph that a node called may also be "passed on": it has a question, or a command, for the run of that node.
    """

    status: str
    error: Any
    at_ms: float
    #: of a run that the code of a task waits for: the rows from which it goes on when that task runs again
    rows: list[bytes] = field(default_factory=list)
    #: of a run on no thread: what it asks
    interrupts: Any = field(default_factory=list)
    #: embedded only: that question or command, as the exception that the node's code is to see
    control: BaseException | None = None


@dataclass(slots=True)
class DrainRequested:
    """Somebody has asked for the run to stop at the end of its open superstep."""

    reason: str


Fact = (
    RunStarted
    | GraphEntered
    | PlanMade
    | Emitted
    | TaskFinished
    | TaskFailed
    | ErrorHandled
    | DrainRequested
    | TaskInterrupted
    | TaskLeft
    | TaskCalled
    | AttemptRetracted
    | TaskRetried
    | TaskParked
    | StepCommitted
    | GraphPaused
    | Checkpointed
    | InputTaken
    | UpdateBegun
    | GraphResumed
    | TaskAnswered
    | GraphExited
    | RoutingStarted
    | Noticed
    | RunFinished
    | RunKept
    | GraphKept
)


@dataclass(slots=True)
class NodeSketch:
    """What views need to know of a node."""

    reads: Any
    triggers: tuple[str, ...]
    pool: str
    metadata: dict[str, Any] | None = None
    tags: tuple[str, ...] = ()
    #: whether it is a graph, or its code calls one
    has_graph: bool = False


@dataclass(slots=True)
class Sketch:
    """What views need to know of a graph: its keys and its nodes, as plain data."""

    name: str
    stream_keys: Any
    output_keys: Any
    nodes: dict[str, NodeSketch] = field(default_factory=dict)
    managed: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class UnknownFact:
    """A fact of a kind that this drumline does not know: a newer coordinator wrote it. Readers pass over it.

    Such a kind only tells more. One without which a log is read wrongly comes with a new protocol version.
    """

    code: int
    count: int


def fact_count(fact: Fact | UnknownFact) -> int:
    """How many numbers of the log `fact` takes."""
    kind = type(fact)
    if kind is Emitted:
        return len(fact.items)  # type: ignore[union-attr]
    return fact.count if kind is UnknownFact else 1  # type: ignore[union-attr]
