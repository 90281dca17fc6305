"""Time limits of supersteps (`step_timeout`): embedded beside LangGraph, adapted, on threads and on a cluster."""

from __future__ import annotations

import asyncio
import operator
import threading
from typing import Annotated, Any, TypedDict

import langgraph.graph
import pytest
from tests.differential.engines import DRUMLINE, DRUMLINE_STRICT, LANGGRAPH, Engine
from tests.differential.harness import ASYNC_ORACLE

from drumline.graph import START, StateGraph
from drumline.langgraph import adapt
from drumline.testing import SimCluster
from drumline.types import RetryPolicy

ENGINES = [LANGGRAPH, DRUMLINE, DRUMLINE_STRICT]
engines = pytest.mark.parametrize("e", ENGINES, ids=["langgraph", "drumline", "strict"])
IN: dict[str, Any] = {"log": []}
#: LangGraph says the one, drumline the other
SAID = r"Timed out|lasted longer"


class State(TypedDict):
    log: Annotated[list[str], operator.add]


def quick(_state: State) -> dict[str, Any]:
    return {"log": ["quick"]}


def slow(_state: State) -> dict[str, Any]:
    threading.Event().wait(0.4)
    return {"log": ["slow"]}


def pair(e: Any, *, name: str = "slow", node: Any = slow, limit: float = 0.1, **options: Any) -> Any:
    """Two nodes side by side, one of which takes too long."""
    builder = e.StateGraph(State).add_node("quick", quick).add_node(name, node)
    graph = builder.add_edge(e.START, "quick").add_edge(e.START, name).compile(**options)
    graph.step_timeout = limit
    return graph


def strict(e: Engine, graph: Any) -> Any:
    if e.strict:
        graph.strict_wire = True
    return graph


@engines
def test_a_superstep_that_takes_too_long_ends_the_run(e: Engine) -> None:
    found: list[Any] = []
    with pytest.raises(TimeoutError, match=SAID):
        found.extend(strict(e, pair(e)).stream(IN, stream_mode="updates"))
    assert found == [{"quick": {"log": ["quick"]}}]


@pytest.mark.skipif(not ASYNC_ORACLE, reason="LangGraph's async runs are no oracle on this Python")
@engines
def test_async_nodes_are_cancelled(e: Engine) -> None:
    ended: list[str] = []

    async def stuck(_state: State) -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        return {}

    found = []

    async def call() -> None:
        async for item in strict(e, pair(e, name="stuck", node=stuck)).astream(IN, stream_mode="updates"):
            found.append(item)  # noqa: PERF401  it raises amid them

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(call())
    assert found == [{"quick": {"log": ["quick"]}}]
    assert ended == ["cancelled"]


@engines
def test_each_superstep_has_its_own_time(e: Engine) -> None:
    def half(_state: State) -> dict[str, Any]:
        threading.Event().wait(0.2)
        return {"log": ["half"]}

    builder = e.StateGraph(State).add_node("a", half).add_node("b", half).add_node("c", half)
    graph = builder.add_edge(e.START, "a").add_edge("a", "b").add_edge("b", "c").compile()
    graph.step_timeout = 0.45
    assert strict(e, graph).invoke(IN) == {"log": ["half"] * 3}


@engines
def test_a_graph_within_fails_its_node(e: Engine) -> None:
    builder = e.StateGraph(State).add_node("child", pair(e)).add_node("z", quick)
    graph = strict(e, builder.add_edge(e.START, "child").add_edge("child", "z").compile())
    with pytest.raises(TimeoutError, match=SAID):
        graph.invoke(IN)


@engines
def test_a_thread_keeps_what_ended_too_late(e: Engine) -> None:
    """No thread can be stopped: the call waits for its nodes, and their results are those of the superstep."""
    config = {"configurable": {"thread_id": "1"}}
    graph = strict(e, pair(e, checkpointer=e.InMemorySaver()))
    with pytest.raises(TimeoutError):
        graph.invoke(IN, config)
    assert graph.get_state(config).next == ()
    assert graph.invoke(None, config) == {"log": ["quick", "slow"]}


def test_what_ended_in_time_counts_however_late_its_reader_is() -> None:
    both = threading.Barrier(2)
    told = threading.Event()

    def first(_state: State) -> dict[str, Any]:
        both.wait(10)
        return {"log": ["first"]}

    def second(_state: State) -> dict[str, Any]:
        both.wait(10)
        told.wait(10)
        return {"log": ["second"]}

    builder: Any = StateGraph(State).add_node("first", first).add_node("second", second)
    graph: Any = builder.add_edge(START, "first").add_edge(START, "second").compile()
    graph.step_timeout = 3.0
    found = []
    for item in graph.stream(IN, stream_mode="updates"):
        found.append(item)
        told.set()
        threading.Event().wait(3.2)
    assert found == [{"first": {"log": ["first"]}}, {"second": {"log": ["second"]}}]


def test_the_limit_of_a_langgraph_graph_holds() -> None:
    theirs: Any = langgraph.graph.StateGraph(State)
    theirs.add_node("quick", quick).add_node("slow", slow)
    graph = theirs.add_edge("__start__", "quick").add_edge("__start__", "slow").compile()
    graph.step_timeout = 0.1
    with pytest.raises(TimeoutError, match=SAID):
        adapt(graph).invoke(IN)


def test_a_cluster_keeps_the_time() -> None:
    """In virtual time: the failed node waits for its next try for longer than its superstep may take."""

    def fails(_state: State) -> dict[str, Any]:
        raise ConnectionError("once more")

    policy = RetryPolicy(initial_interval=1000, max_interval=1000, jitter=False)
    builder = StateGraph(State).add_node("quick", quick).add_node("fails", fails, retry_policy=policy)
    late = builder.add_edge(START, "quick").add_edge(START, "fails").compile()
    late.step_timeout = 30
    with SimCluster({"late": late, "fine": pair(DRUMLINE, name="other", node=quick, limit=30)}) as cluster:
        assert cluster.graph("fine").invoke(IN) == {"log": ["quick", "quick"]}
        with pytest.raises(TimeoutError, match="Superstep 1 of graph 'LangGraph' lasted longer"):
            cluster.graph("late").invoke(IN)


@pytest.mark.parametrize("seconds", [0, -1.0])
def test_a_limit_is_positive(seconds: float) -> None:
    graph = pair(DRUMLINE)
    with pytest.raises(ValueError, match="step_timeout of graph"):
        graph.step_timeout = seconds
    graph.step_timeout = None
    assert graph.invoke(IN)["log"] == ["quick", "slow"]
