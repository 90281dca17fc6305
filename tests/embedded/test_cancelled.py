"""A node that raises `CancelledError` by itself fails its run; cancelling the caller is something else."""

import asyncio
import concurrent.futures
import operator
import pickle
import sys
from typing import Annotated, Any

import langgraph.errors
import langgraph.graph
import pytest
from typing_extensions import TypedDict

import drumline.graph
from drumline.errors import NodeCancelledError
from drumline.langgraph import adapt

START = drumline.graph.START
BOTH = (NodeCancelledError, langgraph.errors.NodeCancelledError)


class State(TypedDict, total=False):
    log: Annotated[list, operator.add]


def raises(_state):
    raise asyncio.CancelledError("mine")


async def araises(_state):
    raise asyncio.CancelledError("mine")


async def cancels_itself(_state):
    asyncio.current_task().cancel()  # type: ignore[union-attr]
    await asyncio.sleep(60)


async def cancels_itself_and_returns(_state):
    asyncio.current_task().cancel()  # type: ignore[union-attr]
    return {"log": ["returned"]}


async def awaits_a_cancelled_future(_state):
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


async def awaits_a_cancelled_task(_state):
    task = asyncio.ensure_future(asyncio.sleep(60))
    task.cancel()
    await task


NODES = [
    raises,
    araises,
    cancels_itself,
    cancels_itself_and_returns,
    awaits_a_cancelled_future,
    awaits_a_cancelled_task,
]


def built(node, module=drumline.graph):
    return module.StateGraph(State).add_node("bad", node).add_edge(START, "bad").compile()


def with_sibling(node, module=drumline.graph):
    async def sibling(_state):
        await asyncio.sleep(0)
        return {"log": ["sibling"]}

    graph = module.StateGraph(State).add_node("bad", node).add_node("sibling", sibling)
    return graph.add_edge(START, "bad").add_edge(START, "sibling").compile()


def as_subgraph(node, module=drumline.graph):
    return module.StateGraph(State).add_node("outer", built(node, module)).add_edge(START, "outer").compile()


def called(node, module=drumline.graph):
    child = built(node, module)

    async def calls(state):
        return await child.ainvoke(state)

    return module.StateGraph(State).add_node("calls", calls).add_edge(START, "calls").compile()


def as_router(node, module=drumline.graph):
    graph = module.StateGraph(State).add_node("bad", lambda _state: None).add_edge(START, "bad")
    return graph.add_conditional_edges("bad", node, ["bad"]).compile()


def adapted(node, module=drumline.graph):
    graph = built(node, langgraph.graph)
    return adapt(graph) if module is drumline.graph else graph


SHAPES = [built, with_sibling, as_subgraph, called, as_router, adapted]


async def _awaited(graph):
    """The error of a run, as a task's exception: where nothing but a real error may stand."""
    task = asyncio.ensure_future(graph.ainvoke({"log": []}))
    await asyncio.wait([task])
    assert not task.cancelled(), "the task looks cancelled, and a TaskGroup around it would end in peace"
    return task.exception()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("node", NODES)
def test_a_node_that_raises_cancelled_error_fails_the_run(node, shape):
    error = asyncio.run(_awaited(shape(node)))
    assert isinstance(error, BOTH)
    assert error.node == "bad"
    assert isinstance(error.__cause__, asyncio.CancelledError)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("node", NODES)
@pytest.mark.skipif(sys.version_info < (3, 11), reason="LangGraph tells the two apart from Python 3.11 on")
def test_langgraph_raises_the_same(node, shape):
    error = asyncio.run(_awaited(shape(node, langgraph.graph)))
    assert (type(error), error.node) == (langgraph.errors.NodeCancelledError, "bad")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("node", NODES)
def test_sync_callers_get_it_too(node, shape):
    if shape is called or (shape is adapted and node is not raises):
        pytest.skip("LangGraph's own graphs run their async nodes for async callers")
    with pytest.raises(BOTH) as caught:
        list(shape(node).stream({"log": []}))
    assert caught.value.node == "bad"  # type: ignore[attr-defined]


