"""What facts mean for a trace: which graphs and nodes begin and end as runs, below which, with what. Pure.

Embedded, nodes tell of themselves where they run (`drumline_worker.tracing`), and only graphs and the nodes that are
graphs are followed here. The client of a cluster follows all nodes, for they run elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from drumline.tracing.steps import Namespace, Step, Told, TracedTask
from drumline.views.called import given_to, planned_call
from drumline.views.graphs import GraphView, Mappers
from drumline_graph.call_arguments import named_by_params
from drumline_graph.constants import RETURN
from drumline_graph.errors import GraphInterrupt, ParentCommand
from drumline_graph.superstep import PUSH_TRIGGERS
from drumline_graph.types import Command
from drumline_graph.writes import result_of
from drumline_protocol.codec import unbox
from drumline_protocol.facts import (
    AttemptRetracted,
    Checkpointed,
    ErrorHandled,
    GraphEntered,
    GraphExited,
    GraphKept,
    GraphPaused,
    GraphResumed,
    InputTaken,
    PlanMade,
    PlannedTask,
    RunFinished,
    RunStarted,
    StepCommitted,
    TaskCalled,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskLeft,
    TaskRetried,
)
from drumline_protocol.failure import Failure, Known, rebuild
from drumline_protocol.graph_paths import task_of
from drumline_protocol.trace_ids import graph_trace_id


class Follower:
    """Folds the facts of one run into steps of its trace, below the root's run, which others begin and end.

    `keys` and `outputs` say what of the root's state is its output, as for a view. `all_nodes` follows every node and
    every call of a `@task`. `policies` has what tracers are to record of a node, by the path of its graph and its name;
    `named` what they are shown of the arguments of a call, where the code of the `@task` is at hand.
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
        named: Callable[[TaskCalled], dict[str, Any] | None] | None = None,
    ) -> None:
        self._root = root
        self._root_ns = root_ns
        self._keys = keys
        self._outputs = outputs
        self._all_nodes = all_nodes
        self._told = Told(root, policies, all_nodes=all_nodes)
        self._mappers = mappers
        self._known = known
        self._named = named
        self._started: RunStarted | None = None
        self._graphs: dict[Namespace, GraphView] = {}
        self._tasks: dict[str, TracedTask] = {}
        #: all open tasks, also those that are no runs of their own
        self._planned: dict[str, PlannedTask] = {}
        #: tasks that have failed, for the handlers of their errors
        self._failed: dict[str, TracedTask] = {}
        #: what graphs below the root ask: they end by it
        self._asked: dict[Namespace, tuple[Any, ...]] = {}
        #: what the run asks its caller, if it ends with a question
        self.interrupts: tuple[Any, ...] = ()
        #: the checkpoint that each graph stands at; of a run on no thread there are none
        self._checkpoints: dict[Namespace, str] = {}
        #: graphs that go on, of which nobody was told
        self._resumed: set[Namespace] = set()
        kind = type(self)  # no bound methods: they would keep this, which keeps them
        self._handlers: dict[type, Callable[[Any, Any], None]] = {
            RunStarted: kind._on_started,
            GraphEntered: kind._on_entered,
            GraphExited: kind._on_graph_exited,
            GraphKept: kind._on_kept,
            InputTaken: kind._on_taken,
            GraphResumed: kind._on_resumed,
            Checkpointed: kind._on_checkpointed,
            GraphPaused: kind._on_paused,
            PlanMade: kind._on_plan,
            TaskCalled: kind._on_called,
            StepCommitted: kind._on_committed,
            TaskFinished: kind._on_finished,
            TaskFailed: kind._on_failed,
            TaskRetried: kind._on_retried,
            ErrorHandled: kind._on_handled,
            TaskInterrupted: kind._on_interrupted,
            TaskLeft: kind._on_task_left,
            AttemptRetracted: kind._on_retracted,
            RunFinished: kind._on_run_finished,
        }

    def fold(self, fact: Any) -> None:
        """Fold one fact. `next_steps` gives what it adds."""
        handler = self._handlers.get(type(fact))
        if handler is not None:
            handler(self, fact)

    def next_steps(self) -> list[Step]:
        """The steps since the last call, in order."""
        return self._told.taken()

    @property
    def output(self) -> Any:
        """What the root graph would return if it ended now."""
        root = self._graphs.get(self._root_ns)
        return None if root is None else root.values()

    @property
    def checkpoint(self) -> str:
        """The id of the checkpoint that the root graph stands at; "" for a run on no thread."""
        return self._checkpoints.get(self._root_ns, "")

    def close(self, error: BaseException) -> None:
        """The run ends here, whatever is open: innermost first."""
        for task in reversed(list(self._tasks.values())):
            self._told.end_task(task, error=error)
            self._told.end_graph(task.within, error=error)
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
        self._told.begin(task)
        run = graph_trace_id(self._root, fact.ns[len(self._root_ns) :])
        self._told.begin_graph(run, graph, task)

    def _on_kept(self, fact: GraphKept) -> None:
        """A graph goes on from a checkpoint."""
        self._on_entered(GraphEntered(fact.ns, fact.path, fact.cells, task=fact.task))
        self._checkpoints[fact.ns] = fact.checkpoint

    def _on_checkpointed(self, fact: Checkpointed) -> None:
        self._checkpoints[fact.ns] = fact.id
        if fact.ns in self._resumed:
            self._resumed.discard(fact.ns)
            self._told.go_on(fact.ns, fact.id)

    def _on_resumed(self, fact: GraphResumed) -> None:
        """The checkpoint that it goes on from comes next: of a replay that is the new branch, as in LangGraph."""
        if fact.ns in self._graphs:
            self._resumed.add(fact.ns)

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
                input = graph.input_of(fact, index, self._mappers)
                task = self._tasks[planned.id] = TracedTask(planned, graph, input, graph.ns)
                if self._all_nodes:
                    self._told.begin(task)

    def _on_called(self, fact: TaskCalled) -> None:
        caller = self._tasks.get(fact.caller)
        if caller is None or not self._all_nodes:
            return
        named = None if self._named is None else self._named(fact)
        if named is None:
            named = named_by_params(fact.params, *given_to(fact))
        task = TracedTask(planned_call(fact), caller.graph, named, caller.within, caller=caller)
        self._tasks[fact.task] = task
        self._told.begin(task)

    def _on_committed(self, fact: StepCommitted) -> None:
        graph = self._graphs.get(fact.ns)
        if graph is not None:
            graph.commit(fact)

    def _on_graph_exited(self, fact: GraphExited) -> None:
        if fact.ns == self._root_ns:
            return
        self._checkpoints.pop(fact.ns, None)
        graph = self._graphs.pop(fact.ns, None)
        if graph is not None:
            self._told.end_graph(fact.ns, output=graph.values())

    def _on_paused(self, fact: GraphPaused) -> None:
        graph = self._graphs.get(fact.ns)
        if graph is not None:
            graph.commit(fact)
            if fact.ns != self._root_ns:
                self._told.end_graph(fact.ns, error=GraphInterrupt(self._asked.pop(fact.ns, ())))

    def _on_finished(self, fact: TaskFinished) -> None:
        planned = self._planned.pop(fact.task, None)
        if planned is not None and fact.ns in self._graphs:
            self._graphs[fact.ns].note_finished(planned, fact.writes)
        task = self._tasks.pop(fact.task, None)
        if task is not None and not (fact.cached and not fact.executor and self._told.unbegin(task)):
            keys = task.graph.sketch.stream_keys if task.caller is None else RETURN
            written = result_of(unbox(fact.writes), keys)
            self._told.end_task(task, output=written.get(keys) if isinstance(keys, str) else written)

    def _on_failed(self, fact: TaskFailed) -> None:
        task = self._tasks.get(fact.task)
        if task is not None and task.caller is None:
            self._failed[fact.task] = task
        self._end_both(fact.task, self._error(fact.error))

    def _on_handled(self, fact: ErrorHandled) -> None:
        """The handler of a node's error runs: with what the node got, which ran now or in an earlier run."""
        failed = self._failed.pop(fact.task, None)
        if failed is None:
            failed = self._tasks.pop(fact.task, None)
            if failed is not None and not self._told.unbegin(failed):
                self._told.end_task(failed, error=self._error(fact.error))
        if failed is None:
            return
        planned = self._planned[fact.id] = PlannedTask(fact.id, fact.name, fact.path, PUSH_TRIGGERS)
        task = self._tasks[fact.id] = TracedTask(planned, failed.graph, failed.input, failed.ns)
        if self._all_nodes:
            self._told.begin(task)

    def _on_retried(self, fact: TaskRetried) -> None:
        """Its next try is a run of its own, as in LangGraph."""
        task = self._tasks.get(fact.task)
        if task is not None and task.run is not None:
            self._told.end_graph(task.within, error=self._error(fact.error))
            self._told.begin_again(task, fact.attempt + 1, self._error(fact.error))

    def _on_interrupted(self, fact: TaskInterrupted) -> None:
        asked = tuple(unbox(fact.interrupts))
        if fact.ns == self._root_ns:
            self.interrupts += tuple(each for each in asked if each not in self.interrupts)  # a caller's are its calls'
        else:
            self._asked[fact.ns] = self._asked.get(fact.ns, ()) + asked
        self._end_both(fact.task, GraphInterrupt(asked))

    def _on_task_left(self, fact: TaskLeft) -> None:
        """A task of the graph at `ns` answered with a command for the graph above: that ends it, and the graph."""
        error = ParentCommand(Command(graph=Command.PARENT))
        self._end_both(fact.task, error)
        self._graphs.pop(fact.ns, None)
        if fact.ns != self._root_ns:
            self._end_both(fact.ns[-1].rpartition(":")[2], error)

    def _on_retracted(self, fact: AttemptRetracted) -> None:
        task = self._tasks.get(fact.task)
        if task is not None and task.run is not None:
            error = RuntimeError(f"attempt {task.attempt} was retracted: {fact.reason}")
            self._told.begin_again(task, fact.attempt + 1, error)

    def _on_run_finished(self, fact: RunFinished) -> None:
        error = fact.control or fact.error
        if error is not None:
            self.close(self._error(error))

    # -- steps ----------------------------------------------------------------------------------------

    def _error(self, told: Any) -> BaseException:
        error: BaseException = rebuild(told, self._known) if type(told) is Failure else told
        return error

    def _end_both(self, id_: str, error: BaseException) -> None:
        """A task ends by an error, and so does the graph that it is."""
        task = self._tasks.pop(id_, None)
        if task is not None:
            self._told.end_graph(task.within, error=error)
            self._told.end_task(task, error=error)
