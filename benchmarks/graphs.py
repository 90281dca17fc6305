"""The graphs of the workloads, written once and built with either library.

`GRAPHS` is what coordinator and worker processes serve. langgraph is not imported unless `langgraph()` is called.
"""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from typing_extensions import TypedDict

LINEAR_NODES = 100
#: characters that one turn of the chat appends
TURN_CHARS = 1000


@dataclass(slots=True)
class Library:
    """What the graphs need of a library; both call it by the same names."""

    StateGraph: Any
    START: Any
    END: Any
    Send: Any
    get_stream_writer: Callable[[], Callable[[Any], None]]


def drumline() -> Library:
    """Drumline's own names."""
    from drumline.config import get_stream_writer
    from drumline.graph import END, START, StateGraph
    from drumline.types import Send

    return Library(StateGraph, START, END, Send, get_stream_writer)


def langgraph() -> Library:
    """LangGraph's. Imports it."""
    from langgraph.config import get_stream_writer
    from langgraph.graph import END, START, StateGraph
    from langgraph.types import Send

    return Library(StateGraph, START, END, Send, get_stream_writer)


class Count(TypedDict):
    n: int


class Fan(TypedDict):
    n: int
    done: Annotated[list[int], operator.add]


class One(TypedDict):
    i: int


class Wide(TypedDict):
    n: int
    size: int
    done: Annotated[list[int], operator.add]


class Piece(TypedDict):
    i: int
    text: str


class Ticks(TypedDict):
    turns: int
    events: int


class Pace(TypedDict):
    begin: float
    count: int
    rate: int


class Chat(TypedDict):
    messages: Annotated[list[dict[str, str]], operator.add]
    turns: int


def plus_one(state: Count) -> Count:
    """The trivial node."""
    return {"n": state["n"] + 1}


async def aplus_one(state: Count) -> Count:
    """The trivial node, async."""
    return {"n": state["n"] + 1}


def chain(lib: Library, nodes: int, node: Any) -> Any:
    """W1, W3: `nodes` times the same node, one after another."""
    builder = lib.StateGraph(Count)
    last = lib.START
    for index in range(nodes):
        name = f"n{index}"
        builder.add_node(name, node)
        builder.add_edge(last, name)
        last = name
    return builder


def fan_out(lib: Library, *, asynchronous: bool = False) -> Any:
    """W2: one superstep of `n` Sends, whose results a reducer gathers."""

    def spread(state: Fan) -> list[Any]:
        return [lib.Send("work", {"i": i}) for i in range(state["n"])]

    def work(state: One) -> dict[str, list[int]]:
        return {"done": [state["i"]]}

    async def awork(state: One) -> dict[str, list[int]]:
        return {"done": [state["i"]]}

    builder = lib.StateGraph(Fan)
    builder.add_node("work", awork if asynchronous else work)
    builder.add_conditional_edges(lib.START, spread, ["work"])
    return builder


def burst(lib: Library) -> Any:
    """W4: `n` custom events from one node, as fast as it goes."""

    def emit(state: Count) -> Count:
        write = lib.get_stream_writer()
        for i in range(state["n"]):
            write({"token": i})
        return {"n": 0}

    builder = lib.StateGraph(Count)
    builder.add_node("emit", emit)
    builder.add_edge(lib.START, "emit")
    return builder


def paced(lib: Library) -> Any:
    """W4: `count` custom events at `rate` a second from `begin` on, each with the time at which it was written.

    The clock is `time.monotonic()`, which all processes of one machine share.
    """

    async def emit(state: Pace) -> dict[str, int]:
        write = lib.get_stream_writer()
        for i in range(state["count"]):
            ahead = state["begin"] + i / state["rate"] - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            write({"at": time.monotonic(), "token": i})
        return {"count": 0}

    builder = lib.StateGraph(Pace)
    builder.add_node("emit", emit)
    builder.add_edge(lib.START, "emit")
    return builder


def chat(lib: Library) -> Any:
    """W5: a node that appends a message and is called again until `turns` are over."""

    def say(state: Chat) -> Any:
        turns = state["turns"] - 1
        return {"messages": [{"role": "ai", "content": f"{turns:06d}".ljust(TURN_CHARS, ".")}], "turns": turns}

    def again(state: Chat) -> str:
        return "say" if state["turns"] > 0 else str(lib.END)

    builder = lib.StateGraph(Chat)
    builder.add_node("say", say)
    builder.add_edge(lib.START, "say")
    builder.add_conditional_edges("say", again, ["say", lib.END])
    return builder


def talk(lib: Library) -> Any:
    """W5 with a thread: a node that answers half of `TURN_CHARS` to what was said."""

    def reply(state: Chat) -> Any:
        said = f"{len(state['messages']):06d}".ljust(TURN_CHARS // 2, ".")
        return {"messages": [{"role": "ai", "content": said}]}

    return lib.StateGraph(Chat).add_node("reply", reply).add_edge(lib.START, "reply")


def wide(lib: Library) -> Any:
    """W7: a node behind which `n` Sends leave that carry `size` characters each; a reducer gathers the lengths."""

    def plan(state: Wide) -> dict[str, int]:
        return {"n": state["n"]}

    def spread(state: Wide) -> list[Any]:
        return [lib.Send("work", {"i": i, "text": f"{i:06d}".ljust(state["size"], ".")}) for i in range(state["n"])]

    def work(state: Piece) -> dict[str, list[int]]:
        return {"done": [len(state["text"])]}

    builder = lib.StateGraph(Wide)
    builder.add_node("plan", plan)
    builder.add_node("work", work)
    builder.add_edge(lib.START, "plan")
    builder.add_conditional_edges("plan", spread, ["work"])
    return builder


def ticks(lib: Library) -> Any:
    """W8: a node that emits `events` custom events and is called again until `turns` are over."""

    def tick(state: Ticks) -> dict[str, int]:
        write = lib.get_stream_writer()
        for i in range(state["events"]):
            write({"token": i})
        return {"turns": state["turns"] - 1}

    def again(state: Ticks) -> str:
        return "tick" if state["turns"] > 0 else str(lib.END)

    builder = lib.StateGraph(Ticks)
    builder.add_node("tick", tick)
    builder.add_edge(lib.START, "tick")
    builder.add_conditional_edges("tick", again, ["tick", lib.END])
    return builder


def build_all(lib: Library) -> dict[str, Any]:
    """All builders, by the name under which they are served."""
    return {
        "linear": chain(lib, LINEAR_NODES, plus_one),
        "alinear": chain(lib, LINEAR_NODES, aplus_one),
        "fan": fan_out(lib),
        "afan": fan_out(lib, asynchronous=True),
        "short": chain(lib, 3, aplus_one),
        "burst": burst(lib),
        "paced": paced(lib),
        "chat": chat(lib),
        "talk": talk(lib),
        "wide": wide(lib),
        "ticks": ticks(lib),
    }


GRAPHS = {name: builder.compile(name=name) for name, builder in build_all(drumline()).items()}
