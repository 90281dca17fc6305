"""How a view puts an item into the stream: its outer shape, and what only some readers are shown. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from drumline.views.graphs import GraphView
from drumline.views.payloads import debug_payload
from drumline.views.shapes import print_item, shape_of
from drumline_graph.constants import INTERRUPT, START
from drumline_protocol.facts import Checkpointed

Namespace = tuple[str, ...]


class Items:
    """A part of `View`, whose arguments these are: what becomes of an item that a fact adds."""

    def __init__(
        self,
        modes: Sequence[str],
        *,
        listed: bool,
        subgraphs: bool,
        version: str,
        printed: Sequence[str],
        coerce: Callable[[str, Any, bool], Any] | None,
        shown_as: Callable[[Any], Any] | None,
    ) -> None:
        self._yielded = frozenset(modes)
        self._printed = frozenset(printed)
        self._subgraphs = subgraphs
        self._version = version
        self._coerce = coerce if version == "v2" else None
        self._shown_as = shown_as
        self._shape = shape_of(listed=listed, subgraphs=subgraphs, version=version)
        wanted = {*modes, *printed}
        self._tasks = "tasks" in wanted
        self._debug = "debug" in wanted
        self.graphs: dict[Namespace, GraphView] = {}
        self._out: list[Any] = []

    def emit_values(self, ns: Namespace, values: Any, interrupts: tuple[Any, ...] = (), attempt: int = 1) -> None:
        """A `values` item. v1 shows interrupts among the keys (alone, where there are no keys), v2 beside the data."""
        graph = self.graphs.get(ns)
        if interrupts and not isinstance(values, dict):
            values = {}  # as LangGraph: it looks for keys to show them among
        if self._version != "v2":
            if interrupts:
                values = {**values, INTERRUPT: interrupts}
        elif graph is not None:
            values = self._of_class(graph, values)
        self.emit(ns, "values", values, attempt, interrupts)

    def emit_checkpoint(self, graph: GraphView, fact: Checkpointed, payload: dict[str, Any]) -> None:
        """An item of modes `checkpoints` and `debug`. In v2 the state before the input stays a dict: keys may miss."""
        if START not in payload["next"]:
            payload["values"] = self._of_class(graph, payload["values"], whole=True)
        self.emit(fact.ns, "checkpoints", payload)
        self.emit(fact.ns, "debug", debug_payload(fact.step, fact.at_ms, "checkpoint", payload))

    def _of_class(self, graph: GraphView, values: Any, *, whole: bool = False) -> Any:
        """Values as an instance of their schema, where v2 shows them so."""
        if self._coerce is None or graph.called:
            return values
        return self._coerce(graph.path, values, whole)

    def task_event(self, ns: Namespace, step: int, at_ms: float, kind: str, payload: Any) -> None:
        """An item of modes `tasks` and `debug`."""
        if self._tasks:
            self.emit(ns, "tasks", payload)
        if self._debug:
            self.emit(ns, "debug", debug_payload(step, at_ms, kind, payload))

    def emit(self, ns: Namespace, mode: str, payload: Any, attempt: int = 1, interrupts: tuple[Any, ...] = ()) -> None:
        """An item of a mode, if it is asked for."""
        if self._shown_as is not None and mode not in ("custom", "messages"):
            payload, interrupts = self._shown_as(payload), self._shown_as(interrupts)
        if mode in self._printed:
            print_item(ns if self._subgraphs else (), mode, payload)
        if mode in self._yielded:
            item = self._shape(ns, mode, payload)
            if self._version == "v2":
                if mode == "values":
                    item["interrupts"] = interrupts
                if attempt > 1:
                    item["attempt"] = attempt
            self._out.append(item)
