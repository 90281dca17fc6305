"""What a task had is free when it ends: a long state must not wait for the garbage collector, once for each step."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, TypedDict

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda

from drumline.config import get_config, get_store, get_stream_writer
from drumline.graph import END, START, StateGraph
from drumline.runtime import get_runtime
from drumline.testing import local_cluster
from drumline.types import Command, Send, interrupt

LIMIT_S = 20


class State(TypedDict, total=False):
    talk: list[Any]
    out: str


def reads_its_config(state: State, _: RunnableConfig) -> Any:
    get_config()["configurable"]["seen"] = state
    return {"out": "x"}


def reads_its_runtime(state: State, _: RunnableConfig) -> Any:
    runtime = get_runtime()
    assert runtime.execution_info is not None and runtime.control is not None
    get_store()
    return {"out": str(len(state["talk"]))}


def writes(state: State, _: RunnableConfig) -> Any:
    get_stream_writer()(len(state["talk"]))
    return {"out": "x"}


def calls_a_runnable(state: State, config: RunnableConfig) -> Any:
    return {"out": str(RunnableLambda(len).invoke(state["talk"], config))}


def calls_a_model(state: State, _: RunnableConfig) -> Any:
    return {"out": FakeListChatModel(responses=["hello"]).invoke(state["talk"]).content}


def calls_a_graph(state: State, _: RunnableConfig) -> Any:
    builder = StateGraph(State)
    builder.add_node("inner", lambda state: reads_its_config(state, {}))
    builder.add_edge(START, "inner")
    return builder.compile().invoke(state)


def asks(state: State, _: RunnableConfig) -> Any:
    interrupt({"of": len(state["talk"])})


def fails(state: State, _: RunnableConfig) -> Any:
    raise ValueError(len(state["talk"]))


def goes_up(state: State, _: RunnableConfig) -> Any:
    return Command(update={"out": "x"}, goto=Send("after", state))


NODES = [
    *(reads_its_config, reads_its_runtime, writes, calls_a_runnable, calls_a_model, calls_a_graph),
    *(asks, fails, goes_up),
]


Node = Callable[[State, RunnableConfig], Any]


class Freed:
    """Notes when a value that a node had is gone."""

    def __init__(self) -> None:
        self.events: list[threading.Event] = []

    def watch(self, value: Any) -> None:
        gone = threading.Event()
        self.events.append(gone)
        weakref.finalize(value, gone.set)


def graph_of(node: Node, freed: Freed, *, is_async: bool) -> Any:
    def watched(state: State, config: RunnableConfig) -> Any:
        freed.watch(state["talk"][0])
        return node(state, config)

    async def awatched(state: State, config: RunnableConfig) -> Any:
        return watched(state, config)

    builder = StateGraph(State)
    builder.add_node("node", awatched if is_async else watched)
    builder.add_node("after", lambda _: {"out": "after"})
    builder.add_edge(START, "node")
    builder.add_edge("node", END)
    return builder.compile(name="freed")


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


MODES: Any = ["values", "messages", "custom"]


def talk(graph: Any, **config: Any) -> None:
    """One run, of which nothing is kept. It may fail."""
    with suppress(Exception):
        list(graph.stream({"talk": [HumanMessage("hello")]}, config, stream_mode=MODES))


async def atalk(graph: Any) -> None:
    async for _ in graph.astream({"talk": [HumanMessage("hello")]}, stream_mode=MODES):
        pass


def assert_free(freed: Freed) -> None:
    assert len(freed.events) == 3
    for gone in freed.events:
        assert gone.wait(LIMIT_S), "only the garbage collector would find it"


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("node", NODES)
def test_on_a_worker(node: Node, is_async: bool) -> None:
    freed = Freed()
    with local_cluster({"freed": graph_of(node, freed, is_async=is_async)}, workers=1) as cluster:
        for number in range(3):
            talk(cluster.graph("freed"), configurable={"thread_id": str(number)})
        assert_free(freed)


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("node", [node for node in NODES if node is not fails])  # an error keeps what led to it
def test_in_the_process_of_the_caller(node: Node, is_async: bool) -> None:
    freed = Freed()
    graph = graph_of(node, freed, is_async=is_async)
    for _ in range(3):
        if is_async:
            asyncio.run(atalk(graph))
        else:
            talk(graph)
    assert_free(freed)
