"""Graphs of the services' tests. They run in the process of the test, so a test may hold their nodes at a gate."""

from __future__ import annotations

import asyncio
import operator
import sys
import threading
from collections import defaultdict
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Annotated, Any

from langchain_core.messages import AIMessage
from pydantic import BaseModel
from typing_extensions import TypedDict

from drumline.config import get_stream_writer
from drumline.graph import END, START, MessagesState, StateGraph
from drumline.runtime import Runtime
from drumline.types import Command, Send

gates: dict[str, threading.Event] = defaultdict(threading.Event)
told: dict[str, SimpleQueue[str]] = defaultdict(SimpleQueue)


class State(TypedDict, total=False):
    who: str
    what: Any
    big: str
    grown: Annotated[list[Any], operator.add]


@dataclass
class Place:
    """A context that is a dataclass."""

    name: str
    number: int = 1


class Model(BaseModel):
    """A context that pydantic validates."""

    name: str
    number: int = 1


def one(node: Any, schema: Any = State, **options: Any) -> Any:
    name = node.__name__
    return StateGraph(schema, **options).add_node(name, node).add_edge(START, name).compile(name=name)


def place(_: State, runtime: Runtime[Place]) -> dict[str, Any]:
    return {"grown": [type(runtime.context).__name__, runtime.context.name, runtime.context.number]}


def model(_: State, runtime: Runtime[Model]) -> dict[str, Any]:
    return {"grown": [type(runtime.context).__name__, runtime.context.name, runtime.context.number]}


def raises(state: State) -> Any:
    what = state["what"]
    if what == "StopIteration":
        return next(iter(()))
    if what == "SystemExit":
        sys.exit(3)
    if what == "KeyboardInterrupt":
        raise KeyboardInterrupt
    if what == "GeneratorExit":
        raise GeneratorExit
    return {"grown": ["fine"]}


async def raises_async(state: State) -> Any:
    """The same on the loop; some of it in a task or a callback that the node starts."""
    what, loop = state["what"], asyncio.get_running_loop()

    async def exits() -> None:
        sys.exit(4)

    if what == "task":
        started = asyncio.ensure_future(exits())
        await asyncio.sleep(0.01)
        assert started.done()
    elif what == "callback":
        loop.call_soon(sys.exit, 5)
        await asyncio.sleep(0.01)
    elif what == "stop":
        loop.stop()
        await asyncio.sleep(0.01)
    elif what == "cancelled":
        raise asyncio.CancelledError
    else:
        return raises(state)
    return {"grown": ["fine"]}


def routes_async() -> Any:
    async def route(_: State) -> str:
        return END

    builder = StateGraph(State).add_node("node", raises).add_edge(START, "node")
    return builder.add_conditional_edges("node", route, [END]).compile(name="routes_async")


def grows(state: State) -> dict[str, Any]:
    """Adds to a large value, which does not fit into a message."""
    return {"big": state["big"] + "x" * 80_000, "grown": [len(state["big"])]}


def growing() -> Any:
    builder = StateGraph(State).add_node(grows).add_node("reads", lambda state: {"grown": [len(state["big"])]})
    builder.add_edge(START, "grows")
    builder.add_conditional_edges("grows", lambda state: "reads" if len(state["big"]) > 250_000 else "grows")
    return builder.compile(name="growing")


def speaks(_: Any) -> dict[str, Any]:
    return {"messages": [AIMessage("no id"), AIMessage("nor this")]}


async def waits(state: State) -> dict[str, Any]:
    who = state["who"]
    told[who].put("waiting")
    try:
        while not gates[who].is_set():
            await asyncio.sleep(0.005)
    except asyncio.CancelledError:
        told[who].put("cancelled")
        raise
    return {"grown": [who]}


def leaves() -> Any:
    """A subgraph of one node that leaves for the parent while the other one waits; beside it a node that waits."""

    async def leaves_it(state: State) -> Any:
        while not gates[f"{state['who']} leave"].is_set():
            await asyncio.sleep(0.005)
        return Command(graph=Command.PARENT, goto="after", update={"grown": ["left"]})

    inner = StateGraph(State).add_node("waits", waits).add_node("leaves_it", leaves_it)
    inner.add_edge(START, "waits").add_edge(START, "leaves_it")

    async def sibling(state: State) -> dict[str, Any]:
        return await waits({"who": f"{state['who']} sibling"})

    builder = StateGraph(State).add_node("inner", inner.compile()).add_node("sibling", sibling)
    builder.add_node("after", lambda _: {"grown": ["after"]})
    return builder.add_edge(START, "inner").add_edge(START, "sibling").compile(name="leaves")


def fans() -> Any:
    """As many tasks as `what` says, which say when they begin; none goes on before its gate is open."""

    def work(state: Any) -> dict[str, Any]:
        told[state["who"]].put(str(state["n"]))
        assert gates[state["who"]].wait(20)
        return {"grown": [state["n"]]}

    def split(state: State) -> list[Send]:
        return [Send("work", {"who": state["who"], "n": n}) for n in range(state["what"])]

    builder = StateGraph(State).add_node("begin", lambda _: None).add_node("work", work).add_edge(START, "begin")
    return builder.add_conditional_edges("begin", split, ["work"]).compile(name="fans")


def in_place(old: list[Any], new: list[Any]) -> list[Any]:
    old.extend(new)
    return old


class Placed(TypedDict, total=False):
    kept: Annotated[list[Any], in_place]
    way: str


class Way(TypedDict, total=False):
    way: str


def routed() -> Any:
    """A router that reads what its node does not, by a reducer that changes its value in place."""

    def first(state: Way) -> dict[str, Any]:
        return {"kept": [state["way"]]}

    def route(state: Placed) -> str:
        return "second" if state["kept"] == ["given", state["way"]] else END

    builder = StateGraph(Placed).add_node("first", first, input_schema=Way)
    builder.add_node("second", lambda state: {"kept": [len(state["kept"])]})
    builder.add_edge(START, "first").add_conditional_edges("first", route, ["second", END])
    return builder.compile(name="routed")


def emits_without_end(state: State) -> dict[str, Any]:
    """Until its writer refuses; then it tells why, and what it told before it was refused is not lost."""
    writer = get_stream_writer()
    try:
        while not gates[state["who"]].is_set():
            writer("x" * 100)
    except Exception as error:
        told[state["who"]].put(type(error).__name__)
        raise
    return {"grown": ["open"]}


def emits(state: State) -> dict[str, Any]:
    writer = get_stream_writer()
    for number in range(state["what"]):
        writer(number)
    return {"grown": [state["what"]]}


GRAPHS: dict[str, Any] = {
    graph.name: graph
    for graph in (
        one(place, context_schema=Place),
        one(model, context_schema=Model),
        one(raises),
        one(raises_async),
        one(speaks, MessagesState),
        one(waits),
        one(emits),
        one(emits_without_end),
        growing(),
        routes_async(),
        leaves(),
        fans(),
        routed(),
    )
}
