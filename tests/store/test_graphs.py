"""Graphs and their stores: embedded, adapted, with subgraphs, in tools, on a cluster of threads and of processes."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage
from langchain_core.tools import tool
from langgraph.config import get_store as their_get_store
from langgraph.func import entrypoint
from langgraph.graph import START as THEIR_START
from langgraph.graph import StateGraph as TheirGraph
from langgraph.prebuilt import InjectedStore as TheirInjected
from langgraph.prebuilt import ToolNode as TheirToolNode
from langgraph.runtime import Runtime as TheirRuntime
from langgraph.store.base import BaseStore as TheirStore
from langgraph.store.memory import InMemoryStore as TheirMemory
from typing_extensions import TypedDict

from drumline.config import get_store
from drumline.graph import START, MessagesState, StateGraph
from drumline.langgraph import adapt
from drumline.prebuilt import InjectedStore, ToolNode
from drumline.runtime import Runtime, get_runtime
from drumline.store.base import BaseStore
from drumline.store.memory import InMemoryStore
from drumline.testing import SimCluster, local_cluster


class State(TypedDict):
    log: Annotated[list[Any], operator.add]


def put(_state: State, *, store: BaseStore) -> dict[str, Any]:
    store.put(("u",), "k", {"n": 1})
    return {"log": ["put"]}


def look(_state: State, runtime: Runtime) -> dict[str, Any]:
    assert runtime.store is get_store() is get_runtime().store
    return {"log": [[item.value for item in runtime.store.search(("u",))]]}


async def alook(_state: State, runtime: Runtime) -> dict[str, Any]:
    return {"log": [(await runtime.store.aget(("u",), "k")).value]}


def graph(*nodes: Any, **options: Any) -> Any:
    return StateGraph(State).add_sequence(list(nodes)).add_edge(START, nodes[0].__name__).compile(**options)


@pytest.mark.parametrize("store", [InMemoryStore, TheirMemory])
@pytest.mark.parametrize("strict", [False, True])
def test_nodes_get_it(store, strict):
    made = store()
    found = graph(put, look, store=made, strict_wire=strict).invoke({"log": []})
    assert found == {"log": ["put", [{"n": 1}]]}
    assert made.get(("u",), "k").value == {"n": 1}


def test_async_nodes_get_it():
    assert asyncio.run(graph(put, alook, store=InMemoryStore()).ainvoke({"log": []})) == {"log": ["put", {"n": 1}]}


def test_without_one_it_is_none():
    def ask(_state: State, runtime: Runtime, *, store: BaseStore) -> dict[str, Any]:
        return {"log": [runtime.store, store, get_store()]}

    assert graph(ask).invoke({"log": []}) == {"log": [None] * 3}


@pytest.mark.parametrize("within", ["node", "call"])
@pytest.mark.parametrize(("outer", "inner"), [(True, True), (True, False), (False, True)])
def test_the_store_of_the_run_is_that_of_all_its_graphs(within, outer, inner):
    """As in LangGraph: the outermost graph decides, also if it has none."""

    def run(graph_class: Any, start: str, runtime_class: Any, memory: Any) -> str:
        stores = {"outer": memory() if outer else None, "inner": memory() if inner else None}

        def ask(_state, runtime):
            return {"log": [next((name for name, store in stores.items() if store is runtime.store), "?")]}

        ask.__annotations__ = {"_state": State, "runtime": runtime_class}
        child = graph_class(State).add_node("ask", ask).add_edge(start, "ask").compile(store=stores["inner"])
        action = child if within == "node" else lambda state: child.invoke(state)
        parent = graph_class(State).add_node("child", action).add_edge(start, "child").compile(store=stores["outer"])
        return parent.invoke({"log": []})["log"][-1]

    ours = run(StateGraph, START, Runtime, InMemoryStore)
    assert ours == run(TheirGraph, THEIR_START, TheirRuntime, TheirMemory)
    assert ours == "outer"  # which is None where it has none


def test_what_is_no_store_is_refused():
    with pytest.raises(TypeError, match="methods of BaseStore"):
        graph(look, store=object())
    made = graph(put, look)
    with pytest.raises(TypeError, match="methods of BaseStore"):
        made.store = 3
    assert made.store is None


def test_it_may_be_set_later():
    made = graph(put, look)
    fingerprint = made.program.fingerprint
    made.store = InMemoryStore()
    assert made.invoke({"log": []}) == {"log": ["put", [{"n": 1}]]}
    assert made.program.fingerprint == fingerprint


# -- tools ----------------------------------------------------------------------------------------


@tool
def remember(key: str, store: Annotated[BaseStore, InjectedStore()]) -> str:
    """Remember."""
    store.put(("tools",), key, {})
    return type(store).__name__


@tool
def their_remember(key: str, store: Annotated[TheirStore, TheirInjected()]) -> str:
    """Remember."""
    store.put(("tools",), key, {})
    return type(store).__name__


CALL = {"name": "remember", "args": {"key": "k"}, "id": "1", "type": "tool_call"}
THEIR_CALL = {**CALL, "name": "their_remember"}


@pytest.mark.parametrize("store", [InMemoryStore, TheirMemory])
@pytest.mark.parametrize(("adapted", "call"), [(False, CALL), (False, THEIR_CALL), (True, THEIR_CALL)])
def test_tools_of_either_get_stores_of_either(store, call, adapted):
    made = store()
    tools = [remember, their_remember]
    if adapted:
        built = TheirGraph(MessagesState).add_node("tools", TheirToolNode(tools)).add_edge(THEIR_START, "tools")
        compiled: Any = adapt(built.compile(store=made))
    else:
        own = StateGraph(MessagesState).add_node("tools", ToolNode(tools)).add_edge(START, "tools")
        compiled = own.compile(store=made)
    found = compiled.invoke({"messages": [AIMessage("", tool_calls=[call])]})
    assert found["messages"][-1].content == "InMemoryStore"
    assert made.get(("tools",), "k") is not None


# -- LangGraph's graphs ---------------------------------------------------------------------------


def their_put(_state: State, *, store) -> dict[str, Any]:
    store.put(("u",), "k", {"n": 1})
    return {"log": ["put"]}


def their_look(_state: State, runtime: TheirRuntime) -> dict[str, Any]:
    assert runtime.store is their_get_store()
    assert runtime.store is not None
    return {"log": [[item.value for item in runtime.store.search(("u",))]]}


def their_graph(**options: Any) -> Any:
    nodes: list[Any] = [their_put, their_look]
    built = TheirGraph(State).add_sequence(nodes).add_edge(THEIR_START, "their_put")
    return built.compile(**options)


@pytest.mark.parametrize("store", [InMemoryStore, TheirMemory])
def test_adapted_graphs_keep_theirs(store):
    assert adapt(their_graph(store=store())).invoke({"log": []}) == {"log": ["put", [{"n": 1}]]}


def functional(**options: Any) -> Any:
    @entrypoint(**options)
    def count(given: int) -> int:
        store = their_get_store()
        assert store is not None
        store.put(("u",), "k", {"n": given})
        return len(store.search(("u",)))

    return count


# -- clusters -------------------------------------------------------------------------------------


def test_graphs_of_a_cluster_share_its_store():
    graphs = {"ours": graph(put, look), "theirs": adapt(their_graph()), "inline": adapt(functional())}
    with local_cluster(graphs) as cluster:
        assert cluster.graph("ours").invoke({"log": []}) == {"log": ["put", [{"n": 1}]]}
        assert cluster.graph("theirs").invoke({"log": []}) == {"log": ["put", [{"n": 1}]]}
        assert cluster.graph("inline").invoke(7) == 1
        assert [item.value for item in cluster.store.search(())] == [{"n": 7}]


def test_a_simulated_cluster_has_one_too():
    made = graph(put, look)
    for _ in range(2):
        with SimCluster({"ours": made}) as cluster:
            assert cluster.client.store.search(()) == []
            assert cluster.graph("ours").invoke({"log": []}) == {"log": ["put", [{"n": 1}]]}
            assert len(cluster.client.store.search(())) == 1


def test_a_store_of_ones_own_on_a_cluster():
    own, given = InMemoryStore(), InMemoryStore()
    with local_cluster({"own": graph(put, look, store=own), "bare": graph(put, look)}, store=given) as cluster:
        cluster.graph("own").invoke({"log": []})
        assert cluster.store is given
        assert (len(own.search(())), len(given.search(()))) == (1, 0)
        cluster.graph("bare").invoke({"log": []})
        assert len(given.search(())) == 1
