"""Steps of a trace: runs that begin and end, of graphs and of tasks, each once. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from drumline.views.graphs import GraphView
from drumline_protocol.facts import PlannedTask
from drumline_protocol.graph_paths import child_path
from drumline_protocol.metadata import task_metadata
from drumline_protocol.trace_ids import task_trace_id

Namespace = tuple[str, ...]


@dataclass(slots=True)
class Began:
    """A run begins: of a node of the graph at `ns`, of a call in it, or of that graph itself, below `node`."""

    id: UUID
    name: str
    ns: Namespace
    input: Any
    tag: str
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    #: the run of the node that this graph is, or whose code made this call; None for a node
    node: UUID | None = None
    #: whether another process tells LangSmith of it
    elsewhere: bool = False
    #: the `TracePolicy` of a node
    policy: Any = None


@dataclass(slots=True)
class Ended:
    """A run ends, with what it returned or the error that ended it. `of_task`: it is a node's or a call's."""

    id: UUID
    output: Any = None
    error: BaseException | None = None
    policy: Any = None
    of_task: bool = False


@dataclass(slots=True)
class WentOn:
    """The graph at `ns`, whose run `id` is, goes on from a checkpoint."""

    id: UUID
    ns: Namespace
    checkpoint: str


Step = Began | Ended | WentOn


@dataclass(slots=True)
class TracedTask:
    """A task that may begin a run, or has (`run`). `ns` is where it stands: of a call, below all its callers."""

    planned: PlannedTask
    graph: GraphView
    input: Any
    ns: Namespace
    attempt: int = 1
    run: UUID | None = None
    policy: Any = None
    #: of a call: the task whose code made it
    caller: TracedTask | None = None

    @property
    def within(self) -> Namespace:
        """The namespace of what runs in it."""
        return (*self.ns, f"{self.planned.name}:{self.planned.id}")

    def metadata(self) -> dict[str, Any]:
        """What handlers are told of it, as on the worker that runs it."""
        graph, planned = self.graph, self.planned
        if self.caller is None:
            return graph.metadata_of(planned)
        triggers, path = planned.triggers, planned.path
        name, step = planned.name, graph.step
        return task_metadata(graph.metadata, None, step=step, name=name, triggers=triggers, path=path, ns=self.within)


class Told:
    """What a trace is told: the steps that are not taken yet, and which graphs have a run that is open."""

    def __init__(self, root: UUID, policies: Callable[[str, str], Any] | None, *, all_nodes: bool) -> None:
        self._root = root
        self._policies = policies
        self._all_nodes = all_nodes
        self._steps: list[Step] = []
        self._graphs: dict[Namespace, UUID] = {}

    def taken(self) -> list[Step]:
        """The steps since the last call, in order."""
        steps, self._steps = self._steps, []
        return steps

    def begin_graph(self, run: UUID, graph: GraphView, task: TracedTask) -> None:
        """The graph that a task is begins."""
        self._graphs[graph.ns] = run
        metadata = {"checkpoint_ns": "|".join(graph.ns), **task.metadata()}
        name = graph.sketch.name
        self._steps.append(Began(run, name, graph.ns, task.input, "seq:step:1", metadata, node=task.run))

    def go_on(self, ns: Namespace, checkpoint: str) -> None:
        """The graph at `ns` goes on from a checkpoint."""
        self._steps.append(WentOn(self._graphs.get(ns, self._root), ns, checkpoint))

    def end_graph(self, ns: Namespace, **how: Any) -> None:
        """The graph at `ns` ends, if it has a run."""
        run = self._graphs.pop(ns, None)
        if run is not None:
            self._steps.append(Ended(run, **how))

    def begin(self, task: TracedTask) -> None:
        """The run of a task's attempt begins, unless it has."""
        if task.run is not None:
            return
        graph, planned, caller = task.graph, task.planned, task.caller
        sketch = graph.node(planned.name) if caller is None else None
        task.run = task_trace_id(self._root, planned.id, task.attempt)
        if caller is None and self._policies is not None:
            task.policy = self._policies(graph.path, planned.name)
        self._steps.append(
            Began(
                task.run,
                planned.name,
                graph.ns,
                task.input,
                f"graph:step:{graph.step}" if caller is None else "seq:step:1",  # a call is a part of its caller
                task.metadata(),
                () if sketch is None else sketch.tags,
                node=None if caller is None else caller.run,
                elsewhere=self._all_nodes and child_path(graph.path, planned.name) not in graph.sketches,
                policy=task.policy,
            )
        )

    def begin_again(self, task: TracedTask, attempt: int, error: BaseException) -> None:
        """The attempt is over, by `error`, and the next one begins: a run of its own."""
        self.end_task(task, error=error)
        task.attempt = attempt
        self.begin(task)

    def unbegin(self, task: TracedTask) -> bool:
        """The task has its result from an earlier run, so it does not run. False if somebody has heard otherwise."""
        for at in range(len(self._steps) - 1, -1, -1):
            if task.run is not None and self._steps[at].id == task.run:
                del self._steps[at]
                task.run = None
                return True
        return False

    def end_task(self, task: TracedTask, **how: Any) -> None:
        """The run of a task ends, if it has one."""
        if task.run is not None:
            self._steps.append(Ended(task.run, policy=task.policy, of_task=True, **how))
            task.run = None
