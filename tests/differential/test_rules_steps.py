"""`step_timeout`: how long a superstep may last (docs/semantics.md §5.6)."""

import asyncio
import operator
import threading
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

from drumline.errors import StepTimeoutError
from drumline.graph import START, StateGraph
from drumline.testing import SimCluster
from drumline.types import RetryPolicy

from .engines import DRUMLINE, Engine
from .harness import ALL_MODES, record, same, same_outcome
from .states import EMPTY, Log, chain, says

SHORT, LONG = 0.1, 30.0
CONFIG = {"configurable": {"thread_id": "t"}}

both_ways = pytest.mark.parametrize("use_async", [False, True], ids=["sync", "async"])


def build(e: Engine, node: Any, limit: float = SHORT, **given: Any) -> Any:
    """`first`, then `n` beside `quick`, then `last`."""
    builder = e.StateGraph(Log)
    for name in ("first", "quick", "last"):
        builder.add_node(name, says(name))
    builder.add_node("n", node)
    builder.add_edge(e.START, "first").add_edge("first", "n").add_edge("first", "quick")
    builder.add_edge(["n", "quick"], "last")
    graph = builder.compile(**given)
    graph.step_timeout = limit
    return graph


def stuck(use_async: bool, ran: list[str] | None = None) -> Any:
    """Async code is cancelled; the thread of sync code is waited for, which so must end some time."""
    over = threading.Event()

    def body(_: Any) -> Any:
        if ran is not None:
            ran.append("n")
        if ran is None or len(ran) == 1:
            over.wait(6 * SHORT)
        return {"log": ["n"]}

    async def abody(_: Any) -> Any:
        if ran is not None:
            ran.append("n")
        if ran is None or len(ran) == 1:
            await asyncio.Event().wait()
        return {"log": ["n"]}

    return abody if use_async else body


@both_ways
def test_supersteps_in_time(other: Engine, use_async: bool) -> None:
    same(lambda e: build(e, says("n"), LONG), other, EMPTY, ALL_MODES, use_async=use_async)


@both_ways
def test_a_superstep_that_lasts_too_long(other: Engine, use_async: bool) -> None:
    from .engines import LANGGRAPH

    def items(e: Engine) -> Any:
        return record(e.runnable(build(e, stuck(use_async))), EMPTY, ["updates", "values"], use_async=use_async).items

    found = items(other)
    assert found == items(LANGGRAPH)
    with pytest.raises(TimeoutError) as caught:
        asyncio.run(other.runnable(build(other, stuck(True))).ainvoke(EMPTY))
    assert type(caught.value) is StepTimeoutError
    assert "Superstep 2" in str(caught.value) and "'n'." in str(caught.value)


def test_what_was_done_in_it_is_kept(other: Engine) -> None:
    def story(e: Engine) -> Any:
        ran: list[str] = []
        graph = e.runnable(build(e, stuck(True, ran), checkpointer=e.InMemorySaver()))
        with pytest.raises((TimeoutError, asyncio.TimeoutError)):
            asyncio.run(graph.ainvoke(EMPTY, CONFIG))
        state = graph.get_state(CONFIG)
        return state.values, sorted(state.next), asyncio.run(graph.ainvoke(None, CONFIG)), ran

    same_outcome(story, other)


def test_the_limit_of_a_graph_that_is_a_node(other: Engine) -> None:
    """The node fails, and its handler mends that."""

    def story(e: Engine) -> Any:
        inner = chain(e, says("first"), stuck(True))
        inner.step_timeout = SHORT
        builder = e.StateGraph(Log)
        builder.add_node("inner", inner, error_handler=lambda _: {"log": ["mended"]})
        builder.add_edge(e.START, "inner")
        return asyncio.run(e.runnable(builder.compile()).ainvoke(EMPTY))

    same_outcome(story, other)


def test_a_limit_is_more_than_nothing() -> None:
    with pytest.raises(ValueError, match="step_timeout of graph 'LangGraph' must be more than 0"):
        build(DRUMLINE, says("n"), 0)


# -- on a cluster, in virtual time -----------------------------------------------------------------


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


def waiting(limit: float | None, seconds: float) -> Any:
    """A superstep that lasts as long as the retry of a node waits."""
    tries: list[int] = []

    def node(_: State) -> Any:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError
        return {"log": ["n"]}

    builder = StateGraph(State).add_node("m", lambda _: {"log": ["m"]})
    builder.add_node("n", node, retry_policy=RetryPolicy(initial_interval=seconds, jitter=False))
    graph = builder.add_edge(START, "m").add_edge("m", "n").compile()
    graph.step_timeout = limit
    return graph


def test_a_limit_outlives_the_coordinator() -> None:
    with SimCluster({"g": waiting(30.0, 60.0)}) as cluster:
        run_id = cluster.graph("g").start({"log": []})
        cluster.advance(10)
        cluster.kill(cluster.coordinators[0], restart_after=1.0)
        with pytest.raises(StepTimeoutError, match="'n'"):
            cluster.result(run_id)
        assert 30 <= cluster.now < 60
        assert not any(partition.timers for partition in cluster._engine.server.partitions)


def test_a_superstep_in_time_leaves_no_timer() -> None:
    with SimCluster({"g": waiting(60.0, 30.0)}) as cluster:
        assert cluster.result(cluster.graph("g").start({"log": []})) == {"log": ["m", "n"]}
        assert not any(partition.timers for partition in cluster._engine.server.partitions)
