"""Graphs whose nodes call graphs that ask, for either engine; and how a node calls them.

`call(name)` gives the graph that a node calls: one in its own process, or one of a cluster, which becomes a run of its
own. What nodes do stands in `LEDGER`, so that what ran again shows.
"""

import asyncio
import contextvars
import operator
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Annotated, Any

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from typing_extensions import TypedDict

#: what nodes did, in order
LEDGER: list[str] = []


class State(TypedDict, total=False):
    who: str
    log: Annotated[list[str], operator.add]


def did(state: State, what: str) -> dict[str, Any]:
    """A node has done something."""
    LEDGER.append(f"{who_of(state)} {what}")
    return {"log": [what]}


def who_of(state: State) -> str:
    """Whose graph it is; short."""
    return str(state.get("who"))[:1]


def line(e: Any, *nodes: Callable[..., Any]) -> Any:
    """Nodes one after another."""
    builder = e.StateGraph(State)
    for before, node in zip((e.START, *(node.__name__ for node in nodes)), nodes, strict=False):
        builder.add_node(node.__name__, node).add_edge(before, node.__name__)
    return builder


def children(e: Any) -> dict[str, Any]:
    """The graphs that ask."""

    def first(state: State) -> Any:
        return did(state, "first")

    def asks(state: State) -> Any:
        return did(state, f"was told {e.interrupt(f'what of {who_of(state)}?')}")

    def last(state: State) -> Any:
        return did(state, "last")

    def asks_twice(state: State) -> Any:
        return did(state, f"was told {[e.interrupt(number) for number in (1, 2)]}")

    def left(state: State) -> Any:
        return did(state, f"left {e.interrupt('left?')}")

    def right(state: State) -> Any:
        return did(state, f"right {e.interrupt('right?')}")

    def done(state: State) -> Any:
        return did(state, "done")

    fans = e.StateGraph(State).add_node("left", left).add_node("right", right).add_node("done", done)
    fans.add_edge(e.START, "left").add_edge(e.START, "right").add_edge("left", "last").add_edge("right", "last")
    fans.add_node("last", last).add_edge(e.START, "done")
    sends = e.StateGraph(State).add_node("first", first).add_node("asks", asks)
    sends.add_conditional_edges("first", lambda _state: [e.Send("asks", {"who": who * 3000}) for who in "ab"])
    sends.add_edge(e.START, "first")
    within = e.StateGraph(State).add_node("first", first).add_edge(e.START, "first").add_edge("first", "inner")
    within.add_node("inner", line(e, first, asks).compile())
    inner = line(e, first, asks).compile()

    def called(_state: State, config: RunnableConfig) -> Any:
        return {"log": inner.invoke({"who": "i"}, config)["log"]}

    @e.task
    def in_a_task(state: State) -> Any:
        return did(state, f"was told {e.interrupt('a task?')}")["log"]

    @e.entrypoint()
    def entry(state: State) -> Any:
        return {"log": in_a_task(state).result()}

    found = {"asks": line(e, first, asks, last), "twice": line(e, asks_twice), "called": line(e, called, last)}
    found |= {"fans": fans, "sends": sends, "within": within}
    return {name: builder.compile() for name, builder in found.items()} | {"entry": entry}


def in_threads(call: Callable[[str], Any]) -> Any:
    """A node that calls from two threads."""

    def node(state: State, config: RunnableConfig) -> Any:
        """Calls from two threads: whose comes first is told by the thread that runs the node."""
        names = "xy" if state["log"][0] == "in order" else "yx" if LEDGER.count("p in_threads") % 2 else "xy"
        did(state, "in_threads")
        begun = {who: threading.Event() for who in names}

        def one(who: str, before: Any) -> Any:
            if before is not None:
                before.wait()
            stream = call("asks").stream({"who": who}, config, stream_mode="values")
            items = []
            for item in stream:
                begun[who].set()
                items.append(item)
            return items[-1]["log"]

        context = contextvars.copy_context
        with ThreadPoolExecutor() as threads:
            first = threads.submit(context().run, one, names[0], None)
            second = threads.submit(context().run, one, names[1], begun[names[0]])
            wait([first, second])
        found = dict(zip(names, (first, second), strict=True))
        return {"log": [each for who in "xy" for each in found[who].result()]}

    node.__name__ = "in_threads"
    return node


def parents(e: Any, call: Callable[[str], Any]) -> dict[str, Any]:
    """The graphs that call them."""

    def calls(state: State, config: RunnableConfig) -> Any:
        did(state, "calls")
        return {"log": call(state["log"][0]).invoke({"who": "c"}, config)["log"]}

    async def acalls(state: State, config: RunnableConfig) -> Any:
        did(state, "calls")
        found = await call(state["log"][0]).ainvoke({"who": "c"}, config)
        return {"log": found["log"]}

    def streams(state: State, config: RunnableConfig) -> Any:
        items = list(call(state["log"][0]).stream({"who": "c"}, config, stream_mode="updates"))
        return {"log": [repr(item) for item in items]}

    def loops(_state: State, config: RunnableConfig) -> Any:
        return {"log": [each for who in "xyz" for each in call("asks").invoke({"who": who}, config)["log"]]}

    def starts(_state: State, config: RunnableConfig) -> Any:
        graph = call("asks")
        if hasattr(graph, "start"):
            log = graph.cluster.result(graph.start({"who": "c"}, config))["log"]
        else:
            log = graph.invoke({"who": "c"}, config)["log"]
        return {"log": log}

    async def gathers(_state: State, config: RunnableConfig) -> Any:
        found = await asyncio.gather(*(call("asks").ainvoke({"who": who}, config) for who in "xy"))
        return {"log": [each for some in found for each in some["log"]]}

    def asks_too(_state: State, config: RunnableConfig) -> Any:
        before = e.interrupt("before?")
        log = call("asks").invoke({"who": "c"}, config)["log"]
        return {"log": [before, *log, e.interrupt("behind?")]}

    def deep(_state: State, config: RunnableConfig) -> Any:
        return {"log": call("middle").invoke({"who": "m", "log": ["asks"]}, config)["log"]}

    def after(state: State) -> Any:
        return did(state, "after")

    @tool
    def of_a_model(kind: str, config: RunnableConfig) -> Any:
        """Ask somebody else."""
        return call(kind).invoke({"who": "c"}, config)["log"]

    def in_a_tool(state: State, config: RunnableConfig) -> Any:
        return {"log": of_a_model.invoke({"kind": state["log"][0]}, config)}

    nodes = (calls, acalls, streams, starts, in_threads(call), loops, gathers, asks_too, in_a_tool, deep)
    return {node.__name__: line(e, node, after) for node in nodes}
