"""`max_concurrency` bounds whatever runs side by side: tools of one task, tasks, `@task`s that a node calls."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.func import entrypoint, task
from tests.differential.engines import ADAPTED, ADAPTED_STRICT, DRUMLINE, DRUMLINE_STRICT, Engine
from tests.prebuilt.models import Scripted

pytestmark = pytest.mark.filterwarnings("ignore:create_react_agent has been moved")

CALLS = 6
engines = pytest.mark.parametrize(
    "e", [DRUMLINE, DRUMLINE_STRICT, ADAPTED, ADAPTED_STRICT], ids=lambda engine: engine.name
)
ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])


class Meter:
    """How many are inside at once. Those inside wait for `expected` of them, or until that many cannot come."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.inside = self.top = self.ended = 0

    def enter(self) -> None:
        with self._lock:
            self.inside += 1
            self.top = max(self.top, self.inside)

    def leave(self) -> None:
        with self._lock:
            self.inside -= 1
            self.ended += 1


meter = Meter()
#: long enough for every call that is allowed to begin to have begun
_TURN_S = 0.02


@tool
async def later(n: int) -> str:
    """Wait on the event loop."""
    meter.enter()
    await asyncio.sleep(_TURN_S)
    meter.leave()
    return str(n)


@tool
def now(n: int) -> str:
    """Wait in a thread."""
    meter.enter()
    threading.Event().wait(_TURN_S)
    meter.leave()
    return str(n)


def asked(called: Any) -> dict[str, Any]:
    calls = [{"id": str(n), "name": called.name, "args": {"n": n}} for n in range(CALLS)]
    return {"messages": [AIMessage("", tool_calls=calls)]}


def bare(e: Engine, called: Any) -> Any:
    node = e.ToolNode([called])
    return e.StateGraph(e.MessagesState).add_node("tools", node).add_edge(e.START, "tools").compile()


def sent(e: Engine, called: Any) -> Any:
    def route(state: Any) -> Any:
        return [e.Send("tools", [call]) for call in state["messages"][-1].tool_calls]

    builder = e.StateGraph(e.MessagesState).add_node("tools", e.ToolNode([called]))
    return builder.add_conditional_edges(e.START, route, ["tools"]).compile()


def agent(version: str) -> Callable[[Engine, Any], Any]:
    def build(e: Engine, called: Any) -> Any:
        turns = [[(called.name, {"n": n}) for n in range(CALLS)], "done"]
        return e.create_react_agent(Scripted(turns=turns), [called], version=version)

    return build


def run(graph: Any, given: Any, limit: int | None, *, use_async: bool) -> Any:
    meter.reset()
    config = {} if limit is None else {"max_concurrency": limit}
    return asyncio.run(graph.ainvoke(given, config)) if use_async else graph.invoke(given, config)


@engines
@ways
@pytest.mark.parametrize("called", [later, now], ids=lambda called: str(called.name))
@pytest.mark.parametrize("build", [bare, sent, agent("v1"), agent("v2")], ids=["bare", "sent", "v1", "v2"])
def test_tools(e: Engine, build: Any, called: Any, use_async: bool) -> None:
    """LangGraph's own async `ToolNode` knows no limit; drumline's, and LangGraph's under the adapter, keep to it."""
    given = asked(called) if build in (bare, sent) else {"messages": [("user", "go")]}
    graph = e.runnable(build(e, called))
    for limit in (1, 2):
        state = run(graph, given, limit, use_async=use_async)
        assert (meter.top, meter.ended) == (limit, CALLS)
        assert [message.content for message in state["messages"] if message.type == "tool"] == list("012345")
    run(graph, given, None, use_async=use_async)
    assert meter.top > 2, "without a limit they run side by side"


@ways
@pytest.mark.parametrize("e", [ADAPTED, ADAPTED_STRICT], ids=lambda engine: engine.name)
def test_tasks_that_a_node_calls(e: Engine, use_async: bool) -> None:
    @task
    def work(n: int) -> int:
        meter.enter()
        threading.Event().wait(_TURN_S)
        meter.leave()
        return n

    @task
    def outer(n: int) -> int:
        return work(n).result()

    def calls(_: Any) -> dict[str, Any]:
        futures = [work(n) for n in range(CALLS)]
        assert [future.result() for future in futures] == list(range(CALLS))
        assert outer(7).result() == 7, "a call of a call needs no place of its caller's"
        return {"messages": []}

    builder = e.StateGraph(e.MessagesState).add_node("n", calls).add_edge(e.START, "n")
    graph = e.runnable(builder.compile())
    for limit in (1, 2):
        run(graph, {"messages": []}, limit, use_async=use_async)
        assert (meter.top, meter.ended) == (limit, CALLS + 1)


@pytest.mark.parametrize("e", [ADAPTED, ADAPTED_STRICT], ids=lambda engine: engine.name)
def test_async_tasks(e: Engine) -> None:
    @task
    async def work(n: int) -> int:
        meter.enter()
        await asyncio.sleep(_TURN_S)
        meter.leave()
        return n

    async def calls(_: Any) -> dict[str, Any]:
        assert await asyncio.gather(*[work(n) for n in range(CALLS)]) == list(range(CALLS))
        return {"messages": []}

    @entrypoint()
    async def flow(_: Any) -> int:
        return sum(await asyncio.gather(*[work(n) for n in range(CALLS)]))

    node = e.StateGraph(e.MessagesState).add_node("n", calls).add_edge(e.START, "n").compile()
    for graph, top in ((node, 2), (flow, 1)):  # LangGraph's own loop counts the flow itself too
        for use_async in (False, True):
            run(e.runnable(graph), {"messages": []}, 2, use_async=use_async)
            assert (meter.top, meter.ended) == (top, CALLS)


def test_a_tool_that_fails_keeps_the_waiting_ones_from_beginning() -> None:
    @tool
    async def fails(n: int) -> str:
        """Fail at once."""
        meter.enter()
        raise ConnectionError(str(n))

    with pytest.raises(ConnectionError):
        run(bare(DRUMLINE, fails), asked(fails), 1, use_async=True)
    assert meter.top == 1
