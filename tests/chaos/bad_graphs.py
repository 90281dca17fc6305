"""Graphs that misbehave, beside the good ones on the same workers: `--app tests.chaos.bad_graphs:GRAPHS`.

Each has one node, and does in it what its name says. A run of it may end in any way, but it must end, and nobody else
may notice.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BaseModel
from typing_extensions import TypedDict

from drumline.config import get_stream_writer
from drumline.graph import START, StateGraph
from drumline.runtime import Runtime

#: exit code of a worker that a node ended
ENDED_BY_NODE = 77


class Bad(TypedDict, total=False):
    out: Any


def exits(_state: Bad) -> Any:
    raise SystemExit(3)


async def exits_async(_state: Bad) -> Any:
    sys.exit(4)


def unserialisable(_state: Bad) -> Any:
    return {"out": {"deep": [object()]}}


def surrogate(_state: Bad) -> Any:
    return {"out": "\ud800"}


def emits_objects(_state: Bad) -> Any:
    get_stream_writer()({"handle": object()})


def endless(_state: Bad) -> Any:
    """Emits for ever: its caller cancels it."""
    writer = get_stream_writer()
    number = 0
    while True:
        number += 1
        writer({"number": number, "text": "x" * 100})
        time.sleep(0.0005)


def dies(_state: Bad) -> Any:
    os._exit(ENDED_BY_NODE)


def holds_the_gil(_state: Bad) -> Any:
    """Three seconds in C code that does not let go of the interpreter lock."""
    ctypes.PyDLL(None).usleep(3_000_000)
    return {"out": "held"}


class Unequal:
    def __eq__(self, _other: object) -> bool:
        raise RuntimeError("no comparing")

    __hash__ = None  # type: ignore[assignment]


def unequal(_state: Bad) -> Any:
    return {"out": Unequal()}


def stops(_state: Bad) -> Any:
    raise StopIteration(7)


_NODES: list[Callable[[Bad], Any]] = [
    exits,
    exits_async,
    unserialisable,
    surrogate,
    emits_objects,
    endless,
    dies,
    holds_the_gil,
    unequal,
    stops,
]


def of_node(node: Callable[[Bad], Any]) -> Any:
    return StateGraph(Bad).add_node("node", node).add_edge(START, "node").compile(name=node.__name__)


# -- what is wrong is not the node ------------------------------------------------------------------


def exit_in_reducer(_left: Any, _right: Any) -> Any:
    raise SystemExit(5)


class Reduced(TypedDict, total=False):
    out: Annotated[list[int], exit_in_reducer]


def bad_reducer() -> Any:
    builder = StateGraph(Reduced).add_node("node", lambda _state: {"out": [1]})
    return builder.add_edge(START, "node").compile(name="bad_reducer")


class Context(BaseModel):
    number: int


def needs_context() -> Any:
    def node(_state: Bad, runtime: Runtime[Context]) -> Any:
        return {"out": runtime.context.number}

    builder = StateGraph(Bad, context_schema=Context).add_node("node", node)
    return builder.add_edge(START, "node").compile(name="needs_context")


GRAPHS = {graph.name: graph for graph in (*map(of_node, _NODES), bad_reducer(), needs_context())}

#: what ends or stops a whole worker, and so is asked for seldom: graph -> times a minute
SELDOM = {"dies": 4, "holds_the_gil": 4}
