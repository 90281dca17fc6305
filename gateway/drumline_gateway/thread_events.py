"""The items of a run as events of its thread, as LangGraph's newer protocol has them. Pure.

A run is read from its beginning, with its facts and in the modes that `modes_for` names. An event's id is the run, the
number of its fact, the method, and how many events of that method the fact has before it. So it is the same in every
replay, whatever channels a reader asks for. `seq` is when the run began, and the number of the fact: it grows over all
runs of a thread, and events of one fact share it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from drumline.cluster.position import parse_position
from drumline_gateway.frames import task_data
from drumline_gateway.json_values import error_data, interrupt, plain
from drumline_gateway.lifecycles import ENDS, Lifecycles, Namespace
from drumline_gateway.message_blocks import MessageBlocks, Told
from drumline_gateway.service import Item
from drumline_gateway.thread_filter import Subscription
from drumline_graph.constants import INTERRUPT
from drumline_protocol.errors import RunCancelled

#: numbers of a run that go into one millisecond of `seq`: more than a run has facts in one
FACTS_PER_MS = 1024


@dataclass(frozen=True, slots=True)
class ThreadEvent:
    """One event. `data` is any value, which is written as JSON."""

    seq: int
    id: str
    method: str
    ns: Namespace
    at_ms: int
    data: Any
    node: str = ""

    def shown(self) -> dict[str, Any]:
        """The event as clients read it."""
        params: dict[str, Any] = {"namespace": list(self.ns), "timestamp": self.at_ms, "data": self.data}
        if self.node:
            params["node"] = self.node
        return {"type": "event", "seq": self.seq, "event_id": self.id, "method": self.method, "params": params}


def modes_for(wanted: Subscription) -> tuple[str, ...]:
    """The modes in which a run must be read for these channels."""
    modes = [mode for mode in ("values", "updates", "messages", "custom", "tasks") if wanted.wants(mode)]
    # what a graph within is the work of is told by the call of a tool that it began in
    if wanted.wants("tools") or wanted.wants("lifecycle"):
        modes.append("tools")
    return ("facts", *modes)


def seq_of(began_ms: float, number: int) -> int:
    """The number of what a run that began then says in that fact."""
    return int(began_ms) * FACTS_PER_MS + number


@dataclass(slots=True)
class _Held:
    """A state that is told behind the checkpoint that it is, if it is one."""

    ns: Namespace
    data: Any


@dataclass(slots=True)
class RunEvents:
    """The events of one run, in order. `begins_ms` is what its row says: it began not before."""

    run_id: str
    begins_ms: int
    #: what the reader has: it need not be told again
    since: int = 0
    began_ms: int = 0
    _number: int = 0
    _at_ms: int = 0
    _ended: str = ""
    _error: Any = None
    _counts: Counter[str] = field(default_factory=Counter)
    _asked: set[str] = field(default_factory=set)
    _questions: list[tuple[Namespace, dict[str, Any]]] = field(default_factory=list)
    _held: dict[Namespace, _Held] = field(default_factory=dict)
    _emitter: str = ""
    _names: dict[str, str] = field(default_factory=dict)
    _messages: MessageBlocks = field(default_factory=MessageBlocks)
    _lifecycles: Lifecycles = field(default_factory=Lifecycles)

    def __post_init__(self) -> None:
        self.began_ms = self._at_ms = self.begins_ms

    @property
    def has_begun(self) -> bool:
        """Whether anything of the run has been told."""
        return self._number > 0

    def item(self, item: Item) -> Iterator[ThreadEvent]:
        """The events of one item."""
        number = parse_position(item.position, self.run_id).fact
        if number != self._number:
            self._number, self._counts = number, Counter()
        if item.mode == "facts":
            yield from self._fact(item.ns, item.data)
        elif item.mode == "messages":
            message, metadata = item.data
            yield from self._told(self._messages.add(item.ns, plain(message), metadata))
        elif item.mode == "values":
            yield from self._values(item)
        elif item.mode == "updates":
            for node, update in item.data.items():
                if node not in (INTERRUPT, "__metadata__"):
                    data = {"node": node, "values": {} if update is None else update}
                    yield self._event("updates", item.ns, data, node)
        elif item.mode == "tools":
            self._lifecycles.tool(self._emitter, item.data)
            yield self._event("tools", item.ns, item.data, self._names.get(self._emitter, ""))
        elif item.mode == "tasks":
            yield self._event("tasks", item.ns, task_data(item.data), str(item.data.get("name") or ""))
        elif item.mode == "custom" and seq_of(self.began_ms, number) < self.since:
            self._counts["custom"] += 1
        elif item.mode == "custom":
            yield self._event("custom", item.ns, _custom(item.data), self._names.get(self._emitter, ""))

    def end(self, error: BaseException | None = None) -> Iterator[ThreadEvent]:
        """What comes behind all items of a run that has ended, or failed."""
        yield from self._release(None)
        yield from self._told(self._messages.end())
        status = self._ended or ("done" if error is None else "failed")
        if isinstance(error, RunCancelled):
            status = "cancelled"
        for ns, within in self._lifecycles.ended(status):
            yield self._event("lifecycle", ns, within)
        for ns, asked in self._questions if status == "paused" else ():
            yield self._event("input.requested", ns, asked)
        data: dict[str, Any] = {"event": ENDS.get(status, "failed"), "graph_name": self._lifecycles.graph_name}
        if data["event"] == "failed":
            told = error if error is not None else self._error
            shown = error_data(told) if isinstance(told, BaseException) else {"error": "error", "message": str(told)}
            data["error"] = f"{shown['error']}: {shown['message']}"
        yield self._event("lifecycle", (), data)

    # -- facts --------------------------------------------------------------------------------------

    def _fact(self, ns: Namespace, fact: Mapping[str, Any]) -> Iterator[ThreadEvent]:
        kind = fact["fact"]
        if fact.get("at_ms"):
            self._at_ms = int(fact["at_ms"])
        if kind != "Checkpointed":
            yield from self._release(ns)
        if kind == "RunStarted":
            self.began_ms = max(self._at_ms, self.begins_ms)
            self._lifecycles.graph_name = fact["graph"]
            yield self._event("lifecycle", (), {"event": "running", "graph_name": fact["graph"]})
        elif kind == "PlanMade":
            self._lifecycles.plan(ns, fact["tasks"])
            self._names.update((task["id"], task["name"]) for task in fact["tasks"])
        elif kind == "Emitted":
            self._emitter = fact["task"]
        elif kind == "Checkpointed":
            data = {"id": fact["id"], "step": fact["step"], "source": fact["source"]}
            yield self._event("checkpoints", ns, {**data, **({"parent_id": fact["parent"]} if fact["parent"] else {})})
            yield from self._release(ns)
        elif kind == "TaskInterrupted":
            self._note_questions(ns, fact)
        elif kind == "RunFinished":
            self._ended, self._error = fact["status"], fact.get("error")
        elif kind in ("TaskFinished", "TaskFailed", "AttemptRetracted"):
            failed = "this attempt is taken back, and another one begins" if kind == "AttemptRetracted" else ""
            task = str(fact["task"])
            yield from self._told(self._messages.task_over(task, self._names.get(task, ""), failed))
        for at, data in self._lifecycles.fact(ns, fact):
            yield self._event("lifecycle", at, data)

    def _note_questions(self, ns: Namespace, fact: Mapping[str, Any]) -> None:
        """Keep each question once: a graph asks what a graph within it asks. It is told when it can be answered."""
        for asked in map(interrupt, fact.get("interrupts") or ()):
            if asked["id"] in self._asked:
                continue
            self._asked.add(asked["id"])
            data = {"interrupt_id": asked["id"], "payload": asked["value"], "value": asked["value"]}
            if "response_schema" in asked:
                data["response_schema"] = asked["response_schema"]
            self._questions.append((ns, data))

    # -- the rest -----------------------------------------------------------------------------------

    def _values(self, item: Item) -> Iterator[ThreadEvent]:
        yield from self._release(item.ns)
        if item.interrupts:  # it is shown again with a question, which has an event of its own
            return
        self._held[item.ns] = _Held(item.ns, item.data)

    def _release(self, ns: Namespace | None) -> Iterator[ThreadEvent]:
        for held in list(self._held.values()) if ns is None else [self._held[ns]] if ns in self._held else []:
            del self._held[held.ns]
            yield self._event("values", held.ns, held.data)

    def _told(self, told: Iterator[Told]) -> Iterator[ThreadEvent]:
        for one in told:
            yield self._event("messages", one.ns, one.data, one.node)

    def _event(self, method: str, ns: Sequence[str], data: Any, node: str = "") -> ThreadEvent:
        count = self._counts[method]
        self._counts[method] += 1
        seq, ns = seq_of(self.began_ms, self._number), tuple(ns)
        if method == "lifecycle" and not ns:  # JavaScript's client reads which run this is out of such an id
            id_ = f"synth:{self.run_id}:{self._number}:{count}"
        else:
            id_ = f"{self.run_id}:{self._number}:{method}:{count}"
        return ThreadEvent(seq, id_, method, ns, self._at_ms, data, node)


def _custom(written: Any) -> dict[str, Any]:
    """What a node wrote; one that is named so is an event of that name."""
    shown = plain(written)
    if isinstance(shown, dict) and isinstance(shown.get("name"), str) and shown["name"]:
        inner = shown["payload"] if set(shown) == {"name", "payload"} else shown
        return {"name": shown["name"], "payload": inner}
    return {"payload": shown}
