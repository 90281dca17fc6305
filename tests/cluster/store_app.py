"""Graphs that use the store."""

from __future__ import annotations

import os
from typing import Any

from typing_extensions import TypedDict

from drumline.graph import START, StateGraph
from drumline.runtime import Runtime


class State(TypedDict):
    n: int


def put(state: State, runtime: Runtime) -> dict[str, Any]:
    runtime.store.put(("numbers",), str(state["n"]), {"n": state["n"], "pid": os.getpid()})
    return {}


def count(_state: State, runtime: Runtime) -> dict[str, Any]:
    return {"n": len(runtime.store.search(("numbers",), limit=100))}


GRAPHS = {
    "put": StateGraph(State).add_node(put).add_edge(START, "put").compile(),
    "count": StateGraph(State).add_node(count).add_edge(START, "count").compile(),
}
