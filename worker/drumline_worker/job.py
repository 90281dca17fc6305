"""A job: everything needed to run one attempt of one task, wherever that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import count
from typing import Any, Protocol

from drumline_graph.delta import as_changes
from drumline_graph.merges import Merges
from drumline_graph.program import Node, Program
from drumline_graph.types import TimeoutPolicy
from drumline_protocol.checkpoint_ids import NEXT
from drumline_protocol.codec import Codec
from drumline_protocol.errors import EncodeError
from drumline_protocol.facts import (
    STREAMED,
    ErrorHandled,
    PlanMade,
    PlannedTask,
    StepCommitted,
    TaskFailed,
    TaskRetried,
)
from drumline_protocol.failure import describe
from drumline_protocol.messages import RunShared

#: takes (kind, payload, header) of one event; kinds are in `drumline_protocol.facts`
Emit = Callable[[int, Any, Any], None]


class Fate(Protocol):
    """What becomes of an execution beside its answer, for calls of its code that outlive an exception or a thread."""

    @property
    def cancelled(self) -> bool:
        """It is for nothing: its run has ended, or its task was given to another worker."""
        ...

    @property
    def lost(self) -> bool:
        """It is void because another worker has its task: what it began elsewhere is that one's now."""
        ...

    @property
    def repeats(self) -> bool:
        """Whether there may be another attempt, which does the same again."""
        ...

    @property
    def above(self) -> Any:
        """The `TaskContext` whose code called the graph that this is a task of; None in the graph of the run."""
        ...

    def waits(self, begins: bool) -> None:
        """Its code begins, or ends, to wait for a run elsewhere."""
        ...


