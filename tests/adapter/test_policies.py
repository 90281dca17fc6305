"""Policies of LangGraph's graphs in drumline's hands, beyond what tests/differential compares of single nodes."""

import asyncio
import operator
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import pytest
from langgraph.cache.memory import InMemoryCache
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.errors import GraphDrained, NodeError, NodeTimeoutError
from langgraph.func import entrypoint, task
from langgraph.graph import START, StateGraph
from langgraph.runtime import RunControl, Runtime
from langgraph.types import CachePolicy, Command, RetryPolicy, Send, TimeoutPolicy, interrupt
from tests.differential.harness import newest_oracle
from tests.threads.traces import plain
from typing_extensions import TypedDict

from drumline.langgraph import adapt
from drumline.testing import SimCluster, local_cluster

SOON = RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ConnectionError)
CONFIG: Any = {"configurable": {"thread_id": "1"}}
MODES = ["values", "updates", "custom", "tasks", "debug"]

#: builds a graph, says what it is given run after run, and what is to be equal beside the streams
Case = Callable[[], tuple[Any, list[Any], list[Any]]]


class Log(TypedDict):
    log: Annotated[list[Any], operator.add]


EMPTY: Any = {"log": []}


def one(node: Any, *, compiled: Any = None, **options: Any) -> Any:
    builder: Any = StateGraph(Log)
    return builder.add_node("n", node, **options).add_edge(START, "n").compile(**compiled or {})


def streamed(graph: Any, inputs: list[Any], *, use_async: bool = False) -> list[str]:
    found: list[str] = []

    async def arun(given: Any) -> None:
        async for item in graph.astream(given, CONFIG, stream_mode=MODES, subgraphs=True):
            found.append(plain(item))  # noqa: PERF401 (what came before an error stays)

    for given in inputs:
        found.append("-- run")
        try:
            if use_async:
                asyncio.run(arun(given))
            else:
                for item in graph.stream(given, CONFIG, stream_mode=MODES, subgraphs=True):
                    found.append(plain(item))  # noqa: PERF401
        except Exception as error:
            found.append(type(error).__name__)
    return found


def a_question_of_a_node_that_is_tried_again() -> tuple[Any, list[Any], list[Any]]:
    """The answer is the node's in each of its tries."""
    tries: list[Any] = []

    def node(_: Any) -> Any:
        answer = interrupt("why?")
        tries.append(answer)
        if len(tries) < 3:
            raise ConnectionError
        return {"log": [answer, interrupt("and?")]}

    graph = one(node, retry_policy=SOON, compiled={"checkpointer": InMemorySaver()})
    return graph, [EMPTY, Command(resume="so"), Command(resume="done")], tries


def an_answer_before_its_question() -> tuple[Any, list[Any], list[Any]]:
    """It is for whoever asks next, and stays that node's."""
    tries: list[Any] = []

    def node(_: Any) -> Any:
        tries.append(interrupt("why?"))
        if len(tries) < 3:
            raise ConnectionError
        return {"log": [tries[-1]]}

    graph = one(node, retry_policy=SOON, compiled={"checkpointer": InMemorySaver(), "interrupt_before": ["n"]})
    return graph, [EMPTY, Command(resume="so")], tries


def calls_of_a_node_that_is_tried_again() -> tuple[Any, list[Any], list[Any]]:
    made: list[Any] = []

    @task
    def look(x: int) -> int:
        made.append(x)
        return len(made)

    def node(_: Any) -> Any:
        found = [look(1).result(), look(2).result()]
        if len(made) < 5:
            raise ConnectionError
        return {"log": found}

    return one(node, retry_policy=SOON), [EMPTY], made


def cached_calls() -> tuple[Any, list[Any], list[Any]]:
    """None of them twice in one run: LangGraph caches a result some time after its caller has it."""
    made: list[Any] = []

    @task(cache_policy=CachePolicy())
    def look(x: int, y: int = 0) -> int:
        made.append((x, y))
        return x + y

    def node(_: Any) -> Any:
        return {"log": [look(1).result(), look(1, y=1).result()]}

    return one(node, compiled={"cache": InMemoryCache()}), [EMPTY, EMPTY], made


def a_policy_of_the_graph() -> tuple[Any, list[Any], list[Any]]:
    tries: list[Any] = []

    def node(_: Any, runtime: Runtime) -> Any:
        assert runtime.execution_info is not None
        tries.append(runtime.execution_info.node_attempt)
        if len(tries) < 3:
            raise ConnectionError
        return {"log": ["n"]}

    graph = one(node)
    graph.retry_policy = (SOON,)
    return graph, [EMPTY], tries


