"""Graphs and what is asked of them on a thread, for LangGraph and drumline alike, and what savers hold afterwards."""

from __future__ import annotations

import operator
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import langgraph.graph as their_graph
import langgraph.types as their_types
from typing_extensions import TypedDict

import drumline.graph as our_graph
import drumline.types as our_types

#: what a config may say beside the thread: scalars become metadata, the rest does not
CONFIG: dict[str, Any] = {
    "configurable": {"thread_id": "1", "user": "u", "__private": 1},
    "metadata": {"who": "me", "deep": {"a": 1}},
}


@dataclass(frozen=True)
class Library:
    """Whose names a script uses."""

    graph: Any
    types: Any


OURS, THEIRS = Library(our_graph, our_types), Library(their_graph, their_types)


class State(TypedDict):
    log: Annotated[list[Any], operator.add]
    n: int


class Inner(TypedDict):
    log: Annotated[list[Any], operator.add]
    x: str


def questions(lib: Library) -> Any:
    """Two questions in one node beside another node, a join, a Command with Sends."""

    def ask(_: State) -> Any:
        first = lib.types.interrupt("q1")
        return {"log": [first, lib.types.interrupt("q2")]}

    def other(_: State) -> Any:
        return {"log": ["other"], "n": 1}

    def spread(_: State) -> Any:
        return lib.types.Command(update={"log": ["s"]}, goto=[lib.types.Send("work", {"i": i}) for i in range(2)])

    def work(state: Any) -> Any:
        return {"log": [state["i"]]}

    builder = lib.graph.StateGraph(State)
    for node in (ask, other, spread, work):
        builder.add_node(node.__name__, node)
    builder.add_edge(lib.graph.START, "ask").add_edge(lib.graph.START, "other")
    return builder.add_edge(["ask", "other"], "spread")


def nested(lib: Library) -> Any:
    """A graph within that asks."""

    def before(_: Inner) -> Any:
        return {"x": "p"}

    def ask(_: Inner) -> Any:
        return {"log": [lib.types.interrupt("in?")], "x": "y"}

    inner = lib.graph.StateGraph(Inner)
    inner.add_node("before", before)
    inner.add_node("ask", ask)
    inner.add_edge(lib.graph.START, "before").add_edge("before", "ask")
    builder = lib.graph.StateGraph(State)
    builder.add_node("child", inner.compile())
    builder.add_node("last", lambda _: {"n": 2})
    return builder.add_edge(lib.graph.START, "child").add_edge("child", "last")


def failing(lib: Library) -> Any:
    """A node that fails once, after the one beside it has ended and its result is kept."""
    ended, calls = threading.Event(), [0]

    def bad(_: State) -> Any:
        calls[0] += 1
        if calls[0] == 1:
            assert ended.wait(30)
            raise ValueError("boom")
        return {"log": ["ok"]}

    def good(_: State) -> Any:
        return {"log": ["good"]}

    builder = lib.graph.StateGraph(State)
    builder.add_node("bad", bad)
    builder.add_node("good", good)
    builder.add_edge(lib.graph.START, "bad").add_edge(lib.graph.START, "good")
    builder.good_is_kept = ended
    return builder


def deferred(lib: Library) -> Any:
    """A deferred node behind branches of two lengths, and a join into another one."""
    builder = lib.graph.StateGraph(State)
    for name in ("a", "b", "b2"):
        builder.add_node(name, lambda _, name=name: {"log": [name]})
    builder.add_node("last", lambda _: {"log": ["last"]}, defer=True)
    builder.add_node("joined", lambda _: {"log": ["joined"]}, defer=True)
    builder.add_edge(lib.graph.START, "a").add_edge(lib.graph.START, "b").add_edge("b", "b2")
    builder.add_edge("a", "last").add_edge("b2", "last")
    return builder.add_edge(["a", "b2"], "joined")


Inputs = Callable[[Library], Sequence[Any]]

#: name: graph, inputs one after the other
SCRIPTS: dict[str, tuple[Callable[[Library], Any], Inputs]] = {
    "questions": (
        questions,
        lambda lib: [{"log": ["in"]}, _answer(lib, "A"), _answer(lib, "B"), {"log": ["again"]}],
    ),
    "nested": (nested, lambda lib: [{"log": ["in"], "n": 0}, _answer(lib, "A"), {"log": ["again"]}]),
    "deferred": (deferred, lambda _: [{"log": ["in"], "n": 0}, {"log": ["again"]}, None]),
}


def _answer(lib: Library, value: Any) -> Any:
    return lib.types.Command(resume=value)


def run(lib: Library, name: str, saver: Any, only: Iterable[int] | None = None, **named: Any) -> list[str]:
    """Give a script's inputs to its graph, one after the other; what each gave, with no ids of questions."""
    make, inputs = SCRIPTS[name]
    graph = make(lib).compile(checkpointer=saver)
    given = inputs(lib)
    return [_plain(graph.invoke(given[i], CONFIG, **named)) for i in (range(len(given)) if only is None else only)]


def _plain(value: Any) -> str:
    return re.sub(r"id='[0-9a-f]{32}'", "id=?", repr(value))


# -- what a saver holds -------------------------------------------------------------------------------


class _Ids:
    """Ids as they come: the first one is `#0`."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def of(self, id_: str | None) -> str | None:
        return self._seen.setdefault(id_, f"#{len(self._seen)}") if id_ else None

    def ns(self, ns: str) -> str:
        return re.sub(r":([0-9a-f-]{36})", lambda found: f":{self.of(found.group(1))}", ns)


def contents(saver: Any, thread: str = "1") -> list[dict[str, Any]]:
    """All checkpoints of a thread, the oldest first, as dicts that two libraries can agree on."""
    found = sorted(saver.list({"configurable": {"thread_id": thread}}), key=lambda each: each.checkpoint["id"])
    ids = _Ids()
    for each in found:
        ids.of(each.checkpoint["id"])
    return [_shown(each, ids) for each in found]


def _shown(found: Any, ids: _Ids) -> dict[str, Any]:
    checkpoint, metadata = found.checkpoint, found.metadata
    versions, seen = checkpoint["channel_versions"], checkpoint["versions_seen"]
    order = sorted({*versions.values(), *(version for of in seen.values() for version in of.values())})
    pending = [
        (ids.of(task), channel, _value(value))
        for task, channel, value in found.pending_writes
        if not (task.startswith("00000000-") and channel == "__resume__")  # LangGraph notes an answer twice
    ]
    parent = None if found.parent_config is None else found.parent_config["configurable"]["checkpoint_id"]
    return {
        "id": ids.of(checkpoint["id"]),
        "ns": ids.ns(found.config["configurable"]["checkpoint_ns"]),
        "parent": ids.of(parent),
        "v": checkpoint["v"],
        "values": {channel: _value(value) for channel, value in checkpoint["channel_values"].items()},
        "versions": {channel: order.index(version) for channel, version in versions.items()},
        "seen": {node: {c: order.index(version) for c, version in of.items()} for node, of in seen.items()},
        "updated": checkpoint["updated_channels"],
        "metadata": metadata | {"parents": {ids.ns(ns): ids.of(id_) for ns, id_ in metadata["parents"].items()}},
        "pending": sorted(pending, key=str),  # LangGraph's order of branches is that of a set
    }


def _value(value: Any) -> Any:
    """A value as all serializers give it: some make lists of tuples."""
    if isinstance(value, set):
        return sorted(value)
    if isinstance(value, (tuple, list)):
        return [_value(item) for item in value]
    return _plain(value)
