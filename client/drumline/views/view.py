"""Stream modes as views: one function from facts to the items that a caller asked for. Pure.

The embedded mode and the cluster client both feed facts into this class, so they cannot differ in what they yield. A
view only keeps what its modes need: `updates` alone never folds the state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from drumline.views.called import CalledTask, given_to, planned_call
from drumline.views.events import Errors, TaskEvents
from drumline.views.graphs import GraphView, Mappers, OpenTask
from drumline.views.payloads import (
    error_payload,
    interrupt_payload,
    result_payload,
    start_payload,
)
from drumline.views.seen import SeenMessages
from drumline.views.threads import ThreadFacts
from drumline_graph.constants import INTERRUPT, PUSHED, RETURN
from drumline_graph.writes import result_of, updates_of
from drumline_protocol.codec import unbox
from drumline_protocol.facts import (
    AttemptRetracted,
    Emitted,
    ErrorHandled,
    Fact,
    GraphEntered,
    GraphExited,
    GraphPaused,
    PlanMade,
    PlannedTask,
    RunStarted,
    StepCommitted,
    TaskCalled,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskLeft,
    TaskRetried,
)
from drumline_protocol.failure import Failure, rebuild
from drumline_protocol.graph_paths import task_of
from drumline_protocol.leaving import leaves

Namespace = tuple[str, ...]


class View(TaskEvents):
    """Folds the facts of one run, in order, into stream items.

    `modes` and `printed` are stream modes; `output_keys` narrows the root graph's keys (`outputs`: to those of its
    output schema); `root_ns` is the namespace of the graph that counts as root. `surfacing` shows custom events of
    subgraphs even without `subgraphs`: so it is for a graph that is called within a run that has `subgraphs=True`.
    `coerce(path, value, whole)` turns `values` into the class of a graph's output schema, and the `whole` state of a
    checkpoint into that of its state (v2 only); `mappers(path, node)` says how a node's input is built; `decode_item`
    opens an event that is still encoded; `errors` are classes that a failure may be rebuilt as. `shown_as` turns the
    payloads of all modes but `custom` and `messages` into what the caller sees.
    """

    def __init__(
        self,
        modes: Sequence[str],
        *,
        listed: bool = False,
        subgraphs: bool = False,
        output_keys: str | Sequence[str] | None = None,
        outputs: bool = False,
        version: str = "v1",
        printed: Sequence[str] = (),
        root_ns: Namespace = (),
        surfacing: bool = False,
        coerce: Callable[[str, Any, bool], Any] | None = None,
        decode_item: Callable[[bytes], tuple[int, Any, Any]] | None = None,
        mappers: Mappers | None = None,
        errors: Errors = (),
        shown_as: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(
            modes,
            listed=listed,
            subgraphs=subgraphs,
            version=version,
            printed=printed,
            coerce=coerce,
            shown_as=shown_as,
        )
        wanted = {*modes, *printed}
        self._surfacing = surfacing
        self._output_keys = output_keys
        self._outputs = outputs
        self.root_ns = root_ns
        self._decode_item = decode_item
        self._mappers = mappers
        self._errors = errors
        self._values = "values" in wanted
        self._updates = "updates" in wanted
        self._custom = "custom" in wanted
        self.shows_checkpoints = not wanted.isdisjoint(("checkpoints", "debug"))
        self._messages = SeenMessages() if "messages" in wanted else None
        self._started: RunStarted | None = None
        self._open: dict[str, OpenTask] = {}
        self._thread = ThreadFacts()
        self._handlers = self._choose_handlers()

    def fold(self, fact: Fact) -> list[Any]:
        """The items that `fact` adds to the stream, already shaped."""
        return self.fold_all((fact,))

    def fold_all(self, facts: Iterable[Fact]) -> list[Any]:
        """The items that these facts add to the stream, in order."""
        out: list[Any] = []
        self._out = out
        handlers = self._handlers
        for fact in facts:
            handler = handlers.get(type(fact))
            if handler is not None:
                handler(self, fact)
        self._out = []
        return out

    @property
    def root(self) -> GraphView | None:
        """The root graph, once it was entered."""
        return self.graphs.get(self.root_ns)

    def _choose_handlers(self) -> dict[type, Callable[[Any, Any], None]]:
        """By the view and the fact: a table of bound methods would keep the view, which keeps the table."""
        kind = type(self)
        handlers: dict[type, Callable[[Any, Any], None]] = {
            RunStarted: kind._on_started,
            GraphEntered: kind.enter,
            GraphExited: kind._on_graph_exited,
            TaskLeft: kind._on_task_left,
            PlanMade: kind._on_plan,
            TaskCalled: kind._on_called,
            Emitted: kind._on_emitted,
            AttemptRetracted: kind._on_retracted,
            TaskRetried: kind._on_retried,
            TaskInterrupted: kind._on_interrupted,
            ErrorHandled: kind._on_handled,
        }
        tasks = self._tasks or self._debug
        self.folds_cells = self._values or tasks or self.shows_checkpoints or self._messages is not None
        #: whether values of the state are shown: what tasks write, or what they make of it
        self.shows_values = self._updates or self.folds_cells
        #: whether what tasks get is shown, or must be known
        self.shows_arguments = self._messages is not None or tasks
        if self.shows_values:
            handlers[TaskFinished] = kind._on_finished
        if tasks:
            handlers[TaskFailed] = kind._on_failed
        if self.folds_cells:
            handlers[StepCommitted] = kind._on_committed
        handlers[GraphPaused] = kind._on_paused
        return {**handlers, **self._thread.handlers(self)}

    # -- what every view keeps ----------------------------------------------------------------------

    def _on_started(self, fact: RunStarted) -> None:
        self._started = fact
        self.root_ns = fact.ns

    def enter(self, fact: GraphEntered) -> None:
        """A graph begins."""
        ns = fact.ns
        if ns == self.root_ns:
            started = self._started
            assert started is not None
            graph = GraphView(
                fact,
                unbox(started.sketches),
                started.metadata,
                started.tags,
                keys=self._output_keys,
                whole=not self._outputs,
            )
        elif fact.sketches is None:
            parent = self._open[fact.task].graph if fact.task else self.graphs[ns[:-1]]
            graph = GraphView.below(fact, parent, shown=self._subgraphs)
        else:
            sketches, metadata = unbox(fact.sketches), fact.metadata or {}
            graph = GraphView(fact, sketches, metadata, fact.tags, keys=fact.keys, called=True, shown=self._subgraphs)
        self.graphs[ns] = graph

    def _on_graph_exited(self, fact: GraphExited) -> None:
        graph = self.graphs.pop(fact.ns, None)
        if graph is not None:
            self._close_tasks(graph)
            task = self._open.get(task_of(fact.ns, graph.task)) if graph.path else None
            if task is not None and not graph.leaving:
                task.output = graph.output

    def _on_task_left(self, fact: TaskLeft) -> None:
        """The graph was left by a command for its parent: it returns nothing."""
        graph = self.graphs.pop(fact.ns, None)
        if graph is not None:
            self._close_tasks(graph)

    def _close_tasks(self, graph: GraphView) -> None:
        for id_ in graph.tasks:
            self._open.pop(id_, None)
        graph.tasks = []

    def _on_plan(self, fact: PlanMade) -> None:
        graph = self.graphs[fact.ns]
        graph.step = fact.step
        if self.shows_checkpoints:
            self._thread.on_plan(self, fact.ns, fact.tasks)
        if graph.tasks:
            self._close_tasks(graph)
        for task in fact.tasks:
            self._open[task.id] = OpenTask(graph, task)
            graph.tasks.append(task.id)
        if graph.shown and self.shows_arguments:
            graph.plan = fact
            self._show_starts(graph, fact)

    def _on_handled(self, fact: ErrorHandled) -> None:
        graph = self.graphs[fact.ns]
        failed, handler = self._open.get(fact.task), OpenTask(graph, PlannedTask(fact.id, fact.name, fact.path, PUSHED))
        self._open[fact.id] = handler
        graph.tasks.append(fact.id)
        plan = graph.plan
        if plan is None or failed is None or failed.failed or not graph.shown or not (self._tasks or self._debug):
            return
        # It had failed in an earlier run: LangGraph tells that the handler starts when it goes on, and only then.
        index = next(index for index, task in enumerate(plan.tasks) if task.id == fact.task)
        payload = start_payload(graph, handler.planned, graph.input_of(plan, index, self._mappers))
        self.task_event(fact.ns, graph.step, fact.at_ms, "task", payload)

    def _show_starts(self, graph: GraphView, fact: PlanMade) -> None:
        for index, task in enumerate(fact.tasks):
            if task.hidden:
                continue
            input = graph.input_of(fact, index, self._mappers)
            if self._messages is not None:
                if fact.given is not None and task.id in fact.given:
                    self._messages.add_ids(fact.given[task.id])
                else:
                    self._messages.add_input(input)
            if self._tasks or self._debug:
                self.task_event(fact.ns, fact.step, fact.at_ms, "task", start_payload(graph, task, input))

    def _on_called(self, fact: TaskCalled) -> None:
        caller = self._open.get(fact.caller)
        if caller is None:
            return
        graph = caller.graph
        task = self._open[fact.task] = CalledTask(graph, planned_call(fact), caller)
        graph.tasks.append(fact.task)
        if graph.shown and self.shows_arguments:
            if self._messages is not None:
                self._messages.add_input(unbox(fact.args))
            if self._tasks or self._debug:
                payload = start_payload(graph, task.planned, given_to(fact))
                self.task_event(fact.ns, graph.step, fact.at_ms, "task", payload)

    # -- ends of tasks ------------------------------------------------------------------------------

    def _on_retracted(self, fact: AttemptRetracted) -> None:
        task = self._open.get(fact.task)
        if task is not None:
            task.retract()
            if self._version == "v2" and task.graph.shown:
                data = {"id": fact.task, "name": task.planned.name, "attempt": fact.attempt}
                self._out.append({"type": "retracted", "ns": fact.ns, "data": data})

    def _on_retried(self, fact: TaskRetried) -> None:
        task = self._open.get(fact.task)
        if task is not None:
            task.begin_try()

    def _on_finished(self, fact: TaskFinished) -> None:
        if (task := self._open.get(fact.task)) is None:
            return
        if type(fact.writes) is list and leaves(fact.writes):
            task.graph.leaving = True
            return
        if self.folds_cells and not task.is_call:
            task.graph.note_finished(task.planned, fact.writes, arguments=self.shows_arguments)
        if task.planned.hidden or not task.graph.shown:
            return
        graph, name = task.graph, task.planned.name
        if self._messages is not None and task.output is not None:
            self._show_output(task, fact.attempt)
        if not (self._updates or self._tasks or self._debug):
            return
        writes = unbox(fact.writes)
        if self._updates and not (task.is_call and fact.cached and not fact.executor):  # of an earlier run
            update = {name: updates_of(writes, RETURN if task.is_call else graph.keys)}
            if fact.cached:
                update["__metadata__"] = {"cached": True}
            self.emit(fact.ns, "updates", update, fact.attempt)
        if (self._tasks or self._debug) and not fact.cached:
            keys = RETURN if task.is_call else graph.sketch.stream_keys
            payload = result_payload(fact.task, name, result_of(writes, keys))
            self.task_event(fact.ns, graph.step, fact.at_ms, "task_result", payload)

    def _on_failed(self, fact: TaskFailed) -> None:
        task = self._open.get(fact.task)
        if task is not None and task.graph.shown and not task.planned.hidden:
            task.failed = True
            error = rebuild(fact.error, self._errors) if type(fact.error) is Failure else fact.error
            payload = error_payload(fact.task, task.planned.name, error)
            self.task_event(fact.ns, task.graph.step, fact.at_ms, "task_result", payload)

    def _on_interrupted(self, fact: TaskInterrupted) -> None:
        task = self._open.get(fact.task)
        if task is None or task.planned.hidden or not task.graph.shown or task.is_call:  # its caller asks too
            return
        graph, interrupts = task.graph, tuple(unbox(fact.interrupts))
        if not interrupts:  # a graph in it has stopped at a breakpoint
            return
        if self._updates:
            self.emit(fact.ns, "updates", {INTERRUPT: interrupts}, fact.attempt)
        if self._values:
            self.emit_values(fact.ns, graph.values(), interrupts, fact.attempt)
        if self._tasks or self._debug:
            payload = interrupt_payload(fact.task, task.planned.name, interrupts)
            self.task_event(fact.ns, graph.step, fact.at_ms, "task_result", payload)

    # -- the barrier --------------------------------------------------------------------------------

    def _on_committed(self, fact: StepCommitted | GraphPaused) -> None:
        graph = self.graphs[fact.ns]
        graph.commit(fact)
        if self._messages is not None:
            graph.note_output(fact.written)
        if self._values and graph.shows(fact.written):
            self.emit_values(fact.ns, graph.values())

    def _on_paused(self, fact: GraphPaused) -> None:
        if self.folds_cells:
            self._on_committed(fact)
        if fact.stopped and self._updates:
            self._thread.on_stopped(self, fact)

    @property
    def thread(self) -> Mapping[str, Any]:
        """The `configurable` of a run on a thread, which configs of its checkpoints repeat."""
        return {} if self._started is None else self._started.thread
