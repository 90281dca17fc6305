"""What a view makes of events of tasks: custom ones, messages, items of other engines, facts of called graphs. Pure."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from drumline.views.graphs import GraphView, OpenTask
from drumline.views.items import Items
from drumline.views.payloads import with_errors
from drumline.views.seen import SeenMessages, check_readable
from drumline_graph.constants import INTERRUPT
from drumline_protocol.facts import CUSTOM, MESSAGE, NESTED, STREAMED, Emitted, Fact
from drumline_protocol.message_kinds import GIVEN

Errors = Mapping[str, type[BaseException]] | Iterable[type[BaseException]]


class TaskEvents(Items):
    """A part of `View`, which sets these attributes."""

    _custom: bool
    _surfacing: bool
    _outputs: bool
    _errors: Errors
    _messages: SeenMessages | None
    _open: dict[str, OpenTask]
    _decode_item: Callable[[bytes], tuple[int, Any, Any]] | None

    @property
    @abstractmethod
    def root(self) -> GraphView | None:
        """The root graph, once it was entered."""

    @abstractmethod
    def fold(self, fact: Fact) -> list[Any]:
        """The items that `fact` adds to the stream."""

    def _on_emitted(self, fact: Emitted) -> None:
        task = self._open.get(fact.task)
        if task is None:
            return
        ns = task.ns
        shown = task.graph.shown or self._surfacing
        out = self._out
        for raw in fact.items:
            if type(raw) is bytes:
                if task.repeats(raw):
                    if task.calls_graphs:
                        self._fold_silently(raw)
                    continue
                if task.taken_back and self._messages is not None:
                    self._messages.forget(task.taken_back)
                    task.taken_back = []
                assert self._decode_item is not None
                kind, payload, header = self._decode_item(raw)
            else:
                kind, payload, header = raw
            if kind == CUSTOM:
                if self._custom and shown:
                    self.emit(ns, "custom", payload, fact.attempt)
            elif kind == MESSAGE:
                if self._messages is not None:
                    self._on_message(task, self._messages, payload, header, fact.attempt)
            elif kind == STREAMED:
                self._pass_on(task, payload, header, fact.attempt)
            else:
                task.calls_graphs = True
                out.extend(self.fold(payload))
                self._out = out

    def _fold_silently(self, raw: bytes) -> None:
        """A fact of a called graph that was told already: that graph begins anew with it, though nothing is shown."""
        assert self._decode_item is not None
        kind, payload, _header = self._decode_item(raw)
        if kind == NESTED:
            out = self._out
            self.fold(payload)
            self._out = out

    def _on_message(
        self, task: OpenTask, seen: SeenMessages, payload: Any, header: dict[str, Any], attempt: int
    ) -> None:
        ns = header.get("ns")
        shown = task.graph.shown if ns is None else self._subgraphs
        if header["kind"] == GIVEN:
            if shown:
                seen.add_ids(header["ids"])
            return
        message, metadata = payload
        if metadata is not None:
            task.calls[header["call"]] = metadata
        known = seen.knows(header["id"])
        if shown and seen.is_new(header):
            if not known:
                task.note_shown(header["id"])
            check_readable(message)
            item = (message, dict(task.calls[header["call"]]))
            self.emit(task.graph.ns if ns is None else tuple(ns), "messages", item, attempt)

    def _pass_on(self, task: OpenTask, item: Any, header: Any, attempt: int) -> None:
        """An item made inside of a task: of a tool, of another engine. A header says that it is of the task's graph."""
        ns, mode, payload = tuple(item[0]), item[1], item[2]
        if not (task.graph.shown if header or ns == task.graph.ns else self._subgraphs):
            return
        if mode == "values":
            interrupts = payload.get(INTERRUPT, ()) if isinstance(payload, dict) else ()
            values = {k: v for k, v in payload.items() if k != INTERRUPT} if interrupts else payload
            root = self.root
            if self._outputs and root is not None and ns == root.ns:
                values = root.narrowed(values)
            self.emit_values(ns, values, interrupts, attempt)
        else:
            self.emit(ns, mode, with_errors(mode, payload, self._errors), attempt)

    def _show_output(self, task: OpenTask, attempt: int) -> None:
        """A subgraph's messages as its node's own, unless they were shown as the subgraph's."""
        assert self._messages is not None
        metadata = None
        for message in self._messages.new_in(task.output, task.planned.id):
            metadata = metadata or task.graph.metadata_of_output(task.planned)
            self.emit(task.graph.ns, "messages", (message, metadata), attempt)