def a_graph_within_that_is_tried_again() -> tuple[Any, list[Any], list[Any]]:
    tries: list[Any] = []

    def inner(_: Any) -> Any:
        tries.append("inner")
        if len(tries) < 3:
            raise ConnectionError
        return {"log": ["inner"]}

    return one(one(inner), retry_policy=SOON), [EMPTY], tries


def a_handler_that_asks() -> tuple[Any, list[Any], list[Any]]:
    def node(_: Any) -> Any:
        raise ConnectionError("no line")

    def handler(_: Any, error: NodeError) -> Any:
        answer = interrupt(f"{error.node} failed: what now?")
        return Command(update={"log": [answer]})

    graph = one(node, error_handler=handler, compiled={"checkpointer": InMemorySaver()})
    return graph, [EMPTY, Command(resume="go on")], []


def a_functional_graph() -> tuple[Any, list[Any], list[Any]]:
    """LangGraph's own loop runs it, with its policies."""
    made: list[Any] = []

    @task(retry_policy=SOON, cache_policy=CachePolicy())
    def look(x: int) -> int:
        made.append(x)
        if len(made) == 1:
            raise ConnectionError
        return x + 1

    @entrypoint(cache=InMemoryCache())
    def entry(x: int) -> int:
        return look(x).result()

    return entry, [1, 1], made


SYNC: list[Case] = [
    a_question_of_a_node_that_is_tried_again,
    an_answer_before_its_question,
    calls_of_a_node_that_is_tried_again,
    cached_calls,
    a_policy_of_the_graph,
    a_graph_within_that_is_tried_again,
    a_handler_that_asks,
    a_functional_graph,
]


@pytest.mark.parametrize("strict", [False, True], ids=["plain", "strict"])
@pytest.mark.parametrize("case", SYNC, ids=lambda case: case.__name__)
@newest_oracle
def test_streams_are_equal(case: Case, strict: bool) -> None:
    graph, inputs, noted = case()
    ours = streamed(adapt(graph, strict_wire=strict), inputs), noted
    for _ in range(10):  # its threads race
        graph, inputs, noted = case()
        theirs = streamed(graph, inputs), noted
        if ours == theirs:
            return
    assert ours == theirs


async def _stuck(_: Any) -> Any:
    await asyncio.Event().wait()


def _nothing(_: Any) -> Any:
    return {}


def _goes(to: Any, _: Any) -> Any:
    return Command(goto=to)


def _routes(to: Any, _: Any) -> Any:
    return [to]


def test_a_send_has_a_time_limit() -> None:
    """Of a router and of a command."""
    limit = TimeoutPolicy(run_timeout=0.02)
    for by_router in (True, False):
        send = Send("n", EMPTY, timeout=limit)
        builder: Any = StateGraph(Log).add_node("n", _stuck)  # type: ignore[type-var]
        builder.add_node("a", _nothing if by_router else partial(_goes, send))
        builder.add_edge(START, "a")
        if by_router:
            builder.add_conditional_edges("a", partial(_routes, send), ["n"])
        with pytest.raises(NodeTimeoutError) as caught:
            asyncio.run(adapt(builder.compile()).ainvoke(EMPTY))
        assert (caught.value.node, caught.value.kind, caught.value.timeout) == ("n", "run", 0.02)


def test_a_time_limit_is_an_error_of_langgraphs() -> None:
    """For policies and handlers too."""
    policy = RetryPolicy(initial_interval=0.001, retry_on=NodeTimeoutError, max_attempts=2)
    told: list[Any] = []

    def handler(_: Any, error: NodeError) -> Any:
        told.append((isinstance(error.error, NodeTimeoutError), error.node))
        return {"log": ["handled"]}

    tries: list[int] = []

    async def node(_: Any) -> Any:
        tries.append(1)
        await asyncio.Event().wait()

    graph = adapt(one(node, timeout=0.02, retry_policy=policy, error_handler=handler))
    assert asyncio.run(graph.ainvoke(EMPTY)) == {"log": ["handled"]}
    assert told == [(True, "n")] and len(tries) == 2
    tries.clear()
    assert graph.invoke(EMPTY) == {"log": ["handled"]}  # async code of a sync caller, which LangGraph refuses


@pytest.mark.parametrize("functional", [False, True])
def test_a_drain_is_langgraphs(functional: bool) -> None:
    control = RunControl()
    graph: Any = one(lambda _: {"log": ["n"]})
    if functional:

        @entrypoint()
        def graph(x: Any) -> Any:
            return x

    control.request_drain("deploy")
    with pytest.raises(GraphDrained) as caught:
        adapt(graph).invoke(EMPTY, control=control)
    assert caught.value.reason == "deploy"


