"""A graph whose node waits for a run of another one: `--app tests.cluster.children_app:GRAPHS`."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from langchain_core.runnables import RunnableConfig
from typing_extensions import TypedDict

from drumline import Cluster
from drumline.errors import GraphInterrupt
from drumline.graph import START, StateGraph
from drumline.types import interrupt


class State(TypedDict, total=False):
    broker: str
    prefix: str
    #: a file in which nodes leave what they did, and one that lets the child go on
    mark: str
    gate: str
    out: str


def leave(state: State, what: str) -> None:
    with Path(state["mark"]).open("a") as file:
        file.write(f"{what} {os.getpid()}\n")


def parent(state: State, config: RunnableConfig) -> Any:
    leave(state, "parent")
    try:
        with Cluster(state["broker"], prefix=state["prefix"]) as cluster:
            return cluster.graph("child").invoke(state, config)
    except BaseException:
        leave(state, "gone")
        raise


async def aparent(state: State, config: RunnableConfig) -> Any:
    leave(state, "parent")
    try:
        with Cluster(state["broker"], prefix=state["prefix"]) as cluster:
            return await cluster.graph("child").ainvoke(state, config)
    except BaseException:
        leave(state, "gone")
        raise


async def child(state: State) -> Any:
    leave(state, "child")
    try:
        while not Path(state["gate"]).exists():
            await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        leave(state, "cancelled")
        raise
    return {"out": "done"}


def killed(state: State, config: RunnableConfig) -> Any:
    """Its worker dies when its run has asked, before anybody is told."""
    with Cluster(state["broker"], prefix=state["prefix"]) as cluster:
        try:
            return cluster.graph("asks").invoke(state, config)
        except GraphInterrupt:
            if not Path(state["gate"]).exists():
                Path(state["gate"]).touch()
                os.kill(os.getpid(), signal.SIGKILL)
            raise


def before(state: State) -> None:
    leave(state, "child")


def asks(state: State) -> Any:
    leave(state, "asks")
    return {"out": interrupt("what?")}


async def cancels(_state: State) -> Any:
    """A node's own `CancelledError`, on a worker."""
    raise asyncio.CancelledError


def built(node: Any, pool: str = "default") -> Any:
    name = node.__name__
    return StateGraph(State).add_node(name, node, metadata={"pool": pool}).add_edge(START, name).compile(name=name)


GRAPHS = {node.__name__: built(node, "parents") for node in (parent, aparent)}
GRAPHS |= {node.__name__: built(node) for node in (child, cancels)}
GRAPHS["killed"] = built(killed, "parents")
GRAPHS["asks"] = StateGraph(State).add_sequence([before, asks]).add_edge(START, "before").compile(name="asks")
