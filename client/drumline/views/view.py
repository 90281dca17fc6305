"""Stream modes as views: one function from facts to the items that a caller asked for. Pure.

The embedded mode and the cluster client both feed facts into this class, so they cannot differ in what they yield. A view
only keeps what its modes need: `updates` alone never folds the state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from drumline.views.graphs import GraphView, OpenTask
from drumline.views.payloads import debug_payload, error_payload, result_payload, start_payload
from drumline.views.seen import SeenMessages
from drumline.views.shapes import print_item, shape_of
from drumline_graph.writes import result_of, updates_of
from drumline_protocol.codec import unbox
from drumline_protocol.facts import (
    CUSTOM,
    MESSAGE,
    AttemptRetracted,
    Emitted,
    Fact,
    GraphEntered,
    GraphLeft,
    PlanMade,
    RunStarted,
    StepCommitted,
    TaskFailed,
    TaskFinished,
)

Namespace = tuple[str, ...]


class View:
    """Folds the facts of one run, in order, into stream items.

    `modes` and `printed` are stream modes; `output_keys` narrows the root graph's keys (`outputs`: to those
    of its output schema); `base` is the namespace of the
    graph that counts as root; `coerce` turns root `values` into the output schema's class (v2 only);
    `decode_item` opens an event that is still encoded.
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
        base: Namespace = (),
        coerce: Callable[[Any], Any] | None = None,
        decode_item: Callable[[bytes], tuple[int, Any, Any]] | None = None,
        mappers: Callable[[str, str], Callable[[Any], Any] | None] | None = None,
    ) -> None:
        wanted = {*modes, *printed}
        self._yielded = frozenset(modes)
        self._printed = frozenset(printed)
        self._subgraphs = subgraphs
        self._output_keys = output_keys
        self._outputs = outputs
        self._version = version
        self._base = base
        self._coerce = coerce if version == "v2" else None
        self._decode_item = decode_item
        self._mappers = mappers
        self._shape = shape_of(listed=listed, subgraphs=subgraphs, version=version)
        self._values = "values" in wanted
        self._updates = "updates" in wanted
        self._custom = "custom" in wanted
        self._tasks = "tasks" in wanted
        self._debug = "debug" in wanted
        self._messages = SeenMessages() if "messages" in wanted else None
        self._sketches: dict[str, Any] = {}
        self._metadata: dict[str, Any] = {}
        self._tags: tuple[str, ...] = ()
        self._graphs: dict[Namespace, GraphView] = {}
        self._open: dict[str, OpenTask] = {}
        self._out: list[Any] = []
        self._handlers = self._choose_handlers()

    def fold(self, fact: Fact) -> list[Any]:
        """The items that `fact` adds to the stream, already shaped."""
        handler = self._handlers.get(type(fact))
        if handler is None:
            return []
        self._out = []
        handler(fact)
        return self._out

    def _choose_handlers(self) -> dict[type, Callable[[Any], None]]:
        handlers: dict[type, Callable[[Any], None]] = {
            RunStarted: self._on_started,
            GraphEntered: self._on_entered,
            GraphLeft: self._on_left,
            PlanMade: self._on_plan,
            Emitted: self._on_emitted,
            AttemptRetracted: self._on_retracted,
        }
        tasks = self._tasks or self._debug
        if self._updates or tasks:
            handlers[TaskFinished] = self._on_finished
        if tasks:
            handlers[TaskFailed] = self._on_failed
        if self._values or tasks or self._messages is not None:
            handlers[StepCommitted] = self._on_committed
        return handlers

    # -- what every view keeps ----------------------------------------------------------------------

    def _on_started(self, fact: RunStarted) -> None:
        self._sketches = unbox(fact.sketches)
        self._metadata = fact.metadata
        self._tags = fact.tags

    def _on_entered(self, fact: GraphEntered) -> None:
        root = fact.ns == self._base
        sketches = self._sketches if fact.sketches is None else unbox(fact.sketches)
        keys = self._output_keys if root else None
        self._graphs[fact.ns] = GraphView(fact, sketches, whole=root and not self._outputs, keys=keys)

    def _on_left(self, fact: GraphLeft) -> None:
        self._graphs.pop(fact.ns, None)

    def _on_plan(self, fact: PlanMade) -> None:
        graph = self._graphs[fact.ns]
        graph.step = fact.step
        shown = self._subgraphs or fact.ns == self._base
        for task in fact.tasks:
            self._open[task.id] = OpenTask(fact.ns, task.name, task.hidden, shown)
        if self._messages is None and not (self._tasks or self._debug):
            return
        mapper = self._mapper_of(graph)
        for index, task in enumerate(fact.tasks):
            input = graph.input_of(fact, index, mapper)
            if self._messages is not None and not task.hidden:
                self._messages.add_input(input)
            if shown and not task.hidden:
                payload = start_payload(graph, task, input, self._metadata, self._tags)
                self._task_event(fact.ns, fact.step, fact.at_ms, "task", payload)

    def _mapper_of(self, graph: GraphView) -> Callable[[str], Callable[[Any], Any] | None]:
        mappers = self._mappers
        if mappers is None:
            return lambda _node: None
        return lambda node: mappers(graph.path, node)

    # -- events of tasks ----------------------------------------------------------------------------

    def _on_emitted(self, fact: Emitted) -> None:
        task = self._open.get(fact.task)
        if task is None:
            return
        out: list[Any] = []
        for raw in fact.items:
            if type(raw) is bytes:
                if task.repeats(raw):
                    continue
                assert self._decode_item is not None
                kind, payload, header = self._decode_item(raw)
            else:
                kind, payload, header = raw
            self._out = []
            if kind == CUSTOM:
                if self._custom and task.shown:
                    self._emit(task.ns, "custom", payload, fact.attempt)
            elif kind == MESSAGE:
                if self._messages is not None and task.shown and self._messages.is_new(header):
                    self._emit(task.ns, "messages", payload, fact.attempt)
            else:
                self._out = self.fold(payload)
            out.extend(self._out)
        self._out = out

    def _on_retracted(self, fact: AttemptRetracted) -> None:
        task = self._open.get(fact.task)
        if task is not None:
            task.retract()
            if self._version == "v2" and task.shown:
                data = {"id": fact.task, "name": task.name, "attempt": fact.attempt}
                self._out.append({"type": "retracted", "ns": fact.ns, "data": data})

    def _on_finished(self, fact: TaskFinished) -> None:
        task = self._open.get(fact.task)
        if task is None or task.hidden or not task.shown:
            return
        graph = self._graphs[fact.ns]
        writes = unbox(fact.writes)
        if self._updates:
            update = updates_of(writes, graph.keys)
            self._emit(fact.ns, "updates", {task.name: update}, fact.attempt)
        if self._tasks or self._debug:
            payload = result_payload(fact.task, task.name, result_of(writes, graph.keys))
            self._task_event(fact.ns, graph.step, fact.at_ms, "task_result", payload)

    def _on_failed(self, fact: TaskFailed) -> None:
        task = self._open.get(fact.task)
        if task is not None and task.shown and not task.hidden:
            payload = error_payload(fact.task, task.name, fact.error)
            step = self._graphs[fact.ns].step if fact.ns in self._graphs else 0
            self._task_event(fact.ns, step, fact.at_ms, "task_result", payload)

    # -- the barrier --------------------------------------------------------------------------------

    def _on_committed(self, fact: StepCommitted) -> None:
        graph = self._graphs[fact.ns]
        graph.commit(fact)
        if self._values and (self._subgraphs or fact.ns == self._base) and graph.shows(fact.written):
            payload = graph.values()
            if self._coerce is not None and fact.ns == self._base:
                payload = self._coerce(payload)
            self._emit(fact.ns, "values", payload)

    # -- items --------------------------------------------------------------------------------------

    def _task_event(self, ns: Namespace, step: int, at_ms: float, kind: str, payload: Any) -> None:
        if self._tasks:
            self._emit(ns, "tasks", payload)
        if self._debug:
            self._emit(ns, "debug", debug_payload(step, at_ms, kind, payload))

    def _emit(self, ns: Namespace, mode: str, payload: Any, attempt: int = 1) -> None:
        ns = ns[len(self._base) :] if self._base else ns
        if mode in self._printed:
            print_item(ns, mode, payload)
        if mode in self._yielded:
            item = self._shape(ns, mode, payload)
            if self._version == "v2":
                if mode == "values":
                    item["interrupts"] = ()
                if attempt > 1:
                    item["attempt"] = attempt
            self._out.append(item)