@pytest.mark.parametrize("where", ["reducer", "schema"])
def test_a_reducer_or_schema_that_raises_it_fails_the_run(where):
    def reducer(_old, new):
        if new:
            raise asyncio.CancelledError
        return new

    from pydantic import BaseModel, field_validator

    class Checked(BaseModel):
        log: list = []

        @field_validator("log")
        @classmethod
        def check(cls, value):
            if value:
                raise asyncio.CancelledError
            return value

    class Reduced(TypedDict, total=False):
        log: Annotated[list, reducer]

    schema = Reduced if where == "reducer" else Checked
    builder: Any = drumline.graph.StateGraph(schema).add_node("n", lambda _state: {"log": [1]}).add_edge(START, "n")  # type: ignore[type-var]
    graph = builder.add_node("m", lambda _state: None).add_edge("n", "m").compile(name="mine")
    error = asyncio.run(_awaited(graph))
    assert isinstance(error, NodeCancelledError)


@pytest.mark.parametrize("node", [araises, cancels_itself])
def test_a_group_of_tasks_hears_of_it(node):
    async def main():
        return await asyncio.gather(built(node).ainvoke({}), asyncio.sleep(0))

    with pytest.raises(NodeCancelledError):
        asyncio.run(main())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="LangGraph's async runs are cancelled by it there")
def test_concurrent_futures_error_of_that_name_is_an_ordinary_one():
    def cancelled(_state):
        raise concurrent.futures.CancelledError

    for module in (drumline.graph, langgraph.graph):
        with pytest.raises(concurrent.futures.CancelledError):
            built(cancelled, module).invoke({})
        error = asyncio.run(_awaited(built(cancelled, module)))  # asyncio makes its own of it, between the threads
        assert isinstance(error, BOTH)


# -- cancelled from outside ---------------------------------------------------------------------------


class Waits:
    """A node that says that it has begun, and that it was cancelled."""

    def __init__(self):
        self.began, self.cancelled = asyncio.Event(), False

    async def __call__(self, _state):
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


@pytest.mark.parametrize("shape", [built, with_sibling, as_subgraph, called])
@pytest.mark.parametrize("module", [drumline.graph, langgraph.graph])
def test_cancelling_the_caller_is_the_cancelled_error_itself(shape, module):
    async def main():
        node = Waits()
        caller = asyncio.ensure_future(shape(node, module).ainvoke({"log": []}))
        await node.began.wait()
        caller.cancel()
        await asyncio.wait([caller])
        return caller.cancelled(), node.cancelled

    assert asyncio.run(main()) == (True, True)


@pytest.mark.parametrize("shape", [built, called])
def test_a_timeout_of_the_caller_is_a_timeout(shape):
    async def main():
        node = Waits()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(shape(node).ainvoke({"log": []}), 0.2)
        return node.cancelled

    assert asyncio.run(main())


def test_a_timeout_inside_of_a_node_is_the_nodes_own():
    async def node(_state):
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        except asyncio.TimeoutError:
            return {"log": ["timed out"]}

    assert asyncio.run(built(node).ainvoke({})) == {"log": ["timed out"]}


def test_a_scope_of_anyio_inside_of_a_node_is_the_nodes_own():
    anyio = pytest.importorskip("anyio")

    async def node(_state):
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.sleep(60)
        return {"log": [scope.cancelled_caught]}

    assert asyncio.run(built(node).ainvoke({})) == {"log": [True]}


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("is_async", [False, True])
def test_other_signals_leave_as_they_are(kind, is_async):
    def node(_state):
        raise kind("mine")

    async def anode(_state):
        raise kind("mine")

    graph = built(anode if is_async else node)
    with pytest.raises(kind):
        graph.invoke({})

    async def main():
        with pytest.raises(kind):
            await graph.ainvoke({})

    asyncio.run(main())


def test_it_is_the_same_after_a_pickle():
    error = NodeCancelledError.of("bad")
    again = pickle.loads(pickle.dumps(error))
    assert (again.node, str(again)) == ("bad", str(error))
