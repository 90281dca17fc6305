"""Graphs of the client's tests. They run in the process of the test, so a test may hold their nodes at a gate."""

from __future__ import annotations

import asyncio
import operator
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Annotated, Any

from langchain_core.runnables import RunnableLambda
from typing_extensions import TypedDict

from drumline.config import get_config, get_stream_writer
from drumline.graph import START, StateGraph
from drumline.runtime import get_runtime

#: gates of nodes, and what became of nodes, by the name that a test gives its run
gates: dict[str, threading.Event] = defaultdict(threading.Event)
told: dict[str, SimpleQueue[str]] = defaultdict(SimpleQueue)


class Trouble(Exception):
    """An error of a module that a client may be given."""


class Elsewhere(Exception):
    """An error that a client is not given."""


@dataclass
class Point:
    """A value that no schema of `plain` names."""

    x: int


class Plain(TypedDict, total=False):
    what: str
    n: int
    out: Any


class Answer(TypedDict, total=False):
    answer: str


class Full(Answer, total=False):
    question: str
    notes: Annotated[list[str], operator.add]


class Marked(TypedDict, total=False):
    who: str
    points: Point
    done: Annotated[list[str], operator.add]


def one(node: Any, schema: Any = Plain, **options: Any) -> Any:
    """A graph of one node."""
    name = options.pop("name", None) or node.__name__
    return StateGraph(schema, **options).add_node(name, node).add_edge(START, name).compile(name=name)


def says(state: Plain) -> dict[str, Any]:
    """Emit `n` events, at once."""
    writer = get_stream_writer()
    for number in range(state["n"]):
        writer(number)
    return {"out": state["n"]}


def fails(state: Plain) -> dict[str, Any]:
    what = state["what"]
    if what == "trouble":
        raise Trouble("deep")
    if what == "elsewhere":
        raise Elsewhere("far")
    raise ValueError("no such thing", 7)


def shows(state: Plain) -> dict[str, Any]:
    """What the node finds around it."""
    config: Any = get_config()
    configurable = {key: value for key, value in config["configurable"].items() if isinstance(value, str)}
    seen = {
        "metadata": {key: value for key, value in config["metadata"].items() if not key.startswith("langgraph_")},
        "tags": sorted(config["tags"] or ()),
        "mine": configurable.get("mine"),
        "context": get_runtime(None).context,
        "callbacks": state["what"],
    }
    return {"out": seen}


async def waits(state: Marked) -> dict[str, Any]:
    """Tell that it runs, then wait until it is cancelled, or its gate is opened."""
    who = state["who"]
    get_stream_writer()("waiting")
    told[who].put("waiting")
    try:
        while not gates[who].is_set():
            await asyncio.sleep(0.005)
    except asyncio.CancelledError:
        told[who].put("cancelled")
        raise
    told[who].put("done")
    return {"done": ["waits"]}


def stands(state: Marked) -> dict[str, Any]:
    """A sync node at a gate."""
    get_stream_writer()("standing")
    assert gates[state["who"]].wait(20)
    return {"done": ["stands"]}


def outer() -> Any:
    def inside(state: Full) -> dict[str, Any]:
        get_stream_writer()("inside")
        return {"notes": [state["question"]]}

    inner = StateGraph(Full).add_node("inside", inside).add_edge(START, "inside").compile()
    builder = StateGraph(Full).add_node("inner", inner).add_node("last", lambda _: {"notes": ["last"]})
    return builder.add_edge(START, "inner").add_edge("inner", "last").compile(name="outer")


def narrow() -> Any:
    builder = StateGraph(Full, output_schema=Answer)
    builder.add_node("ask", lambda state: {"notes": [state["question"]]})
    builder.add_node("answer", lambda state: {"answer": f"of {state['notes'][-1]}"})
    return builder.add_edge(START, "ask").add_edge("ask", "answer").compile(name="narrow")


def both_ways() -> Any:
    """A node with two implementations: the caller's kind chooses."""

    async def asynchronous(_state: Plain) -> dict[str, Any]:
        return {"out": "async"}

    node = RunnableLambda(lambda _state: {"out": "sync"}, afunc=asynchronous)
    return one(node, name="both_ways")


def typed(state: Marked) -> dict[str, Any]:
    return {"points": Point(state["points"].x + 1)}


def makes(_state: Plain) -> dict[str, Any]:
    return {"out": Point(3)}


_BUILDERS: list[Callable[[], Any]] = [outer, narrow, both_ways]

GRAPHS: dict[str, Any] = {
    graph.name: graph
    for graph in (
        one(says),
        one(fails),
        one(shows),
        one(waits, Marked),
        one(stands, Marked),
        one(typed, Marked),
        one(makes),
        *(build() for build in _BUILDERS),
    )
}

#: compiled without a name, as most graphs are: served under the name of its attribute
NAMELESS = (
    StateGraph(Plain).add_node("counts", lambda state: {"out": state["n"] + 1}).add_edge(START, "counts").compile()
)
GRAPHS["nameless_attribute"] = NAMELESS
