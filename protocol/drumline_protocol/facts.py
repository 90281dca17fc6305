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

#: kinds of an item in `Emitted.items`: a custom event, a message, a fact of a graph that a node called, and an item
#: `(ns, mode, payload)` of a stream that another engine made (with a header: it belongs to its task's own graph)
CUSTOM, MESSAGE, NESTED, STREAMED = 0, 1, 2, 3


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
class Emitted:
    """A burst of events of one attempt: counts as `len(items)` facts.

    An item is `(kind, payload, header)`, or its encoded bytes on a cluster. `n` is the number of the first item
    within the attempt.
    """

    task: str
    attempt: int
    n: int
    executor: str
    items: list[Any]


@dataclass(slots=True)
class TaskFinished:
    """The first result of the bound attempt: `writes` is a list of `(channel, value)`, with names of large values."""

    ns: Namespace
    task: str
    attempt: int
    executor: str
    writes: Any
    at_ms: float
    #: an earlier run of the thread, or a cache, had the result: the task did not run now
    cached: bool = False
    #: in a process that has read the large values: the same list with those that it needs in their places
    opened: Any = None


@dataclass(slots=True)
class TaskFailed:
    """A task failed for good. `error` is an exception (embedded) or a `Failure` (cluster)."""

    ns: Namespace
    task: str
    attempt: int
    error: Any
    at_ms: float


@dataclass(slots=True)
class TaskInterrupted:
    """A task asks the caller: it has no result. `interrupts` is a list of `Interrupt`s.

    Its superstep does not end in a next one: when the other tasks are done, the graph pauses, and with it the run.
    """

    ns: Namespace
    task: str
    attempt: int
    interrupts: Any
    at_ms: float


@dataclass(slots=True)
class TaskLeft:
    """A child graph's task ended by `Command(graph=Command.PARENT)`: it has no result of its own."""

    ns: Namespace
    task: str


@dataclass(slots=True)
class AttemptRetracted:
    """Attempt `attempt` is void; the task runs again as the next one. What it emitted was not its result's.

    `died` tells that its worker vanished with it.
    """

    ns: Namespace
    task: str
    attempt: int
    reason: str
    died: bool = False


@dataclass(slots=True)
class TaskParked:
    """No registered worker can run the task now; it waits. `reason` says what is missing.

    `values_gone`: the cell store has lost what the task's graph keeps there, so that tasks must carry it.
    """

    ns: Namespace
    task: str
    reason: str
    values_gone: bool = False


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
class TaskAnswered:
    """The answers that a task's questions have been given so far, in their order."""

    ns: Namespace
    task: str
    answers: list[Any]


@dataclass(slots=True)
class GraphExited:
    """The graph at `ns` (a subgraph) ended."""

    ns: Namespace


@dataclass(slots=True)
class RoutingStarted:
    """A subgraph's node has its result; its routers run now. `writes` are those of the node so far."""

    ns: Namespace
    task: str
    writes: Any


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
    #: embedded only: that question or command, as the exception that the node's code is to see
    control: BaseException | None = None


Fact = (
    RunStarted
    | GraphEntered
    | PlanMade
    | Emitted
    | TaskFinished
    | TaskFailed
    | TaskInterrupted
    | TaskLeft
    | AttemptRetracted
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