class Calling(Protocol):
    """Through what the code of tasks calls `@task`s."""

    def call(self, job: Job, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A future of the result: asyncio's on a running loop, else one of `concurrent.futures`."""
        ...

    def control(self, job: Job) -> Any:
        """What the code of a task may ask its run with (`RunControl`)."""
        ...


@dataclass(slots=True)
class JobThread:
    """What a task knows of its run's thread: its code may call graphs, which have their checkpoints there too.

    `store` keeps it (`drumline.threads.store.Threads`, of which `threads_for(program)` makes that of another graph).
    `parents` are the checkpoints that the task's graph and those around it stand at, by namespace. `resumes`: the run
    goes on from where an earlier one stood. `answers` are those that were given to questions, by their ids.
    """

    id: str
    store: Any
    durability: str
    checkpoint: str
    parents: dict[str, str]
    resumes: bool
    answers: dict[str, Any]
    #: ids of checkpoints that the caller of the run has named, by namespace
    addressed: dict[str, str] = field(default_factory=dict)
    #: an old checkpoint is run again (`drumline_protocol.replay.Replay`)
    replay: Any = None
    #: the question, asked by this task before, that has the only answer that was given
    single: str | None = None
    #: on a worker: what graphs that the task's code has called add to the thread (`CarriedThread.rows`)
    rows: Callable[..., list[bytes]] | None = None
    #: on a worker: `answers` came with one for whoever asks next
    lent: bool = False

    @property
    def took(self) -> bool:
        """Whether the task, or a graph that it called, has taken the answer that it was lent."""
        return self.lent and NEXT not in self.answers


class Unusual:
    """What most jobs never have. They find it here, so that not each of them pays for it."""

    #: its time limits, if it has some, and what keeps them while it runs (`drumline_worker.time_limits.TimeLimit`)
    timeout: TimeoutPolicy | None = None
    limit: Any = None
    #: if its node has a `CachePolicy`: the codec of the graph's values
    codec: Codec | None = None
    #: of an error handler: what failed (`NodeError`)
    failed: Any = None
    #: what its questions were answered so far, in their order
    answers: Sequence[Any] = ()
    #: what its questions took of the answer that was for whoever asks next
    taken: Sequence[Any] = ()
    #: how often its node was tried, this time included
    tries: int = 1
    #: how many graphs the code of its node has called in tries before this one
    called: int = 0
    #: the thread that its run is on; None: it is on none
    thread: JobThread | None = None
    #: how many calls of `@task`s lead to it from the task of a node
    depth: int = 0
    #: of such a call: the attempt of its caller
    called_in: int = 1
    #: the number of the first `@task` that it calls
    calls_from: int = 0
    #: what makes its span (`drumline_worker.task_spans.TaskSpans`); None: nobody asks for spans
    spans: Any = None
    #: the span in which it was sent, as a `traceparent`
    sent_in: str = ""
    #: in the process that commits its step: where merges are kept that were made for its routers
    merges: Merges | None = None


@dataclass(slots=True)
class Job(Unusual):
    """One attempt of one task.

    `input` is what the node gets (a PULL task's mapped state, or a Send's argument). `cells` are the raw cells that
    its routers read. In phase `route` the body is left out and `writes` is what it would have written. `root_ns` is the
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
    root_ns: tuple[str, ...] = ()
    above: tuple[Node, ...] = ()
    #: what `push_message` wrote: (channel, value), before what the node returns
    pushed: list[tuple[str, Any]] | None = None
    fate: Fate | None = None
    #: where the task's run hangs in a trace (`drumline_worker.tracing.RunTracing`); None if nobody listens
    tracing: Any = None
    #: the `RunControl` that its run was given, in the process of the caller; None: `calling` has one
    control: Any = None
    #: where results of nodes may lie; None: nowhere
    cache: Any = None
    #: the store of the run; None if there is none
    store: Any = None
    #: through what its code calls `@task`s; None: it cannot
    calling: Calling | None = None
    #: when its node was tried first (Unix time in ms; 0: now)
    first_ms: float = 0.0
    #: numbers the graphs that its code calls, once it runs: from the second on, the number is part of the namespace
    calls: count[int] | None = None
    #: which of its values have names (`drumline_worker.origins.Origins`); None if none has
    origins: Any = None

    @property
    def is_heard(self) -> bool:
        """Whether somebody asked for live events of this task's graph: those of subgraphs are often left out."""
        return self.shared.subgraphs or len(self.ns) - self.depth == len(self.root_ns)

    @property
    def graph_ns(self) -> tuple[str, ...]:
        """The namespace of its graph; `ns` of a called `@task` is longer by its callers."""
        return self.ns[: len(self.ns) - self.depth]

    @property
    def needs_loop(self) -> bool:
        """Whether the job runs on an event loop: some of its code is async only, or the caller prefers async code."""
        node = self.node
        if node.is_async or (node.branches and any(branch.is_async for branch in node.branches)):
            return True
        return node.has_async and (self.shared.is_async or self.timeout is not None)


def portable_event(kind: int, payload: Any, codec: Codec) -> Any:
    """A task's event as it may cross a wire, where it is a fact or an item of a graph that the node called.

    An exception becomes data. Node inputs that are no plain dicts travel along, if `codec` knows their class: whoever
    reads the stream does not know the called graph, and could not build them again.
    """
    if kind == STREAMED:
        ns, mode, item = payload
        return ns, mode, _portable_item(mode, item, codec)
    if isinstance(payload, (TaskFailed, TaskRetried, ErrorHandled)) and isinstance(payload.error, BaseException):
        return replace(payload, error=describe(payload.error, codec))
    if type(payload) is PlanMade and payload.inputs is not None:
        pairs = zip(payload.tasks, payload.inputs, strict=True)
        return replace(payload, tasks=[_with_input(task, given, codec) for task, given in pairs], inputs=None)
    if type(payload) is StepCommitted and payload.cells is not None:
        return replace(payload, changes=as_changes(payload.cells), cells=None)
    return payload


def _portable_item(mode: str, item: Any, codec: Codec) -> Any:
    """A payload of the modes `tasks` and `debug`: its exception as data, an input of an unknown class as its fields."""
    if mode == "debug":
        return {**item, "payload": _portable_item("tasks", item["payload"], codec)}
    if mode != "tasks":
        return item
    if isinstance(item.get("error"), BaseException):
        return {**item, "error": describe(item["error"], codec)}
    if "input" in item:
        try:
            codec.encode(item["input"])
        except EncodeError:
            return {**item, "input": _as_fields(item["input"])}
    return item


def _as_fields(value: Any) -> Any:
    """The fields of an object as a dict. What has none stays, and is refused with its path and type when it is sent."""
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return dict(vars(value)) if hasattr(value, "__dict__") else value


def _with_input(task: PlannedTask, given: Any, codec: Codec) -> PlannedTask:
    if task.arg is not None or isinstance(given, dict):
        return task
    try:
        codec.encode(given)
    except EncodeError:
        return task
    return replace(task, arg=given)
