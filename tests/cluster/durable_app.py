"""A graph that is killed at will on its way: `tests.cluster.durable_app:GRAPHS`."""

from __future__ import annotations

import operator
import os
import time
from pathlib import Path
from typing import Annotated, Any

from typing_extensions import TypedDict

from drumline.graph import START, StateGraph
from drumline.types import interrupt


class State(TypedDict, total=False):
    said: Annotated[list[str], operator.add]
    folder: str


def begin(_state: State) -> dict[str, Any]:
    return {"said": ["begun"]}


def hold(state: State) -> dict[str, Any]:
    """Leave a line, and wait until the test opens the gate."""
    folder = Path(state["folder"])
    with (folder / "held").open("a") as file:
        file.write(f"{os.getpid()}\n")
    while not (folder / "gate").exists():
        time.sleep(0.01)  # another process opens it
    return {"said": ["held"]}


def ask(state: State) -> dict[str, Any]:
    return {"said": [interrupt(len(state["said"]))]}


def durable(saver: Any = None) -> Any:
    graph = StateGraph(State).add_node(begin).add_node(hold).add_node(ask)
    graph.add_edge(START, "begin").add_edge("begin", "hold").add_edge("hold", "ask")
    return graph.compile(name="durable", checkpointer=saver)


GRAPHS = {"durable": durable()}
