"""Graphs that the ACL test serves: large values, two pools, a subgraph, a router."""

from __future__ import annotations

import asyncio
from typing import Any

from typing_extensions import TypedDict

from drumline.config import get_stream_writer
from drumline.graph import END, START, StateGraph


class State(TypedDict, total=False):
    text: str
    length: int


def measure(state: State) -> dict[str, Any]:
    get_stream_writer()("from gpu")
    return {"length": len(state["text"])}


def inner(_state: State) -> dict[str, Any]:
    get_stream_writer()("from inside")
    return {}


def route(_state: State) -> str:
    return "measure"


async def wait(_state: State) -> None:
    await asyncio.sleep(60)


def fails(_state: State) -> None:
    raise ValueError("of the node")


_inner = StateGraph(State).add_node(inner).add_edge(START, "inner").compile()
GRAPHS: dict[str, Any] = {
    "all": StateGraph(State)
    .add_node("child", _inner)
    .add_node("measure", measure, metadata={"pool": "gpu"})
    .add_conditional_edges(START, lambda _: "child", ["child"])
    .add_conditional_edges("child", route, ["measure"])
    .add_edge("measure", END)
    .compile(name="all"),
    "lonely": StateGraph(State)
    .add_node("measure", measure, metadata={"pool": "rare"})
    .add_edge(START, "measure")
    .compile(name="lonely"),
    "fails": StateGraph(State).add_node(fails).add_edge(START, "fails").compile(name="fails"),
    "wait": StateGraph(State).add_node(wait).add_edge(START, "wait").compile(name="wait"),
}
