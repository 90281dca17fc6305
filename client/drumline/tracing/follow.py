"""What facts mean for a trace: which graphs and nodes begin and end as runs, below which, with what. Pure.

Embedded, nodes tell of themselves where they run (`drumline_worker.tracing`), and only graphs and the nodes that are
graphs are followed here. The client of a cluster follows all nodes, for they run elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from drumline.views.graphs import GraphView, Mappers
from drumline_graph.errors import GraphInterrupt, ParentCommand
from drumline_graph.types import Command
from drumline_graph.writes import result_of
from drumline_protocol.codec import unbox
from drumline_protocol.facts import (
    AttemptRetracted,
    GraphEntered,
    GraphExited,
    GraphKept,
    GraphPaused,
    InputTaken,
    PlanMade,
    PlannedTask,
    RunFinished,
    RunStarted,
    StepCommitted,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskLeft,
)
from drumline_protocol.failure import Failure, Known, rebuild
from drumline_protocol.graph_paths import child_path, task_of
from drumline_protocol.trace_ids import graph_trace_id, task_trace_id

Namespace = tuple[str, ...]


@dataclass(slots=True)
class Began:
    """A run begins: of a node of the graph at `ns`, or of that graph itself, below `node`."""

    id: UUID
    name: str
    ns: Namespace
    input: Any
    tag: str
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    #: the run of the node that this graph is; None for a node
    node: UUID | None = None
    #: whether another process tells LangSmith of it
    elsewhere: bool = False
    #: the `TracePolicy` of a node
    policy: Any = None


@dataclass(slots=True)
class Ended:
    """A run ends, with what it returned or the error that ended it."""

    id: UUID
    output: Any = None
    error: BaseException | None = None
    policy: Any = None


Step = Began | Ended


@dataclass(slots=True)
class _Task:
    """A task that may begin a run, or has (`run`)."""

    planned: PlannedTask
    graph: GraphView
    input: Any
    attempt: int = 1
    run: UUID | None = None
    policy: Any = None


class Follower:
    """Folds the facts of one run into steps of its trace, below the root's run, which others begin and end.

    `keys` and `outputs` say what of the root's state is its output, as for a view. `all_nodes` follows every node.
    `policies` has what tracers are to record of a node, by the path of its graph and its name.
    """

    def __init__(
        self,
        root: UUID,
        root_ns: Namespace = (),
        *,
        keys: Any = None,
        outputs: bool = False,
        all_nodes: bool = False,
        mappers: Mappers | None = None,
        known: Known = (),
        policies: Callable[[str, str], Any] | None = None,
    ) -> None:
        self._root = root
        self._root_ns = root_ns
        self._keys = keys
        self._outputs = outputs
        self._all_nodes = all_nodes
        self._mappers = mappers
        self._known = known
        self._policies = policies
        self._started: RunStarted | None = None
        self._graphs: dict[Namespace, GraphView] = {}
        self._runs: dict[Namespace, UUID] = {}
        self._tasks: dict[str, _Task] = {}
        #: all open tasks, also those that are no runs of their own
        self._planned: dict[str, PlannedTask] = {}
        self._steps: list[Step] = []
        #: what graphs below the root ask: they end by it
        self._asked: dict[Namespace, tuple[Any, ...]] = {}
        #: what the run asks its caller, if it ends with a question
        self.interrupts: tuple[Any, ...] = ()
        self._handlers: dict[type, Callable[[Any], None]] = {
            RunStarted: self._on_started,
            GraphEntered: self._on_entered,
            GraphExited: self._on_graph_exited,
            GraphKept: self._on_kept,
            InputTaken: self._on_taken,
            GraphPaused: self._on_paused,
            PlanMade: self._on_plan,
            StepCommitted: self._on_committed,
            TaskFinished: self._on_finished,
            TaskFailed: self._on_failed,
            TaskInterrupted: self._on_interrupted,
            TaskLeft: self._on_task_left,
            AttemptRetracted: self._on_retracted,
            RunFinished: self._on_run_finished,
        }

    def fold(self, fact: Any) -> None:
        """Fold one fact. `next_steps` gives what it adds."""
        handler = self._handlers.get(type(fact))
        if handler is not None:
            handler(fact)

    def next_steps(self) -> list[Step]:
        """The steps since the last call, in order."""
        steps, self._steps = self._steps, []
        return steps

    @property
    def output(self) -> Any:
        """What the root graph would return if it ended now."""
        root = self._graphs.get(self._root_ns)
        return None if root is None else root.values()

    def close(self, error: BaseException) -> None:
        """The run ends here, whatever is open: innermost first."""
        for task in reversed(list(self._tasks.values())):
            self._end_task(task, error=error)
            self._end_graph((*task.graph.ns, f"{task.planned.name}:{task.planned.id}"), error=error)
        self._tasks.clear()

    # -- facts ----------------------------------------------------------------------------------------

    def _on_started(self, fact: RunStarted) -> None:
        self._started = fact

    def _on_entered(self, fact: GraphEntered) -> None:
        started = self._started
        assert started is not None
        if fact.ns == self._root_ns:
            keys, whole = self._keys, not self._outputs
            sketches = unbox(started.sketches)
            self._graphs[fact.ns] = GraphView(fact, sketches, started.metadata, started.tags, keys=keys, whole=whole)
            return
        if fact.sketches is not None:
            return  # a graph that a node called tells of itself
        graph = self._graphs[fact.ns] = GraphView.below(
            fact, self._tasks[task_of(fact.ns, fact.task)].graph, shown=True
        )
        task = self._tasks[task_of(fact.ns, fact.task)]
        self._begin(task)
        run = self._runs[fact.ns] = graph_trace_id(self._root, fact.ns[len(self._root_ns) :])
        metadata = {"checkpoint_ns": "|".join(fact.ns), **task.graph.metadata_of(task.planned)}
        name = graph.sketch.name
        self._steps.append(Began(run, name, fact.ns, task.input, "seq:step:1", metadata, node=task.run))

    def _on_kept(self, fact: GraphKept) -> None:
        """A graph goes on from a checkpoint."""
        self._on_entered(GraphEntered(fact.ns, fact.path, fact.cells, task=fact.task))

    def _on_taken(self, fact: InputTaken) -> None:
        graph = self._graphs.get(fact.ns)
        if graph is not None:
            graph.take(fact)

    def _on_plan(self, fact: PlanMade) -> None:
        graph = self._graphs.get(fact.ns)
        if graph is None:
            return
        graph.step = fact.step
        for index, planned in enumerate(fact.tasks):
            self._planned[planned.id] = planned
            if not planned.hidden:
                task = self._tasks[planned.id] = _Task(planned, graph, graph.input_of(fact, index, self._mappers))
                if self._all_nodes:
                    self._begin(task)

    def _on_committed(self, fact: StepCommitted) -> None:
        graph = self._graphs.get(fact.ns)
        if graph is not None:
            graph.commit(fact)

    def _on_graph_exited(self, fact: GraphExited) -> None:
        graph = self._graphs.get(fact.ns)
        if graph is not None and fact.ns != self._root_ns:
            self._end_graph(fact.ns, output=graph.values())
            del self._graphs[fact.ns]

    def _on_paused(self, fact: GraphPaused) -> None:
        graph = self._graphs.get(fact.ns)
        if graph is not None:
            graph.commit(fact)
            if fact.ns != self._root_ns:
                self._end_graph(fact.ns, error=GraphInterrupt(self._asked.pop(fact.ns, ())))

    def _on_finished(self, fact: TaskFinished) -> None:
        planned = self._planned.pop(fact.task, None)
        if planned is not None and fact.ns in self._graphs:
            self._graphs[fact.ns].note_finished(planned, fact.writes)
        task = self._tasks.pop(fact.task, None)
        if task is not None:
            written = result_of(unbox(fact.writes), task.graph.sketch.stream_keys)
            self._end_task(task, output=written)

    def _on_failed(self, fact: TaskFailed) -> None:
        self._end_both(fact.ns, fact.task, self._error(fact.error))

    def _on_interrupted(self, fact: TaskInterrupted) -> None:
        asked = tuple(unbox(fact.interrupts))
        if fact.ns == self._root_ns:
            self.interrupts += asked
        else:
            self._asked[fact.ns] = self._asked.get(fact.ns, ()) + asked
        self._end_both(fact.ns, fact.task, GraphInterrupt(asked))

    def _on_task_left(self, fact: TaskLeft) -> None:
        """A task of the graph at `ns` answered with a command for the graph above: that ends it, and the graph."""
        error = ParentCommand(Command(graph=Command.PARENT))
        self._end_both(fact.ns, fact.task, error)
        self._graphs.pop(fact.ns, None)
        if fact.ns != self._root_ns:
            self._end_both(fact.ns[:-1], fact.ns[-1].rpartition(":")[2], error)

    def _on_retracted(self, fact: AttemptRetracted) -> None:
        task = self._tasks.get(fact.task)
        if task is not None and task.run is not None:
            self._end_task(task, error=RuntimeError(f"attempt {task.attempt} was retracted: {fact.reason}"))
            task.attempt, task.run = fact.attempt + 1, None
            self._begin(task)

    def _on_run_finished(self, fact: RunFinished) -> None:
        error = fact.control or fact.error
        if error is not None:
            self.close(self._error(error))

    # -- steps ----------------------------------------------------------------------------------------

    def _begin(self, task: _Task) -> None:
        if task.run is not None:
            return
        graph, planned = task.graph, task.planned
        sketch = graph.node(planned.name)
        task.run = task_trace_id(self._root, planned.id, task.attempt)
        task.policy = None if self._policies is None else self._policies(graph.path, planned.name)
        self._steps.append(
            Began(
                task.run,
                planned.name,
                graph.ns,
                task.input,
                f"graph:step:{graph.step}",
                graph.metadata_of(planned),
                () if sketch is None else sketch.tags,
                elsewhere=self._all_nodes and child_path(graph.path, planned.name) not in graph.sketches,
                policy=task.policy,
            )
        )

    def _error(self, told: Any) -> BaseException:
        error: BaseException = rebuild(told, self._known) if type(told) is Failure else told
        return error

    def _end_both(self, ns: Namespace, id_: str, error: BaseException) -> None:
        """A task of the graph at `ns` ends by an error, and so does the graph that it is."""
        task = self._tasks.pop(id_, None)
        if task is not None:
            self._end_graph((*ns, f"{task.planned.name}:{id_}"), error=error)
            self._end_task(task, error=error)

    def _end_task(self, task: _Task, **how: Any) -> None:
        if task.run is not None:
            self._steps.append(Ended(task.run, policy=task.policy, **how))
            task.run = None

    def _end_graph(self, ns: Namespace, **how: Any) -> None:
        run = self._runs.pop(ns, None)
        if run is not None:
            self._steps.append(Ended(run, **how))