def test_a_graph_that_code_calls_drains_too() -> None:
    """It inherits the control of the run. Neither is its end a failure, nor does a policy try it again."""
    tries: list[str] = []

    def first(_: Any, runtime: Runtime) -> Any:
        tries.append("first")
        assert runtime.control is not None
        if len(tries) == 1:
            runtime.control.request_drain("deploy")
        return {"log": ["first"]}

    builder: Any = StateGraph(Log).add_node("first", first).add_node("last", lambda _: {"log": ["last"]})
    inner = builder.add_edge(START, "first").add_edge("first", "last").compile()

    def run(make: Callable[[Any], Any]) -> Any:
        tries.clear()
        anything = RetryPolicy(initial_interval=0.001, retry_on=Exception)
        graph = make(
            one(
                lambda _: inner.invoke(EMPTY),
                retry_policy=anything,
                error_handler=lambda _: {"log": ["handled"]},
                compiled={"checkpointer": InMemorySaver()},
            )
        )
        with pytest.raises(GraphDrained):
            graph.invoke(EMPTY, CONFIG, control=RunControl())
        errors = [each.error for each in graph.get_state(CONFIG).tasks]
        return errors, graph.get_state(CONFIG).next, graph.invoke(None, CONFIG)["log"], list(tries)

    assert run(adapt) == run(lambda graph: graph)


def test_the_cache_of_a_functional_graph_is_cleared() -> None:
    made: list[int] = []

    @entrypoint(cache=InMemoryCache(), cache_policy=CachePolicy())
    def entry(x: int) -> int:
        made.append(x)
        return x

    graph = adapt(entry)
    assert [graph.invoke(1), graph.invoke(1)] == [1, 1]
    assert made == [1]
    graph.clear_cache()
    assert graph.invoke(1) == 1
    assert made == [1, 1]
    asyncio.run(graph.aclear_cache())
    assert graph.invoke(1) == 1
    assert made == [1, 1, 1]


# -- on a cluster ----------------------------------------------------------------------------------


class _Away(Exception):
    """An error of the user's own."""


def test_policies_on_a_cluster_in_virtual_time() -> None:
    """A retry that waits outlives its coordinator; the handler gets the error by its class; a result is found again."""
    ran: list[str] = []

    def flaky(_: Any, runtime: Runtime) -> Any:
        assert runtime.execution_info is not None
        ran.append(f"try {runtime.execution_info.node_attempt}")
        if runtime.execution_info.node_attempt < 3:
            raise ConnectionError
        return {"log": ["flaky"]}

    def fails(_: Any) -> Any:
        raise _Away("for good")

    def handler(_: Any, error: NodeError) -> Any:
        return Command(update={"log": [(error.node, type(error.error).__name__, str(error.error))]}, goto="kept")

    def kept(_: Any) -> Any:
        ran.append("kept")
        return {"log": ["kept"]}

    builder: Any = StateGraph(Log)
    builder.add_node("flaky", flaky, retry_policy=RetryPolicy(initial_interval=30.0, jitter=False))
    builder.add_node("fails", fails, error_handler=handler)
    builder.add_node("kept", kept, cache_policy=CachePolicy(key_func=lambda _: "one"))
    graph = builder.add_edge(START, "flaky").add_edge("flaky", "fails").compile(cache=InMemoryCache())
    expected = ["flaky", ("fails", "_Away", "for good"), "kept"]
    with SimCluster({"g": adapt(graph)}) as cluster:
        run_id = cluster.graph("g").start(EMPTY)
        cluster.advance(10)
        assert ran == ["try 1"]
        cluster.kill(cluster.coordinators[0], restart_after=1.0)
        assert cluster.result(run_id)["log"] == expected
        assert ran == ["try 1", "try 2", "try 3", "kept"] and cluster.now >= 90
        assert cluster.result(cluster.graph("g").start(EMPTY))["log"] == expected
        assert ran[4:] == ["try 1", "try 2", "try 3"]


def test_a_time_limit_of_a_send_on_a_cluster() -> None:
    send = Send("n", EMPTY, timeout=TimeoutPolicy(run_timeout=0.05))
    builder: Any = StateGraph(Log).add_node("n", _stuck)  # type: ignore[type-var]
    builder.add_node("a", partial(_goes, send)).add_edge(START, "a")
    graph = adapt(builder.compile())
    with local_cluster({"g": graph}) as cluster, pytest.raises(NodeTimeoutError) as caught:
        graph.on(cluster, "g").invoke(EMPTY)
    assert caught.value.node == "n"
