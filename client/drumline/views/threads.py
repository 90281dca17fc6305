"""What a run on a thread adds to a view: where it goes on from, checkpoints, breakpoints. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from drumline.views.graphs import GraphView
from drumline_graph.constants import INTERRUPT
from drumline_graph.writes import result_of
from drumline_protocol.checkpoints import Outcome, joined_ns, outcomes
from drumline_protocol.codec import unbox
from drumline_protocol.facts import (
    Checkpointed,
    GraphEntered,
    GraphKept,
    GraphPaused,
    GraphResumed,
    InputTaken,
    PlannedTask,
)


class Shows(Protocol):
    """What of a view it takes."""

    graphs: dict[tuple[str, ...], GraphView]
    root_ns: tuple[str, ...]
    folds_cells: bool
    shows_checkpoints: bool

    @property
    def thread(self) -> Mapping[str, Any]: ...
    def enter(self, fact: GraphEntered) -> None: ...
    def emit_values(self, ns: tuple[str, ...], values: Any) -> None: ...
    def emit(self, ns: tuple[str, ...], mode: str, payload: Any) -> None: ...
    def emit_checkpoint(self, graph: GraphView, fact: Checkpointed, payload: dict[str, Any]) -> None: ...


class ThreadFacts:
    """Handlers of the facts that only runs on threads have. It belongs to one view, which is handed to each of them.

    It does not keep the view: the view keeps it, and two that keep each other wait for the garbage collector.
    """

    def __init__(self) -> None:
        #: checkpoints of which the plan is still to come, by namespace
        self._waiting: dict[tuple[str, ...], Checkpointed] = {}

    def handlers(self, view: Shows) -> dict[type, Callable[[Any, Any], None]]:
        """What is done with each kind of fact, by the view and the fact."""
        handlers: dict[type, Callable[[Any, Any], None]] = {GraphKept: self._on_kept}
        if view.folds_cells:
            handlers[InputTaken] = self._on_taken
            handlers[GraphResumed] = self._on_resumed
        if view.shows_checkpoints:
            handlers[Checkpointed] = self._on_checkpointed
        return handlers

    def _on_kept(self, view: Shows, fact: GraphKept) -> None:
        """A graph goes on from a checkpoint."""
        view.enter(GraphEntered(fact.ns, fact.path, fact.cells, task=fact.task))
        view.graphs[fact.ns].step = fact.step

    def _on_taken(self, view: Shows, fact: InputTaken) -> None:
        view.graphs[fact.ns].take(fact)

    def _on_resumed(self, view: Shows, fact: GraphResumed) -> None:
        graph = view.graphs[fact.ns]
        if graph.shown:
            view.emit_values(fact.ns, graph.values())

    def on_stopped(self, view: Shows, fact: GraphPaused) -> None:
        """The run stops at a breakpoint."""
        if fact.stopped and fact.ns == view.root_ns:
            view.emit(fact.ns, "updates", {INTERRUPT: ()})

    def _on_checkpointed(self, view: Shows, fact: Checkpointed) -> None:
        if fact.tasks is None:
            self._waiting[fact.ns] = fact
        else:
            self._show(view, fact, fact.tasks)

    def on_plan(self, view: Shows, ns: tuple[str, ...], tasks: Sequence[PlannedTask]) -> None:
        """The tasks behind a checkpoint are known."""
        fact = self._waiting.pop(ns, None)
        if fact is not None:
            self._show(view, fact, tasks)

    def _show(self, view: Shows, fact: Checkpointed, tasks: Sequence[PlannedTask]) -> None:
        graph = view.graphs[fact.ns]
        if not graph.shown:
            return
        payload = checkpoint_payload(view.thread, graph, fact, tasks)
        view.emit_checkpoint(graph, fact, payload)


def checkpoint_payload(
    configurable: Mapping[str, Any], graph: GraphView, fact: Checkpointed, tasks: Sequence[PlannedTask]
) -> dict[str, Any]:
    """The payload of mode `checkpoints` (docs/semantics.md §1.7). `configurable` is that of the run."""
    ns = joined_ns(fact.ns)
    above = {key: value for key, value in configurable.items() if key != "checkpoint_map"}
    metadata = {"source": fact.source, "step": fact.step, "parents": fact.parents, **fact.metadata}
    found = outcomes(unbox(fact.pending))
    return {
        "config": _config(configurable, ns, fact.id, fact.parents),
        "parent_config": _config(above, ns, fact.parent, fact.parents) if fact.parent else None,
        "values": graph.whole_values(),
        "metadata": metadata,
        "next": [task.name for task in tasks],
        "tasks": [_task(configurable, graph, ns, task, found.get(task.id) or Outcome()) for task in tasks],
    }


def _config(configurable: Mapping[str, Any], ns: str, id_: str, parents: Mapping[str, str]) -> dict[str, Any]:
    known = {"checkpoint_ns": ns, **configurable, "checkpoint_id": id_}
    if parents:
        known["checkpoint_map"] = {**parents, ns: id_}
    return {"configurable": known}


def _task(
    configurable: Mapping[str, Any], graph: GraphView, ns: str, task: PlannedTask, outcome: Outcome
) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": task.id, "name": task.name}
    if outcome.error is not None:
        shown["error"] = outcome.error
    else:
        result = result_of(outcome.output, graph.sketch.stream_keys) if outcome.has_ended else None
        if result:
            shown["result"] = result
        shown["interrupts"] = tuple(
            {"value": each.value, "id": each.id, "response_schema": each.response_schema} for each in outcome.interrupts
        )
    shown["state"] = None
    node = graph.node(task.name)
    if node is not None and node.has_graph:
        below = f"{task.name}:{task.id}"
        shown["state"] = {
            "configurable": {
                "thread_id": configurable.get("thread_id"),
                "checkpoint_ns": f"{ns}|{below}" if ns else below,
            }
        }
    return shown
